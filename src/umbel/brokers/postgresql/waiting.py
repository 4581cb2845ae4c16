"""The decisions of a consumer that has nothing to do: whom it tells, and how long it rests. Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

#: Full claims in a row after which a consumer is busy, and need not be told of messages.
_BUSY: Final = 10
#: Messages that no notification told of, in a row, after which notifications are not relied on.
_DEAF: Final = 3
#: Upkeeps in a row that found nothing, after which it is quiet.
_QUIET: Final = 15
#: Seconds between looks without notifications: the first, the factor, the most.
_POLL, _SLOWER, _LONGEST = 0.02, 1.5, 0.5


class Waiting:
    """The state of one consumer.

    Args:
        listens: notifications may come.
    """

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self._is_told = False
        self._full = 0
        self._missed = 0
        self._empty = 0
        self._poll = _POLL

    @property
    def is_deaf(self) -> bool:
        """Report whether notifications are not relied on."""
        return not self.listens or self._missed >= _DEAF

    def forget(self) -> None:
        """Note that the server does not know that we wait, or for what."""
        self._is_told = False

    def is_for_us(self, queue: str, queues: Container[str]) -> bool:
        """Take a notification; returns whether it is of one of our queues.

        Args:
            queue: its name, or the beginning of a long one.
            queues: ours.
        """
        is_ours = queue in queues or len(queue) >= 255
        if is_ours:
            self._missed = 0
        return is_ours

    @property
    def is_quiet(self) -> bool:
        """Report whether nothing has come for a while."""
        return self._empty >= _QUIET

    def on_upkeep(self) -> None:
        """Note that an upkeep follows the last one, perhaps with messages between."""
        self._empty += 1

    def on_missed(self) -> None:
        """Note that there is a message of which nothing has told."""
        if self._is_told:
            self._missed += 1

    def is_busy(self, count: int) -> bool:
        """Report whether the note that we wait is to be taken back.

        Args:
            count: messages that are about to be claimed.
        """
        if self._is_told and count and self._full >= _BUSY:
            self._is_told = False
            return True
        return False

    def on_turn(self, found: int, count: int) -> None:
        """Note what a turn has brought.

        Args:
            found: messages.
            count: that it asked for.
        """
        self._full = self._full + 1 if found >= count > 0 else 0
        if found:
            self._poll = _POLL
            self._empty = 0

    def must_tell(self) -> bool:
        """Report whether the server is to be told that we wait."""
        return self.listens and not self._is_told

    def on_told(self) -> None:
        """Note that the server knows that we wait."""
        self._is_told = True

    def at_most(self, seconds: float, *, has_room: bool) -> float:
        """Seconds to rest, if nothing comes.

        Args:
            seconds: until the upkeep.
            has_room: more messages may come.
        """
        if not has_room or not self.is_deaf:
            return seconds
        poll, self._poll = self._poll, min(_LONGEST, self._poll * _SLOWER)
        return min(seconds, poll)
