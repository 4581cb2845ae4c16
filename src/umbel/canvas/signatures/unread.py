"""`Unread`: a chord's header that is still a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Unread(Sequence[Any]):
    """A list that is read from an iterator: to its end by whoever looks at it, or one by one by who sends it.

    Args:
        source: yields what is to become its members.
        made: makes a member of what was yielded.
    """

    def __init__(self, source: Iterator[Any], made: Callable[[Any], Any]) -> None:
        self._source: Iterator[Any] | None = source
        self._made = made
        self._members: list[Any] = []

    @property
    def is_untouched(self) -> bool:
        """True until somebody looks at it."""
        return self._source is not None and not self._members

    def one_by_one(self) -> Iterator[Any]:
        """Read the rest, one member at a time."""
        if self._source is not None:
            for each in self._source:
                self._members.append(self._made(each))
                yield self._members[-1]
            self._source = None

    def _all(self) -> list[Any]:
        for _ in self.one_by_one():
            pass
        return self._members

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, place: Any) -> Any:
        return self._all()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self._all(),)

    def __json__(self) -> list[Any]:
        return self._all()
