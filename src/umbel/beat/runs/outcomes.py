"""Outcomes of runs: looked up in the result store while they are not over, by the scheduler that leads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from umbel import states
from umbel.beat.entries.model import Report
from umbel.beat.stores.base import ScheduleStore
from umbel.results.model import Record

#: Runs that are looked up at once.
_BATCH: Final = 500
#: Seconds after which a run of which nothing was heard is not looked up any more.
_PATIENCE: Final = 7 * 86400.0
#: Characters of an error's text.
_LONGEST: Final = 500


class Outcomes:
    """Looks up what became of runs, some at a time.

    Args:
        app: whose result store it asks.
        store: where the runs are.
    """

    def __init__(self, app: Any, store: ScheduleStore) -> None:
        self._app = app
        self._store = store
        self._since = 0.0

    def look(self, now: float) -> list[Report]:
        """Return news of the next of the runs that are not over.

        Args:
            now: seconds since the epoch.
        """
        results = self._app.store
        if results is None or not results.shared:
            return []
        runs = self._store.unfinished(max(self._since, now - _PATIENCE), _BATCH)
        self._since = runs[-1].fired if len(runs) == _BATCH else 0.0
        if not runs:
            return []
        records = results.fetch([run.task_id for run in runs])
        known = {run.task_id: run.state for run in runs}
        return [report_of(record) for task_id, record in records.items() if record.status not in ("PENDING", known.get(task_id))]


def report_of(record: Record) -> Report:
    """Make news of a run from its task's record.

    Args:
        record: of the result store.
    """
    worker, result = record.extended.get("worker"), record.result
    detail = ""
    if record.status == states.FAILURE and isinstance(result, dict):
        message = result.get("exc_message")
        said = ", ".join(map(str, message)) if isinstance(message, (list, tuple)) else str(message or "")
        detail = f"{result.get('exc_type')}: {said}"[:_LONGEST]
    return Report(
        task_id=record.task_id,
        state=record.status,
        worker=worker if isinstance(worker, str) else "",
        ended=_seconds(record.date_done),
        detail=detail,
    )


def _seconds(date_done: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(date_done or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
