"""Periodic tasks of django-celery-beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from umbel.contrib.django.adopting.tables import moment, rows_of
from umbel.contrib.django.models import PeriodicTask
from umbel.errors import ImproperlyConfigured, UmbelError
from umbel.schedules import clocked, crontab, schedule, solar
from umbel.schedules.base import BaseSchedule

_TASKS: Final = "django_celery_beat_periodictask"
#: Column of a periodic task → table of its schedule.
_KINDS: Final = {
    "interval_id": "django_celery_beat_intervalschedule",
    "crontab_id": "django_celery_beat_crontabschedule",
    "solar_id": "django_celery_beat_solarschedule",
    "clocked_id": "django_celery_beat_clockedschedule",
}


def take_schedules(alias: str, schedules: Any, *, writes: bool = True) -> tuple[int, list[str]]:
    """Add the periodic tasks that are not here yet; returns how many, and sentences about the others.

    Args:
        alias: of the database.
        schedules: `umbel.beat.editing.Schedules` over the project's store.
        writes: do so; else only look.
    """
    parts = {column: {row["id"]: row for row in rows_of(alias, table)} for column, table in _KINDS.items()}
    count, remarks = 0, []
    for row in rows_of(alias, _TASKS):
        name = row["name"]
        if name.startswith("celery."):
            continue  # of Celery itself: Umbel has its own
        known = schedules.store.entry(name)
        if known is not None and known.status != "removed":
            remarks.append(f"{name!r} is here already: left as it is")
            continue
        try:
            fields, remark = _entry(row, parts)
            if writes:
                schedules.add(name, row["task"], **fields, paused=not row["enabled"], force=True)
                _keep_counters(alias, name, row)
        except (UmbelError, ValueError) as error:
            remarks.append(f"{name!r} is left out: {error}")
            continue
        count += 1
        remarks += [f"{name!r}: {remark}"] if remark else []
    return count, remarks


def _entry(row: Mapping[str, Any], parts: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> tuple[dict[str, Any], str]:
    """The fields of an entry, and a sentence about what they cannot say."""
    column = next((column for column in _KINDS if row.get(column) is not None), None)
    if column is None:
        raise ImproperlyConfigured("it has no schedule")
    options: dict[str, Any] = {
        name: row[name] for name in ("queue", "exchange", "routing_key", "priority") if row.get(name) not in (None, "")
    }
    headers = json.loads(row.get("headers") or "{}")
    if headers:
        options["headers"] = headers
    if row.get("expire_seconds"):
        options["expires"] = float(row["expire_seconds"])
    lost = [
        word
        for word, there in (
            ("one_off", row.get("one_off") and column != "clocked_id"),
            ("start_time", row.get("start_time")),
            ("expires", row.get("expires")),
        )
        if there
    ]
    fields = {
        "schedule": _schedule(column, parts[column][row[column]]),
        "args": json.loads(row["args"] or "[]"),
        "kwargs": json.loads(row["kwargs"] or "{}"),
        "options": options,
        "description": row.get("description") or "",
    }
    return fields, f"{' and '.join(lost)} cannot be kept: see to it by hand" if lost else ""


def _schedule(column: str, row: Mapping[str, Any]) -> BaseSchedule:
    if column == "interval_id":
        return schedule(timedelta(**{row["period"]: row["every"]}))
    if column == "crontab_id":
        names = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        return crontab(**{name: row[name] for name in names}, timezone=str(row["timezone"]) if row.get("timezone") else None)
    if column == "solar_id":
        return solar(row["event"], float(row["latitude"]), float(row["longitude"]))
    found = moment(row["clocked_time"])
    assert found is not None
    return clocked(found)


def _keep_counters(alias: str, name: str, row: Mapping[str, Any]) -> None:
    last = moment(row.get("last_run_at"))
    values = {"total_runs": row.get("total_run_count") or 0, "last_fired": None if last is None else last.timestamp()}
    PeriodicTask.objects.using(alias).filter(name=name).update(**values)
