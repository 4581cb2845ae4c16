"""The messages that were sent and are not confirmed yet, in order. Pure: the publisher's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from umbel.brokers.confirms.receipts import Receipts
from umbel.errors import PublishError

#: Bytes of unconfirmed messages beyond which the window is full, however few they are.
MOST_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


class Window(Generic[T]):
    """Unconfirmed messages, each in the form in which it is sent again.

    A message has a *tag*, its place among those of one connection, and a *number*, which counts over all connections and by which receipts
    know it. Tags start again at 1 on each connection. Both only grow, so the first entry is always the oldest message. A broker
    that answers in order confirms the next one; one that names tags confirms these.

    Args:
        receipts: of the publisher: who is told what became of a message.
        names: finds a message's task and id in it, for the error that says it was refused.
    """

    __slots__ = ("_entries", "_low", "_names", "_ordered", "_receipts", "_watched", "bytes", "number", "tag")

    def __init__(self, receipts: Receipts, names: Callable[[T], tuple[str, str]] = lambda _: ("", "")) -> None:
        self._receipts = receipts
        self._watched = receipts.watched
        self._names = names
        self._entries: dict[int, tuple[int, T, int]] = {}
        #: The lowest tag that may be unconfirmed.
        self._low = 1
        #: No entry was sent again out of order.
        self._ordered = True
        self.tag: int = 0
        #: The number of the latest message.
        self.number: int = 0
        self.bytes: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, item: T, size: int) -> int:
        """Take a message that is about to be written; returns its number.

        Args:
            item: the message, as it is sent again.
            size: bytes that it counts for.
        """
        self.tag = tag = self.tag + 1
        self.number = number = self.number + 1
        self._entries[tag] = (number, item, size)
        self.bytes += size
        if self._receipts.open:
            self._receipts.note(number)
        return number

    def take_back(self, count: int) -> None:
        """Forget the latest messages: they were not sent after all, and their caller knows.

        Args:
            count: how many; nothing is forgotten when fewer are left, for then they were sent.
        """
        if count > len(self._entries):
            return
        for _ in range(count):
            number, _, size = self._entries.pop(self.tag)
            self.bytes -= size
            self._receipts.confirm(number)
            self.tag -= 1
            self.number -= 1

    # answers

    def confirm(self, tag: int, multiple: int) -> None:
        """Note that the broker has a message.

        Args:
            tag: of the message.
            multiple: not 0: it has all up to this one.
        """
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
            self.bytes -= entry[2]
            if self._watched:
                self._receipts.confirm(entry[0])

    def confirm_next(self) -> None:
        """Note that the broker has the message whose turn it was."""
        number, _, size = self._pop_next()
        self.bytes -= size
        if self._watched:
            self._receipts.confirm(number)

    def refuse_next(self, error: PublishError) -> None:
        """Note that the broker did not take the message whose turn it was.

        Args:
            error: how; its text names the message.
        """
        number, item, size = self._pop_next()
        self.bytes -= size
        self._receipts.refuse(number, error, *self._names(item))

    def next(self) -> T:
        """The message whose turn it is to be answered."""
        return self._entries[self._find_next()][1]

    def _find_next(self) -> int:
        return next(tag for tag in range(self._low, self.tag + 1) if tag in self._entries)

    def _pop_next(self) -> tuple[int, T, int]:
        entry = self._entries.pop(self._low, None)
        if entry is None:  # others were confirmed out of turn
            self._low = self._find_next()
            entry = self._entries.pop(self._low)
        self._low += 1
        return entry

    def refuse(self, tag: int, multiple: bool, error: PublishError) -> None:
        """Note that the broker did not take a message, or all up to it.

        Args:
            tag: of the message.
            multiple: all up to it.
            error: how; the message's task and id are added to its text.
        """
        tags = range(self._low, tag + 1) if multiple else range(tag, tag + 1)
        for each in tags:
            entry = self._entries.pop(each, None)
            if entry is not None:
                self.bytes -= entry[2]
                self._refused(entry[0], entry[1], error)

    def fail(self, number: int, item: T, error: PublishError) -> None:
        """Note that a message that was taken out was refused.

        Args:
            number: of the message.
            item: the message.
            error: how; its text names the message.
        """
        self._receipts.refuse(number, error, *self._names(item))

    def _refused(self, number: int, item: T, error: PublishError) -> None:
        task, task_id = self._names(item)
        title = f"{task}[{task_id}]" if task_id else task
        self._receipts.refuse(number, type(error)(f"{error}: {title}", permanent=error.is_permanent) if title else error, task, task_id)

    def refuse_where(self, test: Callable[[T], bool], error: PublishError) -> int:
        """Drop the messages that pass a test; returns how many.

        Args:
            test: looks at one message.
            error: how the broker refused them.
        """
        tags = [tag for tag, (_, item, _) in self._entries.items() if test(item)]
        for tag in tags:
            self.refuse(tag, False, error)
        return len(tags)

    # sending again

    def take_where(self, test: Callable[[T], bool]) -> tuple[int, T] | None:
        """Take out the first message that passes a test; returns its number and itself.

        Args:
            test: looks at one message.
        """
        for tag, (number, item, size) in self._entries.items():
            if test(item):
                del self._entries[tag]
                self.bytes -= size
                return number, item
        return None

    def add_again(self, number: int, item: T, size: int) -> None:
        """Put a message that was taken out at the end, under its old number.

        Args:
            number: its old number.
            item: the message, as it is sent again.
            size: bytes that it counts for.
        """
        self.tag += 1
        self._entries[self.tag] = (number, item, size)
        self.bytes += size
        self._ordered = False

    def restart(self) -> Iterator[T]:
        """Begin a new connection: tags start again; returns what to send again, in order."""
        entries = sorted(self._entries.values(), key=_number) if not self._ordered else list(self._entries.values())
        self._ordered = True
        self._entries = dict(enumerate(entries, 1))
        self.tag = len(entries)
        self._low = 1
        return iter([item for _, item, _ in entries])

    # progress

    def oldest(self) -> int | None:
        """The number of the oldest unconfirmed message."""
        if not self._entries:
            self._ordered = True
            return None
        if self._ordered:
            return next(iter(self._entries.values()))[0]
        return min(number for number, _, _ in self._entries.values())

    def is_over(self, number: int) -> bool:
        """Tell whether every message up to a number is confirmed or refused.

        Args:
            number: of the last of them.
        """
        oldest = self.oldest()
        return oldest is None or oldest > number


def _number(entry: tuple[int, object, int]) -> int:
    return entry[0]
