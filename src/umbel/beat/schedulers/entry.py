"""`ScheduleEntry`: an entry as Celery's schedulers, and subclasses of them, have it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

from umbel import current
from umbel.schedules import maybe_schedule, schedstate


class ScheduleEntry:
    """One periodic task in a scheduler's memory.

    Args:
        name: of the entry.
        task: name of the task.
        last_run_at: when it was sent last; now when not given.
        total_run_count: how often it was sent.
        schedule: seconds, a timedelta or a schedule.
        args: positional arguments.
        kwargs: keyword arguments.
        options: calling options.
        relative: of an interval: rounded down.
        app: whose.

    Raises:
        ImproperlyConfigured: the schedule is none.
    """

    name: str | None = None
    schedule: Any = None
    args: Any = None
    kwargs: Any = None
    options: Any = None
    last_run_at: datetime
    total_run_count: int = 0

    def __init__(  # noqa: PLR0913, PLR0917 - Celery's
        self,
        name: str | None = None,
        task: str | None = None,
        last_run_at: datetime | None = None,
        total_run_count: int | None = None,
        schedule: Any = None,
        args: Any = (),
        kwargs: Any = None,
        options: Any = None,
        relative: bool = False,
        app: Any = None,
    ) -> None:
        self.app = app
        self.name = name
        self.task = getattr(task, "name", task)
        self.args = args
        self.kwargs = kwargs or {}
        self.options = options or {}
        self.schedule = maybe_schedule(schedule, relative, app=app)
        self.last_run_at = last_run_at or self.default_now()
        self.total_run_count = total_run_count or 0

    def default_now(self) -> datetime:
        """Return the time by the schedule's clock, else the app's."""
        found: datetime = self.schedule.now() if self.schedule else (self.app or current.find_app()).now()
        return found

    _default_now = default_now

    def _next_instance(self, last_run_at: datetime | None = None) -> Self:
        fields = {**dict(self), "last_run_at": last_run_at or self.default_now(), "total_run_count": self.total_run_count + 1}
        return type(self)(**fields)

    __next__ = next = _next_instance

    def update(self, other: ScheduleEntry) -> None:
        """Take over what may be edited of another entry of this name.

        Args:
            other: as it is to be.
        """
        self.__dict__.update({
            "task": other.task, "schedule": other.schedule, "args": other.args, "kwargs": other.kwargs, "options": other.options,
        })  # fmt: skip

    def is_due(self) -> schedstate:
        """Report whether it is due now, and the seconds after which to ask again."""
        found: schedstate = self.schedule.is_due(self.last_run_at)
        return found

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        fields = vars(self).items()
        return iter([(name, value) for name, value in fields if name != "relative"])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self.name, self.task, self.last_run_at, self.total_run_count, self.schedule, self.args, self.kwargs, self.options,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name} {self.task}(*{self.args!r}, **{self.kwargs!r}) {self.schedule}>"

    def __lt__(self, other: object) -> bool:
        # Entries stand in heaps beside their times; which of two is smaller decides nothing.
        return id(self) < id(other)

    def editable_fields_equal(self, other: ScheduleEntry) -> bool:
        """Report whether another entry is the same but for its runs.

        Args:
            other: to be compared with.
        """
        return all(getattr(self, name) == getattr(other, name) for name in ("task", "args", "kwargs", "options", "schedule"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScheduleEntry) and self.editable_fields_equal(other)

    __hash__ = None  # type: ignore[assignment]
