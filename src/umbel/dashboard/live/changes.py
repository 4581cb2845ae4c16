"""`Changes`: tells open pages what has changed. Threads tell, coroutines listen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Final

#: Seconds between two messages to one page, and after which it is told that the stream lives.
PACE: Final = 1.0
SILENCE: Final = 15.0


class Listener:
    """One open page."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._topics: set[str] = set()
        self._lock = threading.Lock()

    def tell(self, topics: Iterable[str]) -> None:
        """Add ``topics`` that have changed. From any thread."""
        with self._lock:
            is_first = not self._topics
            self._topics.update(topics)
        if is_first:
            try:
                self._loop.call_soon_threadsafe(self._event.set)
            except RuntimeError:  # the loop is closed, and the page with it
                return

    async def wait(self, seconds: float) -> set[str]:
        """Return what has changed; empty when nothing did for so many ``seconds``."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return set()
        with self._lock:
            topics, self._topics = self._topics, set()
            self._event.clear()
        return topics


class Changes:
    """The open pages of a process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __len__(self) -> int:
        return len(self._listeners)

    def tell(self, *topics: str) -> None:
        """Tell all pages that the ``*topics`` have changed. From any thread."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.tell(topics)

    async def listen(self, pace: float = PACE, silence: float = SILENCE) -> AsyncIterator[set[str]]:
        """Yield what has changed, at most so often; an empty set where nothing has for long.

        Args:
            pace: seconds between two.
            silence: seconds after which nothing is yielded.
        """
        listener = Listener()
        with self._lock:
            self._listeners.add(listener)
        try:
            while not self._closed.is_set():
                topics = await listener.wait(silence)
                if self._closed.is_set():
                    return
                yield topics
                await asyncio.sleep(pace)
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def close(self) -> None:
        """End all streams."""
        self._closed.set()
        self.tell("closing")
