"""`Counters`: events by task, kind and worker since the start, for metrics."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from umbel.dashboard.history.rollups import BOUNDS

#: Names of tasks, kinds and workers together that are told apart; they come from messages, and memory must not grow with them.
_MOST: Final = 5_000
OTHER: Final = "(other)"


class Counters:
    """Counts events. One thread counts, any reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: (task, kind, worker) → how many.
        self._events: dict[tuple[str, str, str], int] = {}
        #: (task, worker) → counts by class of run time, and seconds of all together.
        self._times: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def learn(self, event: Mapping[str, Any], name: str | None) -> None:
        """Count an event of a task.

        Args:
            event: as it was received.
            name: of the task.
        """
        key = (name or "?", event["type"], event["hostname"])
        with self._lock:
            if key not in self._events and len(self._events) >= _MOST:
                key = (OTHER, event["type"], OTHER)
            self._events[key] = self._events.get(key, 0) + 1
            runtime = event.get("runtime")
            if event["type"] == "task-succeeded" and isinstance(runtime, (int, float)):
                place = (key[0], key[2])
                counts, total = self._times.setdefault(place, ([0] * (len(BOUNDS) + 1), [0.0]))
                counts[bisect_left(BOUNDS, runtime)] += 1
                total[0] += runtime

    def events(self) -> dict[tuple[str, str, str], int]:
        """Return a copy of the counts."""
        with self._lock:
            return dict(self._events)

    def times(self) -> dict[tuple[str, str], tuple[list[int], float]]:
        """Return a copy of the run times: counts by class, and seconds of all together."""
        with self._lock:
            return {key: (list(counts), total[0]) for key, (counts, total) in self._times.items()}
