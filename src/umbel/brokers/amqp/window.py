"""The messages that were sent and are not confirmed yet, in order. Pure: the publisher's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from umbel.brokers.receipts import Receipts
from umbel.errors import PublishError

#: Bytes of unconfirmed messages beyond which the window is full, however few they are.
MOST_BYTES = 64 * 1024 * 1024


class Window:
    """Unconfirmed messages by delivery tag.

    Each message also has a number that counts over all connections; tags start again at 1 on each. Both only grow, so the first entry is
    always the oldest message.

    Args:
        receipts: of the publisher: who is told what became of a message.
        names: finds a message's task and id in its bytes, for the error that says it was refused.
    """

    __slots__ = ("_entries", "_low", "_names", "_ordered", "_receipts", "bytes", "number", "tag")

    def __init__(self, receipts: Receipts, names: Callable[[bytes], tuple[str, str]] = lambda _: ("", "")) -> None:
        self._receipts = receipts
        self._names = names
        self._entries: dict[int, tuple[int, bytes]] = {}
        #: The lowest tag that may be unconfirmed: where to start when a confirm covers many.
        self._low = 1
        #: No entry was sent again out of order.
        self._ordered = True
        self.tag = 0
        #: The number of the latest message.
        self.number = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, frames: bytes) -> int:
        """Take a message that is about to be written; returns its number."""
        self.tag += 1
        self.number += 1
        self._entries[self.tag] = (self.number, frames)
        self.bytes += len(frames)
        if self._receipts.open:
            self._receipts.note(self.number)
        return self.number

    def confirm(self, tag: int, multiple: int) -> None:
        """The broker has a message, or (``multiple``) all up to it."""
        if not multiple:
            self._confirm(tag)
            return
        upto = min(tag, self.tag) + 1
        for each in range(self._low, upto):
            self._confirm(each)
        self._low = max(self._low, upto)

    def _confirm(self, tag: int) -> None:
        entry = self._entries.pop(tag, None)
        if entry is not None:
            self.bytes -= len(entry[1])
            if self._receipts:
                self._receipts.confirm(entry[0])

    def refuse(self, tag: int, multiple: bool, error: PublishError) -> None:
        """The broker did not take a message, or all up to it."""
        tags = range(self._low, tag + 1) if multiple else range(tag, tag + 1)
        for each in tags:
            entry = self._entries.pop(each, None)
            if entry is not None:
                self.bytes -= len(entry[1])
                self._refused(entry[0], entry[1], error)

    def fail(self, number: int, frames: bytes, error: PublishError) -> None:
        """A message that was taken out was refused."""
        self._receipts.refuse(number, error, *self._names(frames))

    def _refused(self, number: int, frames: bytes, error: PublishError) -> None:
        task, task_id = self._names(frames)
        title = f"{task}[{task_id}]" if task_id else task
        self._receipts.refuse(number, type(error)(f"{error}: {title}", permanent=error.is_permanent) if title else error, task, task_id)

    def refuse_where(self, test: Callable[[bytes], bool], error: PublishError) -> int:
        """Drop the messages whose bytes pass a test; returns how many."""
        tags = [tag for tag, (_, frames) in self._entries.items() if test(frames)]
        for tag in tags:
            self.refuse(tag, False, error)
        return len(tags)

    def take_where(self, test: Callable[[bytes], bool]) -> tuple[int, bytes] | None:
        """Take out the first message whose bytes pass a test: its number and bytes."""
        for tag, (number, frames) in self._entries.items():
            if test(frames):
                del self._entries[tag]
                self.bytes -= len(frames)
                return number, frames
        return None

    def add_again(self, number: int, frames: bytes) -> None:
        """Put a message that was taken out at the end, under its old number."""
        self.tag += 1
        self._entries[self.tag] = (number, frames)
        self.bytes += len(frames)
        self._ordered = False

    def oldest(self) -> int | None:
        """The number of the oldest unconfirmed message."""
        if not self._entries:
            self._ordered = True
            return None
        if self._ordered:
            return next(iter(self._entries.values()))[0]
        return min(number for number, _ in self._entries.values())

    def restart(self) -> Iterator[bytes]:
        """A new channel: tags start again; returns what to publish again, in order."""
        entries = sorted(self._entries.values())
        self._ordered = True
        self._entries = dict(enumerate(entries, 1))
        self.tag = len(entries)
        self._low = 1
        return iter([frames for _, frames in entries])
