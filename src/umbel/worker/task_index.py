"""The index of a worker's tasks: by what becomes of them, and by id.

Nothing is kept for it, so that the fast path pays nothing: each question is a scan of what the worker holds unsettled (at most the prefetch window, some two
thousand messages, and a thousand that wait).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import Waiting, WaitingRoom


class TaskIndex:
    """Finds tasks of this worker. To be asked on the event loop.

    Args:
        dispatcher: has what is ready, and what slots were given.
        room: has what waits.
    """

    def __init__(self, dispatcher: Dispatcher, room: WaitingRoom) -> None:
        self._dispatcher = dispatcher
        self._room = room

    def active(self) -> Iterator[ReservedTask]:
        """Tasks that run now."""
        return (task for task in self._dispatcher.running() if is_active(task))

    def reserved(self) -> Iterator[ReservedTask]:
        """Tasks that have been admitted and do not run yet."""
        yield from self._dispatcher.ready
        yield from (task for task in self._dispatcher.running() if not is_active(task))

    def scheduled(self) -> Iterator[Waiting]:
        """Messages that wait here: for their time, or for a rate limit."""
        return iter(self._room)

    def find(self, task_id: str) -> ReservedTask | Waiting | None:
        """One task; ``None`` when it is not here.

        Args:
            task_id: of its message. Where there are several, as after a redelivery, one that was admitted is found before one that waits.
        """
        return next(self.find_all({task_id}), None)

    def find_all(self, task_ids: Collection[str]) -> Iterator[ReservedTask | Waiting]:
        """All tasks of some ids, in one scan. What it yields may be taken away only when it has ended."""
        for tasks in (self._dispatcher.running(), self._dispatcher.ready):
            yield from (task for task in tasks if task.id in task_ids)
        yield from (waiting for waiting in self._room if waiting.delivery.headers.get("id") in task_ids)

    def find_where(self, wanted: Callable[[Mapping[str, Any]], bool]) -> Iterator[ReservedTask | Waiting]:
        """All tasks whose message is wanted, in one scan, as `find_all`.

        Args:
            wanted: asked about the headers of each.
        """
        for tasks in (self._dispatcher.running(), self._dispatcher.ready):
            yield from (task for task in tasks if wanted(task.delivery.headers))
        yield from (waiting for waiting in self._room if wanted(waiting.delivery.headers))


def is_active(task: ReservedTask) -> bool:
    """Report whether a task runs now, as its slot says."""
    return task.slot is not None and task.slot.current()[0] == task.number
