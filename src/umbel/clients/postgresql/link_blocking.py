"""`BlockingLink`: a connection for threads, with a deadline for everything."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import cast

from psycopg.pq.abc import PGresult

from umbel.clients.postgresql.link import Link
from umbel.clients.postgresql.values import Statement
from umbel.errors import OperationalError
from umbel.runtime.readiness import wait


class BlockingLink(Link):
    """For one thread at a time."""

    #: A statement has been sent and not been answered: whoever waited for it was interrupted, as by a signal.
    is_pending: bool = False

    def run(self, statement: Statement, timeout: float, on_notify: Callable[[str], object] | None = None) -> PGresult:
        """Run a statement and return its answer.

        Args:
            statement: to run.
            timeout: seconds; after that the connection is closed, because the answer may still come.
            on_notify: called with what has been notified meanwhile.

        Raises:
            OperationalError: the connection was lost, the time is over, or the server refuses.
        """
        if self.is_closed:
            raise OperationalError(f"{self.address.public()}: the connection is closed")
        if self.is_pending:
            with contextlib.suppress(OperationalError):  # it was somebody else's, who has gone
                self.finish(timeout, on_notify)
        self._results.clear()
        self.is_pending = True
        self._begin(statement)
        return self._finish(timeout, on_notify)

    def finish(self, timeout: float, on_notify: Callable[[str], object] | None = None) -> PGresult:
        """Wait for the answer to the statement that has been sent, and return it.

        Args:
            timeout: as in `run`.
            on_notify: as in `run`.

        Raises:
            OperationalError: as in `run`.
        """
        if self._take_in(on_notify):  # all of it had come
            self.is_pending = False
            return self._answer()
        return self._finish(timeout, on_notify)

    def _finish(self, timeout: float, on_notify: Callable[[str], object] | None) -> PGresult:
        end = time.monotonic() + timeout
        sent = self._flush()
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise self._broken(OperationalError(f"no answer in {timeout:g} s"))
            readable, _ = self._wait(left, write=not sent)
            if readable and self._take_in(on_notify):
                self.is_pending = False
                return self._answer()
            if not sent:
                sent = self._flush()

    def _wait(self, seconds: float, *, write: bool) -> tuple[bool, bool]:
        try:
            return wait(cast("socket.socket", self), seconds, write=write)
        except (OSError, ValueError) as error:
            raise self._broken(error) from None

    def take_notes(self, on_notify: Callable[[str], object]) -> None:
        """Read what has been notified while no statement runs.

        Args:
            on_notify: called with each.

        Raises:
            OperationalError: the connection was lost.
        """
        self._take_in(on_notify)

    def is_stale(self) -> bool:
        """Report whether the server has closed the connection, or said something that nobody asked for."""
        if self.is_closed or self.is_pending:
            return self.is_closed
        try:
            readable, _ = wait(cast("socket.socket", self), 0)
            if readable:
                self._take_in()
        except (OSError, ValueError, OperationalError):
            self.close()
        return self.is_closed
