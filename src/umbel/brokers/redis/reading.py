"""The thread that looks after a publisher's unconfirmed messages while nobody else does, and who is told what became of them."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable

from umbel.brokers.redis.blocking import wait_ready
from umbel.errors import PublishError
from umbel.runtime.backoff import delays

logger = logging.getLogger("umbel.brokers.redis")

#: Seconds between two looks at the replies while messages are unconfirmed and nobody waits for them.
_LINGER = 0.005
#: Seconds without work after which the thread ends.
_IDLE = 30.0

Watcher = Callable[[BaseException | None], None]


class Verdicts:
    """What became of messages, and who waits to be told; the publisher's lock is held."""

    __slots__ = ("_watchers", "refused")

    def __init__(self) -> None:
        #: Refused messages by their number, until someone was told.
        self.refused: dict[int, PublishError] = {}
        self._watchers: list[tuple[int, Watcher]] = []

    @property
    def is_watched(self) -> bool:
        """Whether somebody is to be told."""
        return bool(self._watchers)

    def watch(self, number: int, watcher: Watcher) -> None:
        """Somebody wants to know when all messages up to this number are confirmed, or any is refused."""
        self._watchers.append((number, watcher))

    def take_due(self, confirmed: int) -> list[tuple[Watcher, BaseException | None]]:
        """The watchers to call now, and with what."""
        due = [watcher for number, watcher in self._watchers if number <= confirmed or self.refused]
        if not due:
            return []
        self._watchers = [] if self.refused else [each for each in self._watchers if each[0] > confirmed]
        problem = self._take_refused(0)
        return [(watcher, problem) for watcher in due]

    def raise_refused(self, number: int = 0) -> None:
        """Raise what was refused, the command of this number before all; nobody is told twice."""
        error = self._take_refused(number)
        if error is not None:
            raise error

    def _take_refused(self, number: int) -> PublishError | None:
        if not self.refused:
            return None
        refused, self.refused = self.refused, {}
        error = refused.get(number) or next(iter(refused.values()))
        return PublishError(f"{error} (and {len(refused) - 1} more)") if len(refused) > 1 else error


def tell(due: Iterable[tuple[Watcher, BaseException | None]]) -> None:
    """Call watchers, without any lock."""
    for watcher, problem in due:
        try:
            watcher(problem)
        except Exception:
            logger.exception("a callback of on_confirmed failed")


class Reader:
    """Calls ``look`` again and again while there is something to wait for; sleeps otherwise, and ends after a while.

    Args:
        look: reads the replies that have come or mends the connection; returns whether that went well. It never raises.
        waiting: under the publisher's lock: whether there is more to wait for.
        hurried: a socket to wait at when somebody wants to know at once, else ``None``.
        lock: the publisher's.
    """

    def __init__(
        self, look: Callable[[], bool], waiting: Callable[[], bool], hurried: Callable[[], socket.socket | None], lock: threading.Lock
    ) -> None:
        self._look = look
        self._waiting = waiting
        self._hurried = hurried
        self._lock = lock
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        #: It has to be woken; read and written under the lock.
        self.idle = True

    def start(self) -> None:
        """There is something to wait for; the lock is held."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="umbel-redis-publisher", daemon=True)
            self._thread.start()
        self.idle = False
        self._wake.set()

    def hurry(self) -> None:
        """Somebody wants to know as soon as there is nothing left to wait for."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread, soon."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            awake = self._wake.wait(_IDLE)
            with self._lock:
                if not awake and self.idle:
                    self._thread = None
                    return
                self._wake.clear()
            self._follow()

    def _follow(self) -> None:
        """Look until there is nothing left to wait for."""
        pauses = delays(0.1, most=3.0)
        while not self._stopped:
            sock = self._hurried()
            if sock is not None:
                with contextlib.suppress(OSError, ValueError):  # another thread may close it
                    wait_ready(sock, 0.05)
            elif self._wake.wait(_LINGER) and not self._stopped:
                self._wake.clear()
            if not self._look():
                time.sleep(next(pauses))
            with self._lock:
                if not self._waiting():
                    self.idle = True
                    return
