"""Retries of a publishing thread that cannot reach the broker, and the memory of the last failure for other threads. Pure."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from umbel.errors import OperationalError


class Retries(threading.local):
    """The attempts after the first that this thread makes: as the options say, or as the call under way does.

    Args:
        usual: of the options.
    """

    def __init__(self, usual: int) -> None:
        self.allowed: int = usual

    @contextlib.contextmanager
    def limited(self, allowed: int) -> Iterator[None]:
        """Change the number of attempts inside this block.

        Args:
            allowed: attempts after the first.
        """
        before, self.allowed = self.allowed, allowed
        try:
            yield
        finally:
            self.allowed = before


class LastFailure:
    """The last failed attempt to reach the broker: a thread that waited for the lock meanwhile fails with it, and does not try as long again.

    The exception itself is not kept: its traceback would keep the variables of whoever raised it.
    """

    __slots__ = ("_at", "_kind", "_text")

    def __init__(self) -> None:
        self._at: float | None = None
        self._kind: type[OperationalError] = OperationalError
        self._text = ""

    def remember(self, error: OperationalError, now: float) -> None:
        """Note that an attempt has failed.

        Args:
            error: how. Others raise the kind of `umbel.errors` that it is: one broker's own kinds may be made of more than a text.
            now: monotonic seconds.
        """
        self._kind = next(kind for kind in type(error).__mro__ if kind.__module__ == OperationalError.__module__)
        self._at, self._text = now, str(error)

    def clear(self) -> None:
        """Note that an attempt has succeeded."""
        self._at = None

    def is_since(self, started: float) -> bool:
        """Tell whether an attempt has failed since a call began.

        Args:
            started: when the call began, monotonic seconds.
        """
        return self._at is not None and self._at >= started

    def raise_since(self, started: float) -> None:
        """Fail as another thread did since this call began.

        Args:
            started: when the call began, monotonic seconds.

        Raises:
            OperationalError: an attempt has failed since.
        """
        if self.is_since(started):
            raise self._kind(self._text)
