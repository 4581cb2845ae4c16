"""Celery's ``celery.utils.collections`` and ``celery.utils.objects``."""

from __future__ import annotations

import time
from collections import ChainMap as ConfigurationView
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["AttributeDict", "Bunch", "ConfigurationView", "DictAttribute", "LimitedSet"]


class AttributeDict(dict[str, Any]):
    """A dict whose keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class DictAttribute:
    """An object whose attributes are items, too.

    Args:
        obj: the object.
    """

    def __init__(self, obj: Any) -> None:
        object.__setattr__(self, "obj", obj)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.obj, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.obj, name, value)

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self.obj, key)
        except AttributeError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.obj, key, value)

    def __contains__(self, key: str) -> bool:
        return hasattr(self.obj, key)

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self.obj))

    def get(self, key: str, default: Any = None) -> Any:
        """Return the attribute ``key``, or ``default``."""
        return getattr(self.obj, key, default)


class Bunch:
    """An object of any attributes.

    Args:
        kwargs: the attributes.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)


class LimitedSet:
    """A set of limited size, whose items are dropped after a while.

    Args:
        maxlen: items; 0 is no limit.
        expires: seconds that one is kept; 0 is for ever.
        data: its first items.
        minlen: that many are kept, however old.
    """

    def __init__(self, maxlen: int = 0, expires: float = 0, data: Iterable[Any] | None = None, minlen: int = 0) -> None:
        self.maxlen = maxlen
        self.minlen = minlen
        self.expires = expires
        self._since: dict[Any, float] = {}
        if data:
            self.update(data)

    def add(self, item: Any, now: float | None = None) -> None:
        """Add an item, or make it new again.

        Args:
            item: it can be hashed.
            now: when, in monotonic seconds.
        """
        self._since.pop(item, None)
        self._since[item] = time.monotonic() if now is None else now
        self.purge()

    def update(self, other: Any) -> None:
        """Add the items of another set, or of a list or dict.

        Args:
            other: the items; a dict, or another of this kind, tells their times.
        """
        since = other.as_dict() if isinstance(other, LimitedSet) else other if isinstance(other, Mapping) else dict.fromkeys(other)
        for item, when in since.items():
            self.add(item, when)

    def discard(self, item: Any) -> None:
        """Take an item out, if it is in.

        Args:
            item: it can be hashed.
        """
        self._since.pop(item, None)

    def pop(self, default: Any = None) -> Any:
        """Take the oldest item out, and return it.

        Args:
            default: returned when there is none.
        """
        for item in self._since:
            del self._since[item]
            return item
        return default

    def clear(self) -> None:
        """Take all items out."""
        self._since.clear()

    def purge(self, limit: int | None = None, now: float | None = None) -> None:
        """Drop what is too old or too much.

        Args:
            limit: items that may stay; the set's own when not given.
            now: monotonic seconds.
        """
        most = self.maxlen if limit is None else limit
        while most and len(self._since) > most:
            self.pop()
        oldest = (time.monotonic() if now is None else now) - self.expires
        while self.expires and len(self._since) > self.minlen and next(iter(self._since.values())) < oldest:
            self.pop()

    def as_dict(self) -> dict[Any, float]:
        """Return the items with their times."""
        return dict(self._since)

    def __contains__(self, item: Any) -> bool:
        return item in self._since

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self._since))

    def __len__(self) -> int:
        return len(self._since)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LimitedSet) and self._since == other._since

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<LimitedSet({len(self)}): maxlen={self.maxlen}, expires={self.expires}, minlen={self.minlen}>"
