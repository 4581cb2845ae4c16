"""Beat: sends periodic tasks when they are due, from any number of schedulers, each slot once. Celery's names are here, too."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from umbel.beat.runs.lazy import BeatLazyFunc
    from umbel.beat.schedulers.base import Scheduler, SchedulingError, event_t
    from umbel.beat.schedulers.entry import ScheduleEntry
    from umbel.beat.schedulers.persistent import PersistentScheduler
    from umbel.beat.schedulers.stored import StoreScheduler
    from umbel.beat.service import EmbeddedService, Service

_WHERE: Final = {
    "BeatLazyFunc": "runs.lazy",
    "EmbeddedService": "service",
    "PersistentScheduler": "schedulers.persistent",
    "ScheduleEntry": "schedulers.entry",
    "Scheduler": "schedulers.base",
    "SchedulingError": "schedulers.base",
    "Service": "service",
    "StoreScheduler": "schedulers.stored",
    "event_t": "schedulers.base",
}

__all__ = [
    "BeatLazyFunc",
    "EmbeddedService",
    "PersistentScheduler",
    "ScheduleEntry",
    "Scheduler",
    "SchedulingError",
    "Service",
    "StoreScheduler",
    "event_t",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'umbel.beat' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"umbel.beat.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
