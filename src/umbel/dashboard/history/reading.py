"""`History`: what the pages ask of the history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from umbel.dashboard.history.database import Database
from umbel.dashboard.history.query import Query, statement_of
from umbel.dashboard.history.rollups import SPANS, STEPS, quantile, series
from umbel.runtime.clock import SYSTEM, Clock

#: What a list shows of a run.
LISTED: Final = (
    "number, id, name, state, worker, queue, args, kwargs, exception, retries, runtime, sent, received, started, ended, first, changed"
)
#: Runs that are counted exactly; more are *more than that*.
MOST_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Runs that were found, and the place where the next page begins."""

    runs: list[dict[str, Any]]
    next: tuple[float, int] | None = None


class History:
    """Reads the history. Any thread may use it.

    Args:
        database: of it.
        clock: tells the time.
    """

    def __init__(self, database: Database, clock: Clock = SYSTEM) -> None:
        self.database = database
        self._clock = clock

    def search(self, query: Query) -> Page:
        """Find runs, the newest first.

        Args:
            query: which ones.
        """
        found = statement_of(query, self._clock.now())
        rows = self.database.rows(
            f"SELECT {LISTED} FROM runs {found.where} ORDER BY first DESC, number DESC LIMIT ?",
            [*found.values, query.limit + 1],
        )
        last = rows[query.limit - 1] if len(rows) > query.limit else None
        return Page([dict(row) for row in rows[: query.limit]], None if last is None else (last["first"], last["number"]))

    def count(self, query: Query) -> int:
        """Count the runs that a query finds, up to `MOST_COUNTED`.

        Args:
            query: which ones.
        """
        if query.is_open:
            return sum(self.states().values())
        found = statement_of(query, self._clock.now())
        rows = self.database.rows(
            f"SELECT count(*) FROM (SELECT 1 FROM runs {found.where} LIMIT {MOST_COUNTED + 1})",
            found.values,
        )
        return int(rows[0][0])

    def ids(self, query: Query, most: int) -> list[str]:
        """List the ids of the runs that a query finds.

        Args:
            query: which ones.
            most: how many at most.
        """
        found = statement_of(query, self._clock.now())
        rows = self.database.rows(f"SELECT id FROM runs {found.where} ORDER BY first DESC LIMIT ?", [*found.values, most])
        return [row["id"] for row in rows]

    def run(self, task_id: str) -> dict[str, Any] | None:
        """Return all that is known of a run; ``None`` where nothing is.

        Args:
            task_id: of the task.
        """
        rows = self.database.rows("SELECT * FROM runs WHERE id = ?", [task_id])
        return dict(rows[0]) if rows else None

    def attempts(self, task_id: str) -> list[dict[str, Any]]:
        """List what happened between a task's beginning and its end, in order.

        Args:
            task_id: of the task.
        """
        return [dict(row) for row in self.database.rows("SELECT * FROM attempts WHERE id = ? ORDER BY at", [task_id])]

    def children(self, task_id: str, most: int = 100) -> list[dict[str, Any]]:
        """List the tasks that a task has sent.

        Args:
            task_id: of the task.
            most: how many at most.
        """
        rows = self.database.rows(f"SELECT {LISTED} FROM runs WHERE parent_id = ? ORDER BY first LIMIT ?", [task_id, most])
        return [dict(row) for row in rows]

    def states(self) -> dict[str, int]:
        """Count the runs by their states."""
        rows = self.database.rows("SELECT state, sum(count) AS total FROM tally GROUP BY state HAVING total > 0 ORDER BY total DESC")
        return {row["state"]: row["total"] for row in rows}

    def names(self) -> list[str]:
        """List the names of tasks, sorted."""
        rows = self.database.rows("SELECT name FROM tally WHERE name <> '' GROUP BY name HAVING sum(count) > 0 ORDER BY name LIMIT 1000")
        return [row["name"] for row in rows]

    def series(self, span: str, name: str | None = None) -> dict[str, list[Any]]:
        """Return the lines of the charts.

        Args:
            span: 1h, 24h or 30d.
            name: of one task; all together when not given.
        """
        step, now = SPANS[span], self._clock.now()
        since = now - STEPS[step] - step
        rows = self.database.rows(
            "SELECT * FROM rollups WHERE step = ? AND slot >= ? AND (? IS NULL OR name = ?)", [step, since, name, name]
        )
        gauges = self.database.rows("SELECT * FROM gauges WHERE step = ? AND slot >= ?", [step, since])
        return series(_mappings(rows), _mappings(gauges), step, now)

    def by_task(self, span: str) -> list[dict[str, Any]]:
        """Sum the figures of each task up, those with the most failures first.

        Args:
            span: 1h, 24h or 30d.
        """
        step, now = SPANS[span], self._clock.now()
        rows = self.database.rows("SELECT * FROM rollups WHERE step = ? AND slot >= ?", [step, now - STEPS[step]])
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            one = found.setdefault(
                row["name"], {"name": row["name"], "succeeded": 0, "failed": 0, "retried": 0, "received": 0, "runtime": 0.0, "times": []}
            )
            for name in ("succeeded", "failed", "retried", "received", "runtime"):
                one[name] += row[name]
            if row["times"]:
                here = json.loads(row["times"])
                one["times"] = [count + (one["times"][at] if one["times"] else 0) for at, count in enumerate(here)]
        for one in found.values():
            one["p95"] = quantile(one.pop("times"), 0.95)
            one["mean"] = one["runtime"] / one["succeeded"] if one["succeeded"] else None
        return sorted(found.values(), key=lambda one: (-one["failed"], -one["succeeded"], one["name"]))


def _mappings(rows: list[Any]) -> list[Mapping[str, Any]]:
    return [dict(row) for row in rows]
