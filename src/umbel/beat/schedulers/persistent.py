"""`PersistentScheduler`: the schedule is kept in a file, as with Celery's of this name."""

from __future__ import annotations

from typing import Any

from umbel.beat.schedulers.stored import StoreScheduler
from umbel.beat.stores.base import ScheduleStore


class PersistentScheduler(StoreScheduler):
    """Keeps the schedule in a file.

    Args:
        app: whose tasks.
        schedule_filename: the file; ``beat_schedule_filename`` when not given.
        options: of `Scheduler`.
    """

    def __init__(self, app: Any, *, schedule_filename: str | None = None, **options: Any) -> None:
        self.schedule_filename = schedule_filename or app.conf.beat_schedule_filename
        super().__init__(app, **options)

    def make_store(self, app: Any, options: dict[str, Any]) -> ScheduleStore:  # noqa: ARG002
        from umbel.beat.stores.registry import store_of

        return store_of(app, filename=self.schedule_filename)
