"""Schedules: the rules by which tasks are due, pure, under Celery's names.

Needs no broker, no loop and no app: ``crontab(hour=7, timezone="Europe/Berlin").next_times(3)``.
"""

from umbel.schedules.base import BaseSchedule, schedstate
from umbel.schedules.clocked import clocked
from umbel.schedules.crontab import crontab
from umbel.schedules.fields import ParseException, crontab_parser
from umbel.schedules.interval import schedule
from umbel.schedules.parsing import maybe_schedule
from umbel.schedules.solar import solar

__all__ = [
    "BaseSchedule",
    "ParseException",
    "clocked",
    "crontab",
    "crontab_parser",
    "maybe_schedule",
    "schedstate",
    "schedule",
    "solar",
]
