"""The service that tells when tasks have begun. Children stamp it on their boards; a short task's start is told with its end."""

from __future__ import annotations

from umbel.runtime.service import Periodic
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK
from umbel.worker.task_index import is_active
from umbel.worker.tasks.events import TaskEvents


class Starts(Periodic):
    """Looks for tasks that have begun, while somebody listens to it.

    Args:
        dispatcher: has what runs.
        events: whose listeners are told.
    """

    def __init__(self, dispatcher: Dispatcher, events: TaskEvents) -> None:
        super().__init__(LOOK)
        self._dispatcher = dispatcher
        self._events = events

    def look(self, now: float) -> None:  # noqa: ARG002 - the boards say when
        """Tell of those that have begun since the last look.

        Args:
            now: monotonic seconds.
        """
        if self._events.started.tell is None:
            return
        begun = set()
        for task in self._dispatcher.running():
            if task.number in self._events.begun:
                begun.add(task.number)
            elif is_active(task) and task.slot is not None:
                begun.add(task.number)
                self._events.started(task, task.slot.current()[1])
        self._events.begun = begun
