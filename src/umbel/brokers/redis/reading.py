"""The thread that looks after a publisher's unconfirmed messages while nobody else does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from umbel.brokers.redis.blocking import wait_ready
from umbel.runtime.backoff import delays

#: Seconds between two looks at the replies while messages are unconfirmed and nobody waits for them.
_LINGER = 0.005
#: Seconds without work after which the thread ends.
_IDLE = 30.0


class Reader:
    """Calls ``look`` again and again while there is something to wait for; sleeps otherwise, and ends after a while.

    Args:
        look: reads the replies that have come or mends the connection; returns whether that went well.
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
        self.idle = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="umbel-redis-publisher", daemon=True)
            self._thread.start()
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
