"""The messages that were sent and are not confirmed yet, in order. Pure: the publisher's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from umbel.errors import PublishError

#: Bytes of unconfirmed messages beyond which the window is full, however few they are.
MOST_BYTES = 64 * 1024 * 1024

Watcher = Callable[[BaseException | None], None]


@dataclass(slots=True)
class Failure:
    """A message that the broker did not take."""

    #: The message's number, counted over all connections.
    number: int
    #: Its class is made of a text. One may stand for many messages, so it is never raised itself: its traceback would stay with the others.
    error: PublishError
    #: The message's task and id, where the error does not name them.
    title: str = ""

    def raised(self, more: int = 0) -> PublishError:
        """A new exception to raise, for this message and so many more."""
        text = f"{self.error}: {self.title}" if self.title else str(self.error)
        return type(self.error)(f"{text} (and {more} more messages)" if more else text)


class Window:
    """Unconfirmed messages by delivery tag.

    Each message also has a number that counts over all connections; tags start again at 1 on each. Both only grow, so the first entry is
    always the oldest message.

    Args:
        title: names a message, from its bytes, for the error that says it was refused.
    """

    __slots__ = ("_entries", "_low", "_ordered", "_title", "_watchers", "bytes", "failures", "number", "tag")

    def __init__(self, title: Callable[[bytes], str] = lambda _: "") -> None:
        self._title = title
        self._entries: dict[int, tuple[int, bytes]] = {}
        #: The lowest tag that may be unconfirmed: where to start when a confirm covers many.
        self._low = 1
        #: No entry was sent again out of order.
        self._ordered = True
        self.tag = 0
        #: The number of the latest message.
        self.number = 0
        self.bytes = 0
        #: Refused messages that nobody has been told of.
        self.failures: list[Failure] = []
        self._watchers: list[tuple[int, Watcher]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, frames: bytes) -> int:
        """Take a message that is about to be written; returns its number."""
        self.tag += 1
        self.number += 1
        self._entries[self.tag] = (self.number, frames)
        self.bytes += len(frames)
        return self.number

    def confirm(self, tag: int, multiple: int) -> None:
        """The broker has a message, or (``multiple``) all up to it."""
        entries = self._entries
        if not multiple:
            entry = entries.pop(tag, None)
            if entry is not None:
                self.bytes -= len(entry[1])
            return
        for each in range(self._low, min(tag, self.tag) + 1):
            entry = entries.pop(each, None)
            if entry is not None:
                self.bytes -= len(entry[1])
        self._low = max(self._low, min(tag, self.tag) + 1)

    def refuse(self, tag: int, multiple: bool, error: PublishError) -> None:
        """The broker did not take a message, or all up to it."""
        tags = range(self._low, tag + 1) if multiple else range(tag, tag + 1)
        for each in tags:
            entry = self._entries.pop(each, None)
            if entry is not None:
                self.bytes -= len(entry[1])
                self.failures.append(Failure(entry[0], error, self._title(entry[1])))

    def fail(self, number: int, error: PublishError) -> None:
        """A message that was taken out was refused."""
        self.failures.append(Failure(number, error))

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

    @property
    def is_watched(self) -> bool:
        """Whether somebody is to be told of confirms."""
        return bool(self._watchers)

    def watch(self, watcher: Watcher) -> None:
        """Call back when everything so far is confirmed or refused."""
        self._watchers.append((self.number, watcher))

    def take_watchers(self) -> list[tuple[Watcher, BaseException | None]]:
        """The watchers to call now, and with what. A failure that one of them is told of is reported."""
        if not self._watchers:
            return []
        oldest = self.oldest()
        due: list[tuple[Watcher, BaseException | None]] = []
        kept = []
        told = 0
        for number, watcher in self._watchers:
            failure = next((failure for failure in self.failures if failure.number <= number), None)
            if failure is not None:
                due.append((watcher, failure.raised()))
                told = max(told, number)
            elif oldest is None or oldest > number:
                due.append((watcher, None))
            else:
                kept.append((number, watcher))
        self._watchers = kept
        if told:
            self.failures = [failure for failure in self.failures if failure.number > told]
        return due
