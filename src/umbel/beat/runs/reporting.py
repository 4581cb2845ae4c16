"""News of runs from the workers that run them: how long a task's own code took, and where, also where results are not kept.

A worker reports if its app has periodic tasks (``beat_schedule``) or names their store (``beat_schedule_store``). A message of beat is known by a header.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from umbel import states
from umbel.beat.entries.model import Report
from umbel.beat.runs.firing import HEADER
from umbel.beat.stores.base import ScheduleStore
from umbel.errors import OperationalError
from umbel.runtime.clock import Clock
from umbel.runtime.service import Periodic

logger: logging.Logger = logging.getLogger("umbel.beat")

#: Seconds between two writes.
_INTERVAL: Final = 0.5
#: Reports that wait for a store that is away; the oldest go.
_MOST: Final = 10_000
#: Characters of an error's text.
_LONGEST: Final = 500


class RunReports(Periodic):
    """Writes reports of a worker's runs to the store of schedules.

    Args:
        events: of the worker's tasks.
        hostname: of the worker.
        store: makes the store, when there is something to write.
        clock: the time.
    """

    def __init__(self, events: Any, hostname: str, store: Callable[[], ScheduleStore], clock: Clock) -> None:
        super().__init__(_INTERVAL)
        self._hostname = hostname
        self._make_store = store
        self._store: ScheduleStore | None = None
        self._clock = clock
        self._waiting: deque[Report] = deque(maxlen=_MOST)
        self._writing: asyncio.Task[None] | None = None
        self._is_away = False
        for state, event in events.endings.items():
            event.listen(self._listener(state))
        events.failed_unreported.listen(lambda delivery, error: self._take(delivery, states.FAILURE, f"{type(error).__name__}: {error}"))
        events.expired.listen(lambda delivery: self._take(delivery, states.REVOKED, "expired"))
        events.revoked.listen(lambda delivery, _signal: self._take(delivery, states.REVOKED))
        events.dead_lettered.listen(lambda delivery, reason, detail: self._take(delivery, states.REJECTED, f"{reason}: {detail}"))

    @property
    def name(self) -> str:
        return "Reports of periodic tasks"

    def _listener(self, state: str) -> Callable[[Any, Any], None]:
        def ended(task: Any, outcome: Any) -> None:
            if HEADER in task.delivery.headers:
                self._take(task.delivery, state, outcome.detail if state != states.SUCCESS else "", outcome.runtime)

        return ended

    def _take(self, delivery: Any, state: str, detail: str = "", runtime: float | None = None) -> None:
        headers = delivery.headers
        if HEADER in headers and isinstance(headers.get("id"), str):
            ended = None if state == states.RETRY else self._clock.now()
            report = Report(
                task_id=headers["id"], state=state, worker=self._hostname, runtime=runtime, ended=ended, detail=detail[:_LONGEST]
            )
            self._waiting.append(report)

    def look(self, now: float) -> None:  # noqa: ARG002
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def end(self) -> None:
        await super().end()
        if self._writing is not None:
            await self._writing
        await self._write()
        if self._store is not None:
            await asyncio.to_thread(self._store.close)

    async def _write(self) -> None:
        reports = list(self._waiting)
        if not reports:
            return
        self._waiting.clear()
        try:
            await asyncio.to_thread(self._report, reports)
            self._is_away = False
        except OperationalError as error:
            self._waiting.extendleft(reversed(reports))
            if not self._is_away:
                self._is_away = True
                logger.warning("Runs of periodic tasks cannot be reported: %s. It is tried again.", error)
        except Exception:
            logger.exception("Runs of periodic tasks cannot be reported, and are not")

    def _report(self, reports: list[Report]) -> None:
        if self._store is None:
            self._store = self._make_store()
        self._store.report(reports)


def reports_of(worker: Any) -> list[RunReports]:
    """Make the service that reports a worker's runs; none where its app knows of no periodic tasks.

    Args:
        worker: whose runs.
    """
    app = worker.app
    if not app.conf.beat_schedule and not app.conf.beat_schedule_store:
        return []

    def store() -> ScheduleStore:
        from umbel.beat.stores.registry import store_of

        return store_of(app)

    return [RunReports(worker.parts.events, worker.hostname, store, app.time)]
