"""The contract of values by key, over which `umbel.results.keyvalue` keeps records and groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

#: What becomes of a value: gets the one there is, ``None`` where there is none; returns the new one, or ``None`` to leave things as they are.
Change = Callable[[bytes | None], bytes | None]


class Values(Protocol):
    """Values by key. Blocking and thread-safe; connections are dropped after a fork.

    Everywhere, ``keep`` is the number of seconds for which a value is kept from its last change; ``None`` is for ever.
    """

    def read(self, keys: Sequence[str], keep: float | None) -> dict[str, bytes]:
        """Read the values there are.

        Args:
            keys: of the values.
            keep: seconds; used where the reader judges what has expired.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def change(self, changes: Mapping[str, Change], keep: float | None) -> None:
        """Replace values, each in one atomic step.

        Args:
            changes: by key. Each may be called more than once; what it did last counts.
            keep: seconds.

        Raises:
            EncodeError: a value is larger than the store takes.
            OperationalError: the store cannot be reached after its retries.
        """

    def drop(self, keys: Sequence[str]) -> None:
        """Drop values.

        Args:
            keys: of the values; there may be none.
        """

    def cleanup(self, prefixes: Mapping[str, float | None]) -> int:
        """Drop what has expired where the store does not do so itself; returns how many.

        Args:
            prefixes: how keys begin → seconds for which their values are kept.
        """

    def public_url(self) -> str:
        """Return the URL, without a password."""

    def close(self) -> None:
        """Disconnect. The values may be used again."""


def put(value: bytes) -> Change:
    """Make the change that replaces a value whatever it was.

    Args:
        value: the new one.
    """
    return lambda _: value


def put_first(value: bytes) -> Change:
    """Make the change that writes a value where there is none.

    Args:
        value: the new one.
    """
    return lambda old: value if old is None else None
