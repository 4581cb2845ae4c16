"""From the options of Celery's workers to those of `umbel.worker.options.WorkerOptions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from umbel.worker.options import WorkerOptions

_OURS: Final = frozenset(each.name for each in fields(WorkerOptions))
_RENAMED: Final = {
    "exclude_queues": "exclude",
    "pool_cls": "pool",
    "maxtasksperchild": "max_tasks_per_child",
    "events": "task_events",
    "send_events": "task_events",
    "statedb": "state_db",
}
#: They ask for what is not there, or is so anyway.
_LEFT_OUT: Final = frozenset({
    "loglevel", "logfile", "optimization", "beat", "schedule", "scheduler", "ready_callback", "pool_putlocks", "pool_restarts", "redirect_stdouts",
    "no_color", "redirect_stdouts_level", "pidfile", "uid", "gid", "umask", "executable", "quiet", "colorize", "app",
})  # fmt: skip


def translated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a worker under our names; those of Celery's that mean nothing here are left out.

    Args:
        given: options of ``celery.worker.WorkController``, or of ours.
    """
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        ours = _RENAMED.get(name, name)
        if ours in _OURS or ours not in _LEFT_OUT:
            chosen[ours] = value
    pool = chosen.get("pool")
    if pool is not None and not isinstance(pool, str):  # a class of Celery's look, under the name of its module
        chosen["pool"] = getattr(pool, "__module__", "").rpartition(".")[2] or "prefork"
    return {name: value for name, value in chosen.items() if value is not None}
