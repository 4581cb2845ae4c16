"""Parts that broadcasters, subscribers and inboxes of several brokers share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

from umbel.brokers.fanout.base import REPLY_TTL, SubscriberSink
from umbel.brokers.topology import Exchange, Queue, ReplyAddress
from umbel.errors import OperationalError
from umbel.runtime.readiness import Interrupt
from umbel.wire.message import Delivery, Message

logger: logging.Logger = logging.getLogger("umbel.brokers")

#: Messages that wait for one subscriber in a broker that lives in a file or in this process; beyond these the oldest are dropped.
MOST_WAITING = 10_000


class BroadcastDefaults:
    """All that a broadcaster has besides `broadcast_many`."""

    def broadcast(self, exchange: Exchange, message: Message, routing_key: str = "", *, keep: float = REPLY_TTL) -> None:
        """Send one ``message`` by ``routing_key`` to an ``exchange``, to be kept for ``keep`` seconds; see `umbel.brokers.fanout.base.Broadcaster`."""
        self.broadcast_many(exchange, [(message, routing_key)], keep=keep)

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:
        """Send ``messages`` to an ``exchange``, to be kept for ``keep`` seconds; see `umbel.brokers.fanout.base.Broadcaster`."""
        raise NotImplementedError


class InboxDefaults:
    """The part that reply inboxes between processes share.

    Args:
        queue: what the inbox reads.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._address = ReplyAddress.of(queue)
        self._pid = os.getpid()
        self._closed = False
        #: Held while receiving; not taken in a forked child, where nobody would release it.
        self._lock = threading.RLock()
        self._interrupt = Interrupt()

    @property
    def address(self) -> ReplyAddress:
        """See `umbel.brokers.fanout.base.ReplyInbox`."""
        return self._address

    def _check(self) -> None:
        """Raise `OperationalError` where nothing can be received: after a close, or in a forked child."""
        if self._pid != os.getpid():
            raise OperationalError(f"the reply inbox {self._queue.name} belongs to the process that made it")
        if self._closed:
            raise OperationalError(f"the reply inbox {self._queue.name} is closed")


def hand_over(sink: SubscriberSink, messages: list[Delivery]) -> None:
    """Hand messages to a sink. What it raises is logged, and ends neither the connection nor the subscription.

    Args:
        sink: of a subscriber.
        messages: not none.
    """
    try:
        sink.on_messages(messages)
    except Exception:
        logger.exception("the sink of a subscriber failed; %d messages are dropped", len(messages))


async def ended(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait for its end.

    Args:
        task: perhaps none, or one that has ended.
    """
    if task is not None and task is not asyncio.current_task():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OperationalError):
            await task
