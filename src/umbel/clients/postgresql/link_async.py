"""`AsyncLink`: a connection on the event loop, which also hears what is notified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

import psycopg
from psycopg.pq.abc import PGresult

from umbel.clients.postgresql.addresses import Address
from umbel.clients.postgresql.link import CHANNEL, Link
from umbel.clients.postgresql.values import Statement
from umbel.errors import OperationalError


class AsyncLink(Link):
    """One statement at a time: who starts another one before waits for it.

    Args:
        connection: new, and nobody else's.
        address: of the server.
        on_notify: called with what is notified, and with ``None`` when the connection is lost.
        timeout: seconds for one statement; after that the connection counts as lost.
    """

    def __init__(self, connection: psycopg.Connection, address: Address, on_notify: Callable[[str | None], object], timeout: float) -> None:
        super().__init__(connection, address)
        self._on_notify = on_notify
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[PGresult] | None = None
        self._turn = asyncio.Lock()
        self._file = self._pg.socket
        self._loop.add_reader(self._file, self._on_readable)

    @classmethod
    async def open(
        cls, connect: Callable[[], tuple[psycopg.Connection, Address]], on_notify: Callable[[str | None], object], timeout: float
    ) -> Self:
        """Connect without blocking the loop.

        Args:
            connect: blocks, and returns a new connection.
            on_notify: see the class.
            timeout: see the class.

        Raises:
            OperationalError: of ``connect``.
        """
        opening = asyncio.get_running_loop().run_in_executor(None, connect)
        try:
            connection, address = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_drop)
            raise
        return cls(connection, address, on_notify, timeout)

    async def listen(self) -> None:
        """Hear what is notified from now on."""
        await self.run(Statement(b"LISTEN " + CHANNEL.encode()))

    async def run(self, statement: Statement) -> PGresult:
        """Run a statement and return its answer.

        Args:
            statement: to run.

        Raises:
            OperationalError: the connection was lost, the time is over, or the server refuses.
        """
        async with self._turn:
            if self.is_closed:
                raise OperationalError(f"{self.address.public()}: the connection is closed")
            self._results.clear()
            self._waiting = self._loop.create_future()
            end = self._loop.call_later(self._timeout, self._give_up)
            try:
                self._begin(statement)
                if not self._flush():
                    self._loop.add_writer(self._file, self._on_writable)
                return await self._waiting
            except asyncio.CancelledError:
                self.close()  # its answer is still under way
                raise
            finally:
                end.cancel()
                self._waiting = None

    def _on_writable(self) -> None:
        try:
            if self._flush():
                self._loop.remove_writer(self._file)
        except OperationalError as error:
            self._fail(error)

    def _on_readable(self) -> None:
        waiting = self._waiting
        try:
            is_complete = self._take_in(self._on_notify)
            if waiting is not None and is_complete and not waiting.done():
                waiting.set_result(self._answer())
        except OperationalError as error:
            self._fail(error)

    def _give_up(self) -> None:
        self._fail(self._broken(OperationalError(f"no answer in {self._timeout:g} s")))

    def _fail(self, error: OperationalError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        if self.is_closed:
            self._on_notify(None)

    def close(self) -> None:
        if not self.is_closed:
            self._loop.remove_reader(self._file)
            self._loop.remove_writer(self._file)
        super().close()


def _drop(opening: asyncio.Future[tuple[psycopg.Connection, Address]]) -> None:
    """Close a connection that came too late."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()
