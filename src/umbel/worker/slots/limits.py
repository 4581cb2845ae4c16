"""Limits of time and memory: read the slot boards, interrupt at the soft limit, kill at the hard one; replace a child that has grown too large.

Limits run by the parent's clock from the moment that the child stamped the job, so they hold whatever the task does.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from umbel.pools.slot import Child, Slot
from umbel.runtime.service import Periodic
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.reserved import EndReason, ReservedTask
from umbel.worker.tasks.task_log import TaskLog

#: Seconds between looks: what a limit may be late by.
LOOK = 0.05
#: Looks (20 seconds' worth) after which a child that has begun nothing of what it was sent is replaced: it is stopped, or stuck. Looks and not
#: seconds: after a suspension of the whole machine a child must have its chance.
_STUCK = 400
#: Seconds between looks at memory.
_MEMORY_LOOK = 0.5


class TimeLimits(Periodic):
    """Watches what runs.

    Args:
        dispatcher: who runs what.
        end: ends a task that runs (`umbel.worker.slots.ending.Endings.end_task`).
        task_log: says what happens.
    """

    def __init__(self, dispatcher: Dispatcher, end: Callable[[ReservedTask, EndReason], None], task_log: TaskLog) -> None:
        super().__init__(LOOK)
        self._dispatcher = dispatcher
        self._end = end
        self._task_log = task_log
        self._warned: dict[Slot, int] = {}
        #: Slot → the job that it should begin, and for how many looks it has not.
        self._unbegun: dict[Slot, tuple[int, int]] = {}

    def look(self, now: float) -> None:
        """Enforce limits.

        Args:
            now: monotonic seconds.
        """
        for slot in self._dispatcher.slots():
            if not slot.given:
                continue
            number, since = slot.current()
            if not number:
                self._look_at_idle(slot)
                continue
            entry = slot.given.get(number)
            if entry is None or entry.end_reason is not None or (entry.hard is None and entry.soft is None):
                continue
            ran = now - since
            if entry.hard is not None and ran >= entry.hard:
                self._task_log.hard_limit(entry)
                self._end(entry, EndReason.TIME_LIMIT)
            elif entry.soft is not None and ran >= entry.soft and self._warned.get(slot) != number:
                self._warned[slot] = number
                self._task_log.soft_limit(entry)
                slot.interrupt(number)

    def _look_at_idle(self, slot: Slot) -> None:
        """Replace a child that does not begin; what it was sent goes to others, without blame."""
        first, entry = next(iter(slot.given.items()))
        # What is early or careful may not have been sent yet; what has begun waits for its result to be stored.
        if entry.early or entry.careful or first <= slot.started():
            return
        known, looks = self._unbegun.get(slot, (0, 0))
        looks = looks + 1 if known == first else 1
        self._unbegun[slot] = (first, looks)
        if looks >= _STUCK and not any(each.current()[0] for each in slot.child.slots):  # else it may be busy with another job
            self._unbegun[slot] = (first, 0)
            self._task_log.stuck(slot.child)
            slot.child.kill()

    def forget(self, child: Child) -> None:
        """Forget a ``child`` that is gone."""
        for slot in child.slots:
            self._warned.pop(slot, None)
            self._unbegun.pop(slot, None)


class MemoryLimits(Periodic):
    """Watches the resident memory of children.

    Args:
        dispatcher: who the children are.
        most: KiB; ``None`` watches nothing.
    """

    def __init__(self, dispatcher: Dispatcher, most: int | None) -> None:
        super().__init__(_MEMORY_LOOK)
        self._dispatcher = dispatcher
        self._most = most

    async def begin(self) -> None:
        if self._most:
            await super().begin()

    def look(self, now: float) -> None:  # noqa: ARG002 - memory is looked at whatever the time
        """Recycle children that are too large.

        Args:
            now: monotonic seconds.
        """
        for child in list(self._dispatcher.children):
            if self._most and child.allotted and not child.is_spent and resident(child.pid) > self._most:
                self._dispatcher.recycle(child)


def resident(pid: int | None) -> int:
    """Resident memory of the process ``pid``, KiB; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * mmap.PAGESIZE // 1024
