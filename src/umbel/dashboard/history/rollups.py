"""Figures over time: what is counted, in steps of 10 seconds, a minute and a quarter of an hour. Pure, but for `Figures.write` and `series`."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Step, seconds → how long its rows are kept, seconds.
STEPS: Final = {10: 3_600, 60: 86_400, 900: 30 * 86_400}
#: What the pages call them.
SPANS: Final = {"1h": 10, "24h": 60, "30d": 900}
#: Upper bounds of the classes of run times, seconds; longer ones are a class of their own.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: Names of tasks that are told apart; names come from messages.
MOST_NAMES: Final = 200
OTHER: Final = "(other)"
#: Type of an event without ``task-`` → what is counted.
COUNTED: Final = {"received": "received", "succeeded": "succeeded", "failed": "failed", "retried": "retried", "revoked": "revoked"}


@dataclass(slots=True)
class Bucket:
    """The figures of one task in one step."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED.values(), 0))
    #: Seconds of all runs together, and how many runs fell into each class.
    runtime: float = 0.0
    times: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


class Figures:
    """Counts until it is written."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[int, str], Bucket] = {}
        self._names: set[str] = set()

    def count(self, kind: str, name: str | None, when: float, runtime: float | None = None) -> None:
        """Count an event.

        Args:
            kind: its type without ``task-``; what is not counted is passed over.
            name: of the task.
            when: seconds since the epoch.
            runtime: seconds, of an end.
        """
        counted = COUNTED.get(kind)
        if counted is None:
            return
        name = name or "?"
        if name not in self._names:
            if len(self._names) >= MOST_NAMES:
                name = OTHER
            self._names.add(name)
        slot = int(when // 10) * 10
        bucket = self._buckets.get((slot, name))
        if bucket is None:
            bucket = self._buckets[slot, name] = Bucket()
        bucket.counts[counted] += 1
        if runtime is not None and counted == "succeeded":
            bucket.runtime += runtime
            bucket.times[bisect_left(BOUNDS, runtime)] += 1

    def write(self, connection: sqlite3.Connection) -> None:
        """Add what was counted to the tables, in the caller's transaction, and begin anew.

        Args:
            connection: that has a transaction open.
        """
        buckets, self._buckets = self._buckets, {}
        for (slot, name), bucket in buckets.items():
            for step in STEPS:
                key = (step, slot // step * step, name)
                before = connection.execute("SELECT times FROM rollups WHERE step = ? AND slot = ? AND name = ?", key).fetchone()
                times = added(bucket.times, before[0] if before else "")
                connection.execute(_UPSERT, (*key, *bucket.counts.values(), bucket.runtime, times))


_COLUMNS: Final = (*COUNTED.values(), "runtime")
_UPSERT: Final = (
    f"INSERT INTO rollups (step, slot, name, {', '.join(_COLUMNS)}, times) VALUES (?, ?, ?, {', '.join('?' * len(_COLUMNS))}, ?) "
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in _COLUMNS)}, times = excluded.times"
)


def added(times: Sequence[int], before: str) -> str:
    """Add counts of run times to those that are written; returns what is to be written.

    Args:
        times: counts, one for each class.
        before: as it was written; empty where nothing was.
    """
    old = json.loads(before) if before else []
    if not any(times):
        return before
    return json.dumps([count + (old[place] if place < len(old) else 0) for place, count in enumerate(times)], separators=(",", ":"))


def quantile(times: Sequence[int], part: float) -> float | None:
    """Estimate the run time below which a part of the runs lies; ``None`` where there was none.

    Args:
        times: counts, one for each class of `BOUNDS`.
        part: from 0 to 1.
    """
    total = sum(times)
    if not total:
        return None
    wanted, seen = part * total, 0
    for place, count in enumerate(times):
        if count and seen + count >= wanted:
            low = BOUNDS[place - 1] if place else 0.0
            high = BOUNDS[place] if place < len(BOUNDS) else BOUNDS[-1] * 2
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return BOUNDS[-1]


def series(rows: Sequence[Mapping[str, Any]], gauges: Sequence[Mapping[str, Any]], step: int, now: float) -> dict[str, list[Any]]:
    """Lay rows out as a chart wants them: one list of times, and a list of values for each line; what is missing is nothing, or 0.

    Args:
        rows: of the table of rollups, of one step.
        gauges: of the table of gauges, likewise.
        step: seconds.
        now: seconds since the epoch.
    """
    last = int(now // step) * step
    slots = list(range(last - STEPS[step] + step, last + 1, step))
    place = {slot: number for number, slot in enumerate(slots)}
    found: dict[str, list[Any]] = {name: [0] * len(slots) for name in ("received", "succeeded", "failed", "retried")}
    times: dict[int, list[int]] = {}
    for row in rows:
        at = place.get(row["slot"])
        if at is None:
            continue
        for name, line in found.items():
            line[at] += row[name]
        if row["times"]:
            here = times.setdefault(at, [0] * (len(BOUNDS) + 1))
            for number, count in enumerate(json.loads(row["times"])):
                here[number] += count
    found["p50"] = [quantile(times[at], 0.5) if at in times else None for at in range(len(slots))]
    found["p95"] = [quantile(times[at], 0.95) if at in times else None for at in range(len(slots))]
    found["utilization"], found["ready"] = [None] * len(slots), [None] * len(slots)
    for row in gauges:
        at = place.get(row["slot"])
        if at is not None:
            found["utilization"][at] = row["active"] / row["slots"] if row["slots"] else None
            found["ready"][at] = row["ready"] / row["samples"]
    return {"slots": slots, **found}
