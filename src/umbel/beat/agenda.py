"""The agenda: names of entries by the time at which each is to be looked at next."""

from __future__ import annotations

import heapq


class Agenda:
    """A heap of due times. A name is in it once; what an older time says of it is passed over."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def put(self, name: str, when: float | None) -> None:
        """Look at an entry at a time, and not at the time that was said before.

        Args:
            name: of the entry.
            when: seconds since the epoch; ``None``: never.
        """
        if when is None:
            self._at.pop(name, None)
            return
        self._at[name] = when
        heapq.heappush(self._heap, (when, name))
        if len(self._heap) > 2 * len(self._at) + 64:  # mostly what was overtaken
            self._heap = [(at, each) for each, at in self._at.items()]
            heapq.heapify(self._heap)

    def take(self, now: float, most: int) -> list[str]:
        """Take the names whose time has come, in its order.

        Args:
            now: seconds since the epoch.
            most: how many at most.
        """
        found: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(found) < most:
            when, name = heapq.heappop(self._heap)
            if self._at.get(name) == when:
                del self._at[name]
                found.append(name)
        return found

    def next_time(self) -> float | None:
        """Return the first of the times; ``None`` where there is none."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget all."""
        self._heap, self._at = [], {}
