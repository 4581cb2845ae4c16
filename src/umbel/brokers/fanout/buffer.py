"""Broadcasts without waiting: a bounded buffer, and a thread that empties it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from umbel.brokers.fanout.base import Broadcaster
from umbel.brokers.fanout.defaults import MOST_WAITING
from umbel.brokers.topology import Exchange
from umbel.errors import MessageError, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers")

#: Messages sent at once.
_BATCH = 500


class BroadcastBuffer:
    """Broadcasts from an event loop, or from whoever may not wait: `broadcast` never does, and never fails.

    A thread sends what is buffered, many messages at once. While the broker is away it connects again and again; meanwhile the buffer keeps
    the newest messages and drops the oldest. A batch whose sending failed is dropped, because some of it may have arrived.

    Args:
        broadcaster: sends the messages; closed with the buffer.
        size: messages that are kept.
        weigh: says for how many a message counts when it is dropped; for one when not given.
    """

    def __init__(self, broadcaster: Broadcaster, size: int = MOST_WAITING, weigh: Callable[[Message], int] | None = None) -> None:
        self._broadcaster = broadcaster
        self._size = size
        self._weigh = weigh
        #: Messages (or what they count for) that were dropped because there was no room, or because sending failed.
        self.dropped: int = 0
        self._reset()
        process_hooks.attach(after_fork=self._reset)

    def _reset(self) -> None:
        """Start empty; in a forked child the thread and what is buffered belong to the parent."""
        self._waiting: deque[tuple[Exchange, Message, str]] = deque()
        self._filled = threading.Condition()
        self._sending = self._closed = False
        self._thread: threading.Thread | None = None

    def broadcast(self, exchange: Exchange, message: Message, routing_key: str = "") -> None:
        """Send a message soon; after `aclose` it is dropped.

        Args:
            exchange: where to.
            message: what.
            routing_key: by which a topic exchange, or that of a reply address, chooses.
        """
        self.broadcast_many(exchange, [(message, routing_key)])

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]]) -> None:
        """Send several messages soon.

        Args:
            exchange: where to.
            messages: each with its routing key.
        """
        with self._filled:
            if self._closed:
                self._drop((message for message, _ in messages), "the buffer is closed")
                return
            self._waiting.extend((exchange, message, routing_key) for message, routing_key in messages)
            excess = len(self._waiting) - self._size
            if excess > 0:
                self._drop([self._waiting.popleft()[1] for _ in range(excess)], f"more than {self._size} wait for the broker")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-broadcasts")
                self._thread.start()
            self._filled.notify_all()

    async def aclose(self, timeout: float = 2.0) -> None:
        """Send what is buffered and end. Safe twice.

        Args:
            timeout: seconds to wait for the broker; what is left then is dropped.
        """
        await asyncio.to_thread(self.close, timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Send what is buffered and end, in a thread. Safe twice.

        Args:
            timeout: seconds to wait for the broker; what is left then is dropped.
        """
        with self._filled:
            self._filled.wait_for(lambda: not self._waiting and not self._sending, timeout)
            self._closed = True
            if self._waiting:
                self._drop((message for _, message, _ in self._waiting), "the broker did not take them in time")
                self._waiting.clear()
            thread = self._thread
            self._filled.notify_all()
        if thread is not None:
            thread.join(timeout)
        self._broadcaster.close()

    def _drop(self, messages: Iterable[Message], reason: str) -> None:
        if not self.dropped:
            logger.warning("broadcasts are dropped: %s", reason)
        self.dropped += sum(map(self._weigh or _one, messages))

    def _run(self) -> None:
        filled = self._filled
        while True:
            with filled:
                filled.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
            if not self._connect():
                return
            with filled:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._sending = True
            try:
                self._send(batch)
            finally:
                with filled:
                    self._sending = False
                    filled.notify_all()

    def _connect(self) -> bool:
        """Connect, however long it takes; false when the buffer was closed meanwhile."""
        for pause in delays(0.1, most=3.0):
            if self._closed:
                return bool(self._waiting)
            try:
                self._broadcaster.connect()
            except OperationalError as error:
                logger.debug("nothing can be broadcast now: %s", error)
            else:
                return True
            with self._filled:
                self._filled.wait_for(lambda: self._closed, pause)
        raise AssertionError

    def _send(self, batch: list[tuple[Exchange, Message, str]]) -> None:
        for exchange, messages in _by_exchange(batch):
            try:
                self._broadcaster.broadcast_many(exchange, messages)
            except (OperationalError, MessageError) as error:
                with self._filled:
                    self._drop((message for message, _ in messages), f"sending to exchange {exchange.name!r} failed: {error}")


def _one(_message: Message) -> int:
    return 1


def _by_exchange(batch: Sequence[tuple[Exchange, Message, str]]) -> Iterator[tuple[Exchange, list[tuple[Message, str]]]]:
    """Runs of messages to the same exchange, in order."""
    run: list[tuple[Message, str]] = []
    last: Exchange | None = None
    for exchange, message, routing_key in batch:
        if last is not None and exchange is not last and exchange.name != last.name:
            yield last, run
            run = []
        last = exchange
        run.append((message, routing_key))
    if last is not None:
        yield last, run
