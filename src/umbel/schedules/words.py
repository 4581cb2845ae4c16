"""Schedules in words, for people: ``every 5 minutes``, ``at 07:30 on Monday to Friday``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
#: The most times of a day that are written out.
_WRITTEN: Final = 6


def duration(seconds: float) -> str:
    """Write a duration: ``1 hour 30 minutes``.

    Args:
        seconds: not negative.
    """
    parts, left = [], seconds
    for size, unit in _UNITS:
        count = int(left // size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
            left -= count * size
    left = round(left, 3)
    if left or not parts:
        parts.append(f"{left:g} second{'' if left == 1 else 's'}")
    return " ".join(parts)


def interval(seconds: float, *, relative: bool) -> str:
    """Write an interval: ``every 30 seconds``, ``every hour, on the hour``.

    Args:
        seconds: of the interval.
        relative: it is rounded down to whole units.
    """
    text = duration(seconds)
    every = f"every {text.removeprefix('1 ') if text.count(' ') == 1 else text}"
    if not relative:
        return every
    unit = next((unit for size, unit in _UNITS if seconds >= size), "second")
    return f"{every}, {'at midnight' if unit == 'day' else f'on the {unit}'}"


def moment(when: datetime) -> str:
    """Write a time: ``Monday, 3 March 2031, 07:30 CET``.

    Args:
        when: aware.
    """
    clock = f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"
    return f"{_DAYS[when.isoweekday() % 7]}, {when.day} {_MONTHS[when.month - 1]} {when.year}, {clock} {when.tzname() or ''}".rstrip()


def of_crontab(
    minute: Collection[int],
    hour: Collection[int],
    day_of_month: Collection[int],
    month_of_year: Collection[int],
    day_of_week: Collection[int],
) -> str:
    """Write a crontab: ``at 03:00 on Monday``, ``every 15 minutes from 08:00 to 17:59``.

    Args:
        minute: numbers.
        hour: numbers.
        day_of_month: numbers.
        month_of_year: numbers.
        day_of_week: numbers; 0 is Sunday.
    """
    text = _times(sorted(minute), sorted(hour))
    days = []
    if len(day_of_week) < 7:
        days.append(f"on {_listed(_runs(sorted(day_of_week), [*_DAYS], wraps=True))}")
    if len(day_of_month) < 31:
        numbers = sorted(day_of_month)
        days.append(
            f"on day{'' if len(numbers) == 1 else 's'} {_listed(_runs(numbers, [str(number) for number in range(32)]))} of the month"
        )
    if len(month_of_year) < 12:
        days.append(f"in {_listed(_runs(sorted(month_of_year), ['', *_MONTHS]))}")
    return f"{text} {', '.join(days)}" if days else text


def _times(minutes: Sequence[int], hours: Sequence[int]) -> str:
    all_hours = len(hours) == 24
    if len(minutes) * len(hours) <= _WRITTEN:
        return f"at {_listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    step = _step(minutes, 60)
    if step is not None:
        text = "every minute" if step == 1 else f"every {step} minutes"
        return text if all_hours else f"{text} {_hours(hours)}"
    text = f"at minute {_listed(_runs(minutes, [str(number) for number in range(60)]))}"
    hourly = _step(hours, 24)
    if hourly is not None and hourly > 1:
        return f"{text} of every {hourly}{'rd' if hourly == 3 else 'nd' if hourly == 2 else 'th'} hour"
    return f"{text} of every hour" if all_hours else f"{text} {_hours(hours)}"


def _hours(hours: Sequence[int]) -> str:
    if len(hours) > 1 and hours[-1] - hours[0] == len(hours) - 1:
        return f"from {hours[0]:02}:00 to {hours[-1]:02}:59"
    return f"of the hour{'' if len(hours) == 1 else 's'} {_listed(_runs(hours, [str(number) for number in range(24)]))}"


def _step(numbers: Sequence[int], size: int) -> int | None:
    """Return the step by which the numbers go through all of 0 to ``size``, evenly; ``None`` where they do not."""
    step = size // len(numbers)
    even = len(numbers) > 1 and size % len(numbers) == 0 and list(numbers) == list(range(0, size, step))
    return step if even else None


def _runs(numbers: Sequence[int], names: Sequence[str], *, wraps: bool = False) -> list[str]:
    """Write numbers by their names, three and more in a row as ``first to last``."""
    rows: list[list[int]] = []
    for number in numbers:
        if rows and number == rows[-1][-1] + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    if wraps and len(rows) > 1 and rows[0][0] == 0 and rows[-1][-1] == len(names) - 1:
        rows[0] = rows.pop() + rows[0]
    return [
        text for row in rows for text in ([f"{names[row[0]]} to {names[row[-1]]}"] if len(row) > 2 else [names[number] for number in row])
    ]


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
