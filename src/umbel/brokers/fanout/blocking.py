"""A subscriber for a thread, which has no event loop: a monitor, a script."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from typing import Self

from umbel.brokers.fanout.base import Subscriber
from umbel.brokers.fanout.defaults import MOST_WAITING
from umbel.clients.base import ConnectionState
from umbel.errors import OperationalError
from umbel.wire.message import Delivery

logger: logging.Logger = logging.getLogger("umbel.brokers")

#: Bytes of bodies that wait for a slow reader.
MOST_BYTES = 64 * 1024 * 1024


class BlockingSubscriber:
    """Runs a subscriber on a loop and a thread of its own. Any thread may close it. Also a context manager, which opens it.

    Args:
        subscriber: one that has not been started.
        size: messages that wait for `receive`; beyond these the oldest are dropped.
        most_bytes: likewise, bytes of their bodies.
    """

    def __init__(self, subscriber: Subscriber, size: int = MOST_WAITING, most_bytes: int = MOST_BYTES) -> None:
        self._subscriber = subscriber
        #: Messages that were dropped because nobody received them in time.
        self.dropped: int = 0
        self._size = size
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._closed = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect and listen: what is broadcast after this has returned is received.

        Raises:
            OperationalError: the broker cannot be reached or refuses; or the subscriber is closed already.
        """
        with self._changed:
            if self._closed or self._thread is not None:
                raise OperationalError("a subscriber is opened once")
            self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True, name="umbel-subscriber")
            self._thread.start()
            self._changed.wait_for(lambda: self._stop is not None or self._error is not None)
            error = self._error
        if error is not None:
            self._thread.join()
            raise error

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        """Wait for messages; returns an empty list when none came in time, or when the subscriber is closed.

        Args:
            timeout: seconds; ``None`` is for ever.

        Raises:
            OperationalError: this is a forked child, and the subscriber is its parent's.
        """
        if self._pid != os.getpid():
            raise OperationalError("the subscriber belongs to the process that made it")
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            found = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return found

    def close(self) -> None:
        """Disconnect. Safe twice, and before `open`; in a forked child it leaves the parent's as it is."""
        if self._pid != os.getpid():  # where nobody may ever release the lock
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            loop, stop, thread = self._loop, self._stop, self._thread
        if loop is None or stop is None or thread is None:
            return
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            thread.join(10.0)

    def on_messages(self, messages: list[Delivery]) -> None:
        """Keep ``messages`` for `receive`."""
        with self._changed:
            self._waiting.extend(messages)
            self._bytes += sum(len(message.body) for message in messages)
            while len(self._waiting) > self._size or (self._bytes > self._most_bytes and len(self._waiting) > 1):
                if not self.dropped:
                    logger.warning("messages are received too slowly: the oldest are dropped")
                self.dropped += 1
                self._bytes -= len(self._waiting.popleft().body)
            self._changed.notify_all()

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """Log that the connection is in another ``state``, with its ``detail``."""
        logger.log(logging.DEBUG if state is ConnectionState.CONNECTED else logging.WARNING, "%s", detail)

    async def _main(self) -> None:
        stop = asyncio.Event()
        try:
            await self._subscriber.start(self)
            with self._changed:
                self._loop, self._stop = asyncio.get_running_loop(), stop
                self._changed.notify_all()
                is_closed = self._closed  # meanwhile: nobody will set the event
            if not is_closed:
                await stop.wait()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            await self._subscriber.aclose()
