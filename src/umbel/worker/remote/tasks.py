"""Commands that show tasks: those that run, that are reserved, that wait for their time, and single ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from umbel.control.commands import inspect_command
from umbel.wire.serializers import content_types
from umbel.worker.remote.arguments import texts
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.remote.task_info import TaskInfos
from umbel.worker.task_index import is_active
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import Waiting, WaitReason


@inspect_command(alias="dump_active", args=[("safe", bool)], signature="[SAFE=no]")
async def active(state: WorkerFacade, safe: Any = False, **_: Any) -> list[dict[str, Any]]:
    """List the tasks that run."""
    infos = _infos(state, safe=bool(safe))
    return [infos.task(task) for task in state.parts.index.active()]


@inspect_command(alias="dump_reserved")
async def reserved(state: WorkerFacade, **_: Any) -> list[dict[str, Any]]:
    """List the tasks that have been received and do not run yet."""
    infos = _infos(state)
    return [
        *(infos.task(task) for task in state.parts.index.reserved()),
        *(infos.waiting(waiting) for waiting in state.parts.index.scheduled() if waiting.reason is not WaitReason.DUE),
    ]


@inspect_command(alias="dump_schedule")
async def scheduled(state: WorkerFacade, **_: Any) -> list[dict[str, Any]]:
    """List the tasks that wait here for their time; those that are due later wait in the broker."""
    infos = _infos(state)
    due = (waiting for waiting in state.parts.index.scheduled() if waiting.reason is WaitReason.DUE)
    return [infos.scheduled(waiting) for waiting in sorted(due, key=lambda waiting: waiting.until or 0.0)]


@inspect_command(alias="query_tasks", variadic="ids", signature="[ID …]")
async def query_task(state: WorkerFacade, ids: Any = (), **_: Any) -> dict[str, Any]:
    """Show tasks by their ids."""
    return dict(_found(state, texts("ids", ids)))


def _found(state: WorkerFacade, ids: set[str]) -> Iterator[tuple[str, list[Any]]]:
    infos = _infos(state)
    for found in state.parts.index.find_all(ids):
        if isinstance(found, Waiting):
            word = "scheduled" if found.reason is WaitReason.DUE else "reserved"
            yield str(found.delivery.headers["id"]), [word, infos.waiting(found)]
        else:
            yield found.id, [_word(found), infos.task(found)]


def _word(task: ReservedTask) -> str:
    return "active" if is_active(task) else "reserved"


def _infos(state: WorkerFacade, *, safe: bool = False) -> TaskInfos:
    return TaskInfos(state.hostname, content_types(state.app.conf.accept_content), safe=safe)
