"""The connections of a process for commands: each is used by one thread at a time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.clients.redis.replies import is_transient, translate
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.redis.resp import ReplyError

#: Seconds without a server after which that is said.
_HICCUP = 1.0

logger: logging.Logger = logging.getLogger("umbel.results")


class Connections:
    """The connections of one process for commands; each is used by one thread at a time.

    Args:
        candidates: the servers, in order.
        timeout: seconds that a reply may take.
        most: connections at one time. A thread that finds all in use waits for one.
        what: they lead to, for people.
    """

    def __init__(self, candidates: Sequence[Address], timeout: float, most: int, what: str = "result store") -> None:
        self._candidates = candidates
        self._what = what
        self._timeout = timeout
        self._most = most
        self._idle: list[BlockingConnection] = []
        self._free = threading.Semaphore(most)

    def forget(self) -> None:
        """In a forked child: the connections belong to the parent."""
        idle, self._idle = self._idle, []
        self._free = threading.Semaphore(self._most)
        for connection in idle:
            connection.close()  # our copy of the descriptor only

    def _take(self) -> BlockingConnection:
        """A connection that works as far as one can see.

        Raises:
            OperationalError: the server cannot be reached.
        """
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return BlockingConnection.open_any(self._candidates, self._timeout)
            if not connection.is_stale():
                return connection
            connection.close()

    def _once(self, work: Callable[[BlockingConnection], Any], patience: float) -> Any:
        free = self._free
        if not free.acquire(timeout=max(0.0, patience)):
            raise OperationalError(f"all {self._most} connections to the {self._what} were in use all the time (redis_max_connections)")
        try:
            connection = self._take()
            try:
                done = work(connection)
            except BaseException:
                connection.close()
                raise
            if free is self._free:
                self._idle.append(connection)
            else:  # the work has forked, and this is the child
                connection.close()
            return done
        finally:
            free.release()

    def use(self, work: Callable[[BlockingConnection], Any], patience: float) -> Any:
        """Do some work that may be done twice; again over new connections until it succeeds or patience (seconds) ends.

        Raises:
            OperationalError: it did not succeed; error replies are translated and not tried again.
        """
        end = time.monotonic() + patience
        told = False
        for pause in delays(0.05, most=2.0):
            try:
                return self._once(work, end - time.monotonic())
            except ReplyError as error:
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise translate(error, f"a command to the {self._what}") from error
            except AccessRefused:
                raise
            except OperationalError as error:
                now = time.monotonic()
                if now + pause > end:
                    raise
                told = told or tell_away(self._what, error, end - patience, end)
            time.sleep(pause)
        raise AssertionError

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()


def tell_away(what: str, error: OperationalError, since: float, end: float) -> bool:
    """Say that a server is away, once that is more than a hiccup; returns whether it was said.

    Args:
        what: the server, for people.
        error: that it is known by.
        since: when it was last there, monotonic seconds.
        end: when it is given up.
    """
    now = time.monotonic()
    if now < since + _HICCUP:
        return False
    logger.warning("The %s is away: %s; trying for another %.0f s", what, error, end - now)
    return True
