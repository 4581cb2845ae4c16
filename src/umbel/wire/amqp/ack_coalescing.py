"""Acknowledge delivery tags with as few acks as possible, and none too early.

RabbitMQ numbers the deliveries of a channel 1, 2, 3, …; ``multiple`` acknowledges everything up to a tag. So the tags below the lowest
unsettled one can be covered by a single ack, whatever order they were settled in; those above are acknowledged one by one.
"""

from __future__ import annotations

from collections.abc import Iterable


class AckCoalescer:
    """The settled tags of one channel in one epoch."""

    __slots__ = ("_done", "_low", "_pending")

    def __init__(self) -> None:
        #: The lowest tag that is not settled.
        self._low = 1
        #: Settled tags above it, which the broker knows of.
        self._done: set[int] = set()
        #: Tags to acknowledge at the next `take`.
        self._pending: set[int] = set()

    @property
    def waiting(self) -> int:
        """Count the tags that the next `take` acknowledges."""
        return len(self._pending)

    def acknowledge(self, tags: Iterable[int]) -> None:
        """Take note that these ``tags`` are done with."""
        self._pending.update(tags)

    def settled(self, tag: int) -> None:
        """Take note that ``tag`` was settled in another way (requeued, rejected)."""
        self._done.add(tag)

    def take(self) -> tuple[int, list[int]]:
        """Return the acks to send: a tag to acknowledge with ``multiple`` (0: none), and tags to acknowledge singly, ascending."""
        pending, done, low = self._pending, self._done, self._low
        if not pending:
            return 0, []
        upto = 0
        while True:
            if low in pending:
                pending.remove(low)
                upto = low  # the tag named must itself be unacknowledged, or the broker closes the channel
            elif low in done:
                done.remove(low)
            else:
                break
            low += 1
        self._low = low
        singles = sorted(pending)
        done.update(singles)
        pending.clear()
        return upto, singles
