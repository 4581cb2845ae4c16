"""The order in which claims look at the lists of queues, and the number of them in one claim. Pure.

A claim names the lists that it looks at, and each costs Redis about half a microsecond, whatever it holds. Beside two thousand lists (five hundred queues
of four priority steps) the messages would not count. So most claims look at a few queues, and at more of them as long as they find too little.
But some fifty claims a second look at all, so that a message of high priority does not wait until its queue's turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from umbel.wire.redis import envelope
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import pack_part

#: Queues that a claim looks at, at least.
SPAN: Final = 16
#: Seconds for which a claim need not look at all queues after one did.
FRESH: Final = 0.02


class Lists(NamedTuple):
    """The lists that one claim looks at."""

    #: The queue of each, in the order of serving: priority step first, then queue.
    queues: list[str]
    #: How many queues these are.
    span: int
    #: Their keys, as parts of a command; and for each queue what follows its messages in ``unacked``.
    keys: bytes
    tails: bytes


class ClaimOrder:
    """Chooses the lists of each claim; see the module.

    Args:
        keys: names the lists.
        strategy: ``round_robin`` (every queue is the first one in its turn), ``sorted``, or anything else for the order given (``priority``).
        queues: the names of the queues.
    """

    __slots__ = ("_count", "_full_at", "_keys", "_lists", "_names", "_rotates", "_span", "_strategy", "_tails", "_turn")

    def __init__(self, keys: Keys, strategy: str, queues: Iterable[str]) -> None:
        self._keys = keys
        self._strategy = strategy
        self._turn = 0
        self.change(queues)

    def change(self, queues: Iterable[str]) -> None:
        """Serve ``queues``, by name, from now on."""
        names = sorted(queues) if self._strategy == "sorted" else list(queues)
        self._count = self._span = len(names)
        self._rotates = self._strategy == "round_robin" and self._count > 1
        self._full_at = 0.0
        # Each is there twice, so that a slice is as long as it has to be wherever it begins.
        self._names = names * 2
        self._lists = [[pack_part(self._keys.list_at(name, step)) for name in names] * 2 for step in self._keys.steps]
        self._tails = [pack_part(envelope.unacked_tail(name)) for name in names] * 2

    def next(self, now: float, *, everything: bool = False) -> Lists:
        """Choose the lists that the next claim looks at.

        Args:
            now: monotonic seconds.
            everything: look at all queues in any case.
        """
        span, start = self._count, 0
        if self._rotates:
            if not everything and now - self._full_at < FRESH:
                span = self._span
            start = self._turn % self._count
            self._turn = start + (span if span < self._count else 1)
        if span == self._count:
            self._full_at = now
        some = slice(start, start + span)
        return Lists(
            self._names[some] * len(self._lists),
            span,
            b"".join([b"".join(lists[some]) for lists in self._lists]),
            b"".join(self._tails[some]),
        )

    def claimed(self, span: int, *, filled: bool) -> bool:
        """Note what a claim found; returns whether there may be more.

        Args:
            span: how many queues it looked at.
            filled: whether it got as many messages as it asked for.
        """
        if filled:
            self._span = min(SPAN, self._count)
            return True
        self._span = min(4 * max(span, self._span), self._count)
        return span < self._count
