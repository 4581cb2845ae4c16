"""The memory of what was revoked beyond the life of a worker: its state file, and the result store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final

from umbel.errors import OperationalError, UmbelError
from umbel.results.revocation_store import LONGEST, RevocationStore
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds that a start waits for what was kept; and after which a store that was away is asked again.
_PATIENCE: Final = 5.0
_AGAIN: Final = 10.0


class Keeping:
    """Keeps what is revoked in one or more stores, and reads it from there.

    Args:
        stores: each with its name in log lines.
        most: entries to keep.
        expires: seconds for which one is kept.
        spawn: runs a coroutine beside the loop's other work.
    """

    def __init__(
        self,
        stores: Sequence[tuple[str, RevocationStore]],
        most: int,
        expires: float,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._stores = tuple(stores)
        self._most = most
        self._expires = expires
        self._spawn = spawn

    def keep(self, entries: Collection[str]) -> None:
        """Keep entries, soon. A store that is away is told of in the log, and not tried again: others may have reached it.

        Args:
            entries: `umbel.results.revocation_store`.
        """
        short = [entry for entry in entries if len(entry) <= LONGEST]
        if short and self._stores:
            self._spawn(self._keep(short, SYSTEM.now()))

    async def _keep(self, entries: Collection[str], now: float) -> None:
        for name, store in self._stores:
            try:
                await asyncio.to_thread(store.add, entries, now, most=self._most, expires=self._expires)
            except UmbelError as error:
                logger.error(
                    "%d revoked tasks are not kept in %s, so a worker that is started later may run them: %s", len(entries), name, error
                )

    def read_soon(self, learn: Callable[[dict[str, float]], object]) -> None:
        """`read`, beside other work; ``learn`` is called likewise."""
        if self._stores:
            self._spawn(self.read(learn))

    async def read(self, learn: Callable[[dict[str, float]], object]) -> None:
        """Read all stores. One that does not answer in time is read when it does.

        Args:
            learn: called with the entries of each, and when they were revoked, seconds since the epoch.
        """
        for name, store in self._stores:
            reading = asyncio.ensure_future(asyncio.to_thread(store.read, SYSTEM.now() - self._expires))
            done, _ = await asyncio.wait([reading], timeout=_PATIENCE)
            if done and reading.exception() is None:
                learn(reading.result())
            else:
                logger.warning("what was revoked cannot be read from %s yet: %s", name, _why(reading))
                self._spawn(self._read_later(name, store, reading, learn))

    async def _read_later(
        self, name: str, store: RevocationStore, reading: asyncio.Future[dict[str, float]], learn: Callable[[dict[str, float]], object]
    ) -> None:
        while True:
            try:
                learn(await reading)
            except UmbelError as error:
                if isinstance(error, OperationalError) and error.is_permanent:
                    logger.error("what was revoked cannot be read from %s: %s", name, error)
                    return
                await asyncio.sleep(_AGAIN)
                reading = asyncio.ensure_future(asyncio.to_thread(store.read, SYSTEM.now() - self._expires))
            else:
                logger.info("what was revoked has been read from %s", name)
                return


def _why(reading: asyncio.Future[Any]) -> str:
    return str(reading.exception()) if reading.done() else "no answer"
