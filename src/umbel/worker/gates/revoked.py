"""Revoked ids and revoked stamps: messages of these tasks are not run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from umbel.worker.gates.base import NOBODY, PASS, REVOKE, Answer, Asked
from umbel.worker.tasks.reserved import ReservedTask

K = TypeVar("K")

#: The name and the value of a stamp.
Stamp = tuple[str, str | int | float | bool]

#: Values of one stamp of a message that are looked at.
_MOST_VALUES: Final = 1000


class _Remembered(Generic[K]):
    """Entries that are remembered for a while, and the latest of very many; a gate but for `ask`.

    Args:
        most: entries to remember; the oldest is forgotten for another.
        expires: seconds for which one is remembered.
    """

    concerns_all: bool = False
    ids: Collection[str] = NOBODY

    def __init__(self, most: int, expires: float) -> None:
        self._most = most
        self._expires = expires
        #: Entry → when it was revoked, monotonic seconds; the oldest first. Not a plain dict: to find the first of one of which many have been deleted takes long.
        self._entries: OrderedDict[K, float] = OrderedDict()

    def __iter__(self) -> Iterator[K]:
        """The entries, the oldest first."""
        return iter(self._entries)

    def add(self, entries: Iterable[K], now: float) -> None:
        """Remember entries. One that is known becomes the newest.

        Args:
            entries: of tasks that may have been sent, or may be yet.
            now: monotonic seconds.
        """
        for entry in entries:
            self._entries[entry] = now
            self._entries.move_to_end(entry)
        self._forget(now)

    def learn(self, entries: Mapping[K, float], now: float) -> set[K]:
        """Remember what others have remembered; returns what is new.

        Args:
            entries: each with the time of its revocation, monotonic seconds, which may be negative.
            now: monotonic seconds.
        """
        new = {entry: when for entry, when in entries.items() if entry not in self._entries and now - when < self._expires}
        if not new:
            return set()
        merged = sorted({**self._entries, **new}.items(), key=lambda item: item[1])
        self._entries.clear()  # the same object stays: it is looked at
        self._entries.update(merged)
        self._forget(now)
        return new.keys() & self._entries.keys()

    def __contains__(self, entry: object) -> bool:
        return entry in self._entries

    def discard(self, entries: Iterable[K]) -> None:
        """Forget entries; from any thread.

        Args:
            entries: remembered or not.
        """
        for entry in entries:
            self._entries.pop(entry, None)

    def times(self) -> dict[K, float]:
        """Each entry with the time of its revocation, monotonic seconds."""
        return dict(self._entries)

    def _forget(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) <= self._most and now - self._entries[oldest] < self._expires:
                break
            del self._entries[oldest]

    def concerns(self, task: ReservedTask) -> bool:  # noqa: ARG002 - it knows no tasks
        """No task in particular."""
        return False

    def passed(self, asked: Asked) -> None:
        """Nothing is held."""

    def started(self, task: ReservedTask, now: float) -> None:
        """Nothing is held."""

    def opens_in(self, line: str, now: float) -> float | None:  # noqa: ARG002 - nobody waits here
        """It has no line."""
        return None


class RevokedIds(_Remembered[str]):
    """The gate of revoked tasks.

    Args:
        most: as for `_Remembered`.
        expires: as for `_Remembered`.
    """

    def __init__(self, most: int, expires: float) -> None:
        super().__init__(most, expires)
        self.ids = self._entries

    def ask(self, asked: Asked) -> Answer:
        """A revoked task is told so as soon as its message comes, whenever it is due."""
        self._forget(asked.now)
        return REVOKE if asked.task.id in self._entries else PASS


class RevokedStamps(_Remembered[Stamp]):
    """The gate of tasks that carry a revoked stamp.

    Args:
        most: as for `_Remembered`.
        expires: as for `_Remembered`.
    """

    def add(self, entries: Iterable[Stamp], now: float) -> None:
        """Remember entries; see `_Remembered.add`."""
        super().add(entries, now)
        self.concerns_all = bool(self._entries)

    def learn(self, entries: Mapping[Stamp, float], now: float) -> set[Stamp]:
        """Remember what others have remembered; see `_Remembered.learn`."""
        new = super().learn(entries, now)
        self.concerns_all = bool(self._entries)
        return new

    def ask(self, asked: Asked) -> Answer:
        """A task with a revoked stamp is told so as soon as its message comes."""
        self._forget(asked.now)
        self.concerns_all = bool(self._entries)
        return REVOKE if any(stamp in self._entries for stamp in stamps_of(asked.task.delivery.headers)) else PASS


@dataclass(frozen=True, slots=True)
class Revoked:
    """Everything that a worker remembers as revoked."""

    ids: RevokedIds
    stamps: RevokedStamps

    @classmethod
    def remembering(cls, most: int, expires: float) -> Revoked:
        """Remember ``most`` ids and as many stamps, each for ``expires`` seconds."""
        return cls(RevokedIds(most, expires), RevokedStamps(most, expires))


def stamps_of(headers: Mapping[str, Any]) -> Iterator[Stamp]:
    """The stamps of a message, each value for itself.

    Args:
        headers: of the message; not trusted.
    """
    stamps = headers.get("stamps")
    if not isinstance(stamps, dict):
        return
    for name, value in stamps.items():
        for each in value[:_MOST_VALUES] if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, (str, int, float)):
                yield name, each
