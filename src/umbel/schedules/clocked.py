"""`clocked`: once, at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from umbel.errors import ImproperlyConfigured
from umbel.schedules import words
from umbel.schedules.base import BaseSchedule
from umbel.schedules.zones import as_instant, at, load_zone, zone_name


class clocked(BaseSchedule):  # noqa: N801 - the name it has in django-celery-beat
    """A task is due once.

    Args:
        clocked_time: when: a datetime, or ISO 8601 text; without a zone it is in ``timezone``, or UTC where that is not given.
        nowfun: see `BaseSchedule`.
        app: see `BaseSchedule`.
        timezone: see `BaseSchedule`.

    Raises:
        ImproperlyConfigured: it is no time.
    """

    def __init__(
        self, clocked_time: datetime | str, nowfun: Callable[[], datetime] | None = None, app: Any = None, timezone: Any = None
    ) -> None:
        super().__init__(nowfun, app, timezone)
        try:
            moment = datetime.fromisoformat(clocked_time) if isinstance(clocked_time, str) else clocked_time
            #: When.
            self.clocked_time: datetime = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone or UTC)
            self._instant = as_instant(self.clocked_time)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise ImproperlyConfigured(
                f"{clocked_time!r} is not a time: expected a datetime, or text such as 2030-01-31T12:00:00+01:00"
            ) from None

    @property
    def tz(self) -> Any:
        return self._zone or self.clocked_time.tzinfo

    @tz.setter
    def tz(self, zone: Any) -> None:
        self._zone = load_zone(zone)

    def next_after(self, after: float, anchor: float | None = None) -> float | None:  # noqa: ARG002
        return self._instant if self._instant > after else None

    @property
    def sentence(self) -> str:
        return f"once, on {words.moment(at(self._instant, self.tz))}"

    def _key(self) -> Any:
        return "clocked", self._instant, None if self._zone is None else zone_name(self._zone)

    def __repr__(self) -> str:
        return f"<clocked: {self.clocked_time.isoformat()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.clocked_time, self.nowfun, None, self._zone)
