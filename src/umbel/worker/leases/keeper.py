"""The service that talks to the lease store: off the event loop, with all that came together in one round trip.

A store that is away is waited for: what was asked for stays asked for, what is held is renewed when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.leases.base import Booking, Grant, Lease, LeaseStore, Turn
from umbel.runtime.backoff import delays
from umbel.runtime.service import Service

logger: logging.Logger = logging.getLogger("umbel.worker")

R = TypeVar("R")
#: Seconds that a stop waits for what is to be given up.
_STOP_TIMEOUT = 5.0
#: A lease, as one asks for it again: the same name and owner are the same lease.
_Key = tuple[str, str]


@dataclass(slots=True)
class _Batch:
    """Steps for one round trip each, in this order."""

    releases: dict[_Key, Lease] = field(default_factory=dict)
    asks: dict[_Key, tuple[Lease, Callable[[Grant], None]]] = field(default_factory=dict)
    renewals: dict[_Key, tuple[Lease, Callable[[bool], None]]] = field(default_factory=dict)
    turns: list[tuple[Sequence[Turn], Callable[[Sequence[Booking]], None]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.releases or self.asks or self.renewals or self.turns)

    def before(self, later: _Batch) -> _Batch:
        """Put what could not be done before what has come since; of one lease the later step counts."""
        gone = later.releases.keys()
        return _Batch(
            {key: lease for key, lease in (self.releases | later.releases).items() if key not in later.asks},
            {key: ask for key, ask in (self.asks | later.asks).items() if key in later.asks or key not in gone},
            {key: renewal for key, renewal in (self.renewals | later.renewals).items() if key in later.renewals or key not in gone},
            self.turns + later.turns,
        )


class LeaseKeeper(Service):
    """Asks for leases, renews and gives them up. To be called on the event loop; so are those who are answered.

    Args:
        find: the lease store; raises `ImproperlyConfigured` where there is none.
    """

    stop_timeout: float | None = 2 * _STOP_TIMEOUT

    def __init__(self, find: Callable[[], LeaseStore]) -> None:
        super().__init__()
        self._find = find
        self._batch = _Batch()
        self._pool: ThreadPoolExecutor | None = None
        self._working: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._is_away = False

    def ask(self, lease: Lease, answer: Callable[[Grant], None] = lambda _: None) -> None:
        """Ask for a lease.

        Args:
            lease: that is wanted.
            answer: is told.
        """
        key = lease.name, lease.owner
        self._batch.releases.pop(key, None)
        self._batch.asks[key] = lease, answer
        self._work()

    def renew(self, lease: Lease, answer: Callable[[bool], None] = lambda _: None) -> None:
        """Hold a lease on, once.

        Args:
            lease: that is held, perhaps.
            answer: is told whether it was.
        """
        self._batch.renewals[lease.name, lease.owner] = lease, answer
        self._work()

    def give_up(self, lease: Lease) -> None:
        """Give a lease up.

        Args:
            lease: that is held, perhaps.
        """
        key = lease.name, lease.owner
        self._batch.asks.pop(key, None)
        self._batch.renewals.pop(key, None)
        self._batch.releases[key] = lease
        self._work()

    def take_turns(self, turns: Sequence[Turn], answer: Callable[[Sequence[Booking]], None]) -> None:
        """Ask for turns.

        Args:
            turns: that are wanted.
            answer: is told, of each.
        """
        self._batch.turns.append((turns, answer))
        self._work()

    async def done(self, seconds: float) -> bool:
        """Wait until what was asked so far is done; returns whether it is.

        Args:
            seconds: at most.
        """
        if not self._batch and self._working is None:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await future
        return future.done() and not future.cancelled()

    async def end(self) -> None:
        """Do what is left, for a few seconds, and leave."""
        await self.done(_STOP_TIMEOUT)
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _work(self) -> None:
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work_off())

    async def _work_off(self) -> None:
        """Do what is asked for until nothing is left; what comes while a round trip is under way goes with the next one."""
        pauses: Iterator[float] | None = None
        await asyncio.sleep(0)  # what comes within one turn of the loop goes together
        try:
            while self._batch or self._waiting:
                waiting, self._waiting = self._waiting, []
                batch, self._batch = self._batch, _Batch()
                try:
                    answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._do, batch)
                except OperationalError as error:
                    self._tell_away(error)
                    self._batch, self._waiting = batch.before(self._batch), waiting + self._waiting
                    pauses = pauses or delays(first=0.1, most=3.0)
                    await asyncio.sleep(next(pauses))
                    continue
                self._tell_back()
                for answer in answers:
                    _guarded(answer)
                for future in waiting:
                    if not future.done():
                        future.set_result(None)
        finally:
            self._working = None

    @property
    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="umbel-leases")
        return self._pool

    def _do(self, batch: _Batch) -> list[Callable[[], None]]:
        """Do a batch, in a thread; returns what is to be called on the event loop.

        Raises:
            OperationalError: the store cannot be reached. What was done may be done again.
        """
        try:
            store = self._find()
            if batch.releases:
                store.release(list(batch.releases.values()))
            grants = store.acquire([lease for lease, _ in batch.asks.values()]) if batch.asks else []
            held = store.renew([lease for lease, _ in batch.renewals.values()]) if batch.renewals else []
            booked = store.take_turns([turn for turns, _ in batch.turns for turn in turns]) if batch.turns else []
        except ImproperlyConfigured as error:
            logger.error("Tasks with keys run as any others: %s", error)
            grants, held = [Grant(is_held=True)] * len(batch.asks), [True] * len(batch.renewals)
            booked = [Booking(is_booked=True, seconds=0.0) for turns, _ in batch.turns for _ in turns]
        answers = [_answer(tell, grant) for (_, tell), grant in zip(batch.asks.values(), grants, strict=True)]
        answers += [_answer(tell, is_held) for (_, tell), is_held in zip(batch.renewals.values(), held, strict=True)]
        bookings = iter(booked)
        return answers + [_answer(tell, list(islice(bookings, len(turns)))) for turns, tell in batch.turns]

    def _tell_away(self, error: OperationalError) -> None:
        if not self._is_away:
            self._is_away = True
            logger.error("The lease store is away: tasks with keys or limits across workers wait for it: %s", error)

    def _tell_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("The lease store is back.")


def _answer(tell: Callable[[R], None], answer: R) -> Callable[[], None]:
    return lambda: tell(answer)


def _guarded(answer: Callable[[], None]) -> None:
    try:
        answer()
    except Exception:
        logger.exception("an answer of the lease store could not be dealt with")
