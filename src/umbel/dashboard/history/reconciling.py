"""Tasks whose end no event has told: what the result store knows of them is written into the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from umbel import states
from umbel.beat.runs.outcomes import report_of
from umbel.dashboard.history.database import Database
from umbel.events import fields
from umbel.events.state import State
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM, Clock

#: Seconds without news after which a task is looked up, and tasks that are looked up in one go.
_QUIET: Final = 5.0
MOST: Final = 500
_OPEN: Final = (states.PENDING, states.RECEIVED, states.STARTED, states.RETRY)


class Reconciler:
    """Completes the history, a part with each call. One thread calls it.

    Args:
        database: of the history.
        state: the cluster as its events tell.
        clock: tells the time.
    """

    def __init__(self, database: Database, state: State, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._state = state
        self._clock = clock
        self._place = 0

    def wanted(self) -> list[str]:
        """List the ids of some tasks that have not ended and of which nothing was heard for a while; others with each call, and then again from the beginning."""
        marks = ", ".join("?" * len(_OPEN))
        rows = self._database.rows(
            f"SELECT number, id FROM runs WHERE state IN ({marks}) AND number > ? AND changed < ? ORDER BY number LIMIT {MOST}",
            [*_OPEN, self._place, self._clock.now() - _QUIET],
        )
        self._place = rows[-1]["number"] if len(rows) == MOST else 0
        return [row["id"] for row in rows]

    def conclude(self, records: Mapping[str, Record]) -> int:
        """Write the ends that the store knows; returns how many.

        Args:
            records: of tasks by id, also those that have not ended.

        Raises:
            OperationalError: the file cannot be written.
        """
        ended = {task_id: record for task_id, record in records.items() if record.status in states.READY_STATES}
        if ended:
            with self._database.writing() as connection:
                for task_id, record in ended.items():
                    known = _known(record)
                    names = ", ".join(f"{name} = ?" for name in known)
                    connection.execute(
                        f"UPDATE runs SET {names}, ended = coalesce(ended, ?) WHERE id = ? AND state NOT IN ('SUCCESS', 'FAILURE', 'REVOKED')",
                        (*known.values(), report_of(record).ended or self._clock.now(), task_id),
                    )
            self._state.freeze_while(self._forget, list(ended))
        return len(ended)

    def _forget(self, ids: list[str]) -> None:
        """Have the state read these again from the history, should an event come."""
        for task_id in ids:
            task = self._state.tasks.get(task_id)
            if task is not None and not task.ready:
                task.recall(_known_state(self._database, task_id), task.timestamp or self._clock.now())


def _known_state(database: Database, task_id: str) -> dict[str, Any]:
    rows = database.rows("SELECT state, result, exception, traceback FROM runs WHERE id = ?", [task_id])
    return {name: rows[0][name] for name in ("state", "result", "exception", "traceback") if rows and rows[0][name] is not None}


def _known(record: Record) -> dict[str, Any]:
    if record.status == states.SUCCESS:
        return {"state": record.status, "result": fields.text(record.result)}
    return {
        "state": record.status,
        "exception": fields.text(report_of(record).detail or None),
        "traceback": fields.traceback(record.traceback),
    }
