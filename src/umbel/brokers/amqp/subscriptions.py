"""Subscriptions: the consumers to have on the delivery channel, given a window. Pure.

Classic queues: one consumer each, and one window for the whole channel (``basic.qos`` with global set, as Celery does).

Quorum queues and streams know only windows of single consumers, fixed when they begin. There the window of a queue is made of the
windows of its consumers: to grow, one more consumer begins with the difference; to shrink, all are cancelled, and what they delivered
counts against the window until it is settled (*left over*). A queue that RabbitMQ would remove meanwhile keeps its consumers, however wide they are
together; a stream has one, which is replaced when it should be much wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from umbel.brokers.amqp.streams import is_stream
from umbel.brokers.topology import Queue

#: Queue types whose window is one of each consumer and not of the channel.
PER_CONSUMER = frozenset({"quorum", "stream"})
#: Consumers of one queue beyond which they are replaced by one.
_MOST = 8


def needs_consumer(queue: Queue) -> bool:
    """Report whether RabbitMQ removes a queue, with its messages, because nobody consumes from it."""
    return queue.auto_delete or "x-expires" in queue.arguments


def has_own_window(queue: Queue) -> bool:
    """Report whether the window of a queue is one of each consumer, as far as the queue says so."""
    return queue.arguments.get("x-queue-type") in PER_CONSUMER or is_stream(queue)


def _misfits(queue: Queue, consumers: Mapping[str, int], window: int) -> bool:
    """Report whether the consumers of a queue have to be replaced to fit a window."""
    total = sum(consumers.values())
    return total > max(window, 1) or len(consumers) > _MOST or (is_stream(queue) and window >= 2 * total)


class Subscriptions:
    """The consumers of one channel in one epoch: queue → consumer tag → prefetch."""

    __slots__ = ("left_over", "live")

    def __init__(self) -> None:
        self.live: dict[str, dict[str, int]] = {}
        #: Queue → delivery tags of cancelled consumers that are not settled. Empty where windows are the channel's.
        self.left_over: dict[str, set[int]] = {}

    def to_cancel(self, queues: Mapping[str, Queue], window: int, *, per_consumer: bool) -> list[str]:
        """Queues whose consumers must end. Without room, too, a queue that goes with its last consumer keeps one, and what is in it."""
        gone = []
        for name, consumers in self.live.items():
            if not consumers:
                continue
            queue = queues.get(name)
            if queue is None or (not needs_consumer(queue) and (window <= 0 or (per_consumer and _misfits(queue, consumers, window)))):
                gone.append(name)
        return gone

    def cancelled(self, name: str, unsettled: Iterable[int]) -> None:
        """All consumers of a queue have ended; these delivery tags of theirs are not settled."""
        self.live.pop(name, None)
        left = set(unsettled)
        if left:
            self.left_over[name] = left

    def to_begin(self, queues: Mapping[str, Queue], window: int, *, per_consumer: bool) -> list[tuple[Queue, int]]:
        """Queues to consume from, and with which prefetch."""
        if window <= 0:
            return []
        if not per_consumer:
            return [(queue, window) for name, queue in queues.items() if not self.live.get(name)]
        wanted = []
        for name, queue in queues.items():
            live = self.live.get(name, {})
            if (is_stream(queue) and live) or (needs_consumer(queue) and len(live) >= _MOST):  # another one would read the stream anew
                continue
            room = window - sum(live.values()) - len(self.left_over.get(name, ()))
            if room > 0:
                wanted.append((queue, room))
        return wanted

    def begun(self, name: str, consumer_tag: str, prefetch: int) -> None:
        """A consumer has begun."""
        self.live.setdefault(name, {})[consumer_tag] = prefetch

    def ended(self, consumer_tag: str) -> str | None:
        """The broker ended one consumer; returns its queue."""
        for name, consumers in self.live.items():
            if consumers.pop(consumer_tag, None) is not None:
                return name
        return None

    def settled(self, queue: str, tag: int) -> bool:
        """A delivery was settled; returns whether that makes room which no consumer has yet."""
        left = self.left_over.get(queue)
        if left is None or tag not in left:
            return False
        left.discard(tag)
        if not left:
            del self.left_over[queue]
        return True
