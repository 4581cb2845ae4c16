"""``celery.worker.state``: what the workers of this process hold and have done.

A worker tells it, if this module was imported before the worker was made.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from umbel import hooks
from umbel.compat.legacy.containers import LimitedSet
from umbel.compat.version import CELERY
from umbel.runtime.service import Service

REVOKES_MAX = int(os.environ.get("CELERY_WORKER_REVOKES_MAX", "50000"))
REVOKE_EXPIRES = float(os.environ.get("CELERY_WORKER_REVOKE_EXPIRES", "10800"))
SUCCESSFUL_MAX = int(os.environ.get("CELERY_WORKER_SUCCESSFUL_MAX", "1000"))
SUCCESSFUL_EXPIRES = float(os.environ.get("CELERY_WORKER_SUCCESSFUL_EXPIRES", "10800"))
SOFTWARE_INFO = {"sw_ident": "py-celery", "sw_ver": CELERY, "sw_sys": os.uname().sysname if hasattr(os, "uname") else os.name}

#: Tasks received, by name; and in all.
total_count: Counter[str] = Counter()
all_total_count: list[int] = [0]
#: Ids of tasks that have succeeded.
successful_requests: LimitedSet = LimitedSet(SUCCESSFUL_MAX, SUCCESSFUL_EXPIRES)
should_stop = should_terminate = None

_workers: list[Any] = []


class _Held:
    """The tasks of all workers in one state, as a set of ids."""

    def __init__(self, state: str) -> None:
        self._state = state

    def __iter__(self) -> Any:
        for worker in tuple(_workers):
            yield from list(getattr(worker.parts.index, self._state)())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, request: Any) -> bool:
        wanted = getattr(request, "id", request)
        return any(task.id == wanted for task in self)

    def __repr__(self) -> str:
        return f"<{self._state}: {len(self)}>"


class _Revoked:
    """The ids of revoked tasks of all workers."""

    def __contains__(self, task_id: str) -> bool:
        return any(task_id in worker.parts.revoking.ids for worker in tuple(_workers))

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())

    def as_dict(self) -> dict[str, float]:
        """Each id with the time of its revocation, monotonic seconds."""
        found: dict[str, float] = {}
        for worker in tuple(_workers):
            found.update(worker.parts.revoking.ids.times())
        return found

    def discard(self, task_id: str) -> None:
        """Let a task run in the workers of this process.

        Args:
            task_id: of the task.
        """
        for worker in tuple(_workers):
            worker.parts.revoking.ids.discard([task_id])

    def clear(self) -> None:
        """Forget all."""
        for task_id in self.as_dict():
            self.discard(task_id)

    def add(self, task_id: str) -> None:
        """Keep a task from running in the workers of this process.

        Args:
            task_id: of the task.
        """
        for worker in tuple(_workers):
            worker.revoke(task_id)

    def update(self, task_ids: Any) -> None:
        """Keep tasks from running in the workers of this process.

        Args:
            task_ids: of the tasks.
        """
        for task_id in task_ids:
            self.add(task_id)


class _RevokedStamps(Mapping[str, list[Any]]):
    """The stamps by which tasks are revoked in all workers: name → values."""

    def _found(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for worker in tuple(_workers):
            for name, value in worker.parts.revoking.stamps.times():
                found.setdefault(name, []).append(value)
        return found

    def __getitem__(self, name: str) -> list[Any]:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def clear(self) -> None:
        """Forget all."""
        for worker in tuple(_workers):
            worker.parts.revoking.stamps.discard(worker.parts.revoking.stamps.times())


active_requests: _Held = _Held("active")
reserved_requests: _Held = _Held("reserved")
revoked: _Revoked = _Revoked()
revoked_stamps: _RevokedStamps = _RevokedStamps()


class StateService(Service):
    """Tells this module of a worker.

    Args:
        worker: the worker.
    """

    def __init__(self, worker: Any) -> None:
        super().__init__()
        self._worker = worker
        worker.parts.events.received.listen(_received)
        worker.parts.events.succeeded.listen(_succeeded)

    async def begin(self) -> None:
        _workers.append(self._worker)

    async def end(self) -> None:
        _workers.remove(self._worker)


@hooks.worker_init.connect
def _attach(sender: Any, **_: Any) -> None:
    """Have a worker that is being made tell this module."""
    if StateService not in sender.app.worker_services:
        sender.app.worker_services.append(StateService)


def _received(task: Any) -> None:
    total_count[task.task] += 1
    all_total_count[0] += 1


def _succeeded(task: Any, outcome: Any) -> None:  # noqa: ARG001 - the event's
    successful_requests.add(task.id)


def reset_state() -> None:
    """Forget what was counted."""
    total_count.clear()
    all_total_count[0] = 0
    successful_requests.clear()
