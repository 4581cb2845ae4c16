"""`Answers`: questions to brokers, stores and workers, asked once for all pages that want to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from umbel.errors import UmbelError
from umbel.runtime.clock import SYSTEM, Clock

T = TypeVar("T")
#: Questions that are remembered.
_MOST: Final = 500


@dataclass(slots=True)
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = float("-inf")
    value: Any = None
    error: UmbelError | None = None


class Answers:
    """Remembers answers for a moment. Any thread may ask; the same question is asked by one thread at a time.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def ask(self, question: str, seconds: float, find: Callable[[], T]) -> T:
        """Return the answer to a question.

        Args:
            question: its name.
            seconds: for which an answer is good.
            find: finds the answer.

        Raises:
            UmbelError: that was raised; it is remembered, too: a broker that is away is not asked by every page.
        """
        with self._lock:
            if question not in self._kept and len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            kept = self._kept.setdefault(question, _Kept())
        with kept.lock:
            if self._clock.monotonic() - kept.at >= seconds:
                try:
                    kept.value, kept.error = find(), None
                except UmbelError as error:
                    kept.value, kept.error = None, error
                kept.at = self._clock.monotonic()
            if kept.error is not None:
                raise kept.error
            found: T = kept.value
            return found

    def forget(self, *beginnings: str) -> None:
        """Drop answers whose questions begin with one of ``*beginnings``: something was done that changes them."""
        with self._lock:
            for question in [each for each in self._kept if each.startswith(beginnings)]:
                del self._kept[question]
