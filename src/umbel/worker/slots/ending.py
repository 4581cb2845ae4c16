"""Ends running tasks: those whose hard time limit has passed, and those that are revoked.

Where a child runs one job at a time it is killed. A shared child is asked to end one job, and its neighbours notice nothing. Not every job can be ended so: a thread may be
inside a library written in C, a coroutine may keep its event loop for itself, either may catch everything. Then the child is replaced: it gets nothing any more,
the neighbours have a while to end, and what runs still when it is killed runs again elsewhere, without blame.
"""

from __future__ import annotations

from umbel.pools.slot import Child
from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Periodic
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK
from umbel.worker.tasks.reserved import EndReason, ReservedTask
from umbel.worker.tasks.task_log import TaskLog

#: Seconds that a job has to end when it was told to.
OBEY = 1.0
#: Seconds that its neighbours have to end, when it has not.
LEAVE = 3.0


class Endings(Periodic):
    """Ends running tasks, and replaces the children that cannot.

    Args:
        dispatcher: who runs what.
        task_log: says what happens.
    """

    def __init__(self, dispatcher: Dispatcher, task_log: TaskLog) -> None:
        super().__init__(LOOK)
        self._dispatcher = dispatcher
        self._task_log = task_log
        #: Tasks that were told to end, and when.
        self._told: dict[ReservedTask, float] = {}
        #: Children that will be killed, and when.
        self._condemned: dict[Child, float] = {}

    def end_task(self, task: ReservedTask, reason: EndReason) -> None:
        """End a task that runs.

        Args:
            task: whose slot runs it.
            reason: decides what becomes of its message.
        """
        assert task.slot is not None
        task.end_reason = reason
        if reason is EndReason.TIME_LIMIT and task.policy.batch_size is not None:
            for each in task.slot.given.values():  # they run together, and have one limit
                each.end_reason = reason
        task.slot.end(task.number)
        if task.slot.child.is_shared:
            self._told[task] = SYSTEM.monotonic()

    def look(self, now: float) -> None:
        """Replace children that have not ended a job in time.

        Args:
            now: monotonic seconds.
        """
        for task, since in list(self._told.items()):
            if not self._dispatcher.is_given(task):
                del self._told[task]
            elif now - since >= OBEY and task.slot is not None and task.slot.current()[0] == task.number:  # else its result is being stored
                del self._told[task]
                self._condemn(task, now)
        for child, until in list(self._condemned.items()):
            entries = [entry for slot in child.slots for entry in slot.given.values()]
            if child not in self._dispatcher.children or all(entry.end_reason is None for entry in entries):
                del self._condemned[child]  # what did not end has ended: the others may take their time
            elif now >= until or all(entry.end_reason is not None for entry in entries):
                del self._condemned[child]
                child.kill()

    def _condemn(self, task: ReservedTask, now: float) -> None:
        assert task.slot is not None
        child = task.slot.child
        if child not in self._condemned:
            self._task_log.unstoppable(task, LEAVE)
            self._condemned[child] = now + LEAVE
            self._dispatcher.vacate(child)
