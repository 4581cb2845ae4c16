"""Entries and runs as commands show them: rows for people, documents for programs."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Run
from umbel.cli.output import as_json
from umbel.schedules.base import is_asked
from umbel.schedules.zones import at


def next_times(entry: Entry, now: float, count: int) -> list[datetime]:
    """List the next times of an entry, in its zone; none where it is not active, or where its schedule must be asked.

    Args:
        entry: to be looked at.
        now: seconds since the epoch.
        count: how many.
    """
    spec = entry.spec
    if spec is None or entry.status != model.ACTIVE or is_asked(spec.schedule):
        return []
    found: list[datetime] = []
    slot = spec.schedule.next_after(max(entry.after, now) if entry.after >= now - 1 else entry.after, entry.anchor)
    while slot is not None and len(found) < count:
        if slot >= now - 1:
            found.append(at(slot, spec.schedule.tz))
        slot = spec.schedule.next_after(max(slot, now - 1), entry.anchor)
    return found


def near(moment: datetime, now: float) -> str:
    """Write a time by how near it is: ``in 25s``, ``today 14:30``, ``Mon 07:30``, ``3 Mar 2031 07:30``.

    Args:
        moment: aware; it is written in its own zone.
        now: seconds since the epoch.
    """
    away = moment.timestamp() - now
    here = at(now, moment.tzinfo or UTC)
    if away < 120:
        return "now" if away < 1 else f"in {away:.0f}s"
    days = (moment.date() - here.date()).days
    clock = f"{moment:%H:%M}"
    if days == 0:
        return f"today {clock}"
    if days == 1:
        return f"tomorrow {clock}"
    if days < 7:
        return f"{moment:%a} {clock}"
    return f"{moment.day} {moment:%b}{'' if moment.year == here.year else f' {moment.year}'} {clock}"


def stamp(instant: float | None, zone: tzinfo) -> str | None:
    """Write a time to the second: ``2031-03-03 07:30:00``.

    Args:
        instant: seconds since the epoch.
        zone: in which it is written.
    """
    return None if instant is None else f"{at(instant, zone):%Y-%m-%d %H:%M:%S}"


def took(run: Run) -> str | None:
    """Write how long a run took: its own time, else, with a tilde, the time until it ended.

    Args:
        run: to be looked at.
    """
    if run.runtime is not None:
        return _seconds(run.runtime)
    return None if run.ended is None else f"~{_seconds(max(0.0, run.ended - run.fired))}"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def in_words(entry: Entry) -> str:
    """Write the schedule of an entry in words.

    Args:
        entry: to be looked at.
    """
    if entry.spec is not None:
        return entry.spec.schedule.sentence
    schedule = entry.document.get("schedule")
    return str(schedule.get("text", "–")) if isinstance(schedule, dict) else "–"


def call(entry: Entry) -> str:
    """Write what is called: ``tasks.add(1, 2, x=3)``.

    Args:
        entry: to be looked at.
    """
    document = entry.document
    args, kwargs = document.get("args", []), document.get("kwargs", {})
    parts = [as_json(each) for each in args] if isinstance(args, list) else [f"*{args}"]
    parts += [f"{name}={as_json(value)}" for name, value in kwargs.items()] if isinstance(kwargs, dict) else [f"**{kwargs}"]
    return f"{document.get('task', '–')}({', '.join(parts)})"


def entry_document(entry: Entry, now: float, count: int = 5) -> dict[str, Any]:
    """Write an entry for programs.

    Args:
        entry: to be written.
        now: seconds since the epoch.
        count: of its next times.
    """
    return {
        "name": entry.name,
        "status": entry.status,
        "reason": entry.reason,
        "source": entry.source,
        "in_code": bool(entry.code),
        **entry.document,
        "words": in_words(entry),
        "next": [moment.isoformat() for moment in next_times(entry, now, count)],
        "last_fired": entry.last_fired,
        "last_id": entry.last_id,
        "total_runs": entry.total_runs,
    }


def run_document(run: Run) -> dict[str, Any]:
    """Write a run for programs.

    Args:
        run: to be written.
    """
    return {
        "entry": run.entry,
        "task_id": run.task_id,
        "slot": run.slot,
        "fired": run.fired,
        "lag": round(run.lag, 6),
        "state": run.state,
        "runtime": run.runtime,
        "ended": run.ended,
        "worker": run.worker,
        "by_hand": run.by_hand,
        "missed": run.missed,
        "detail": run.detail,
    }
