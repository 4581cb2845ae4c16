"""Slots that may be given jobs: the idle ones, and busy ones by how little they have. Every step costs the same, however many there are."""

from __future__ import annotations

from collections import deque

from umbel.pools.slot import Child, Slot
from umbel.worker.slots.pipelining import LEAST, MOST
from umbel.worker.tasks.reserved import ReservedTask

#: A slot with more jobs than this has no room for `LEAST` more.
_FULL = MOST - LEAST


class FreeSlots:
    """Slots in the order in which they are given jobs.

    A slot is put where it belongs by `place`, whenever something about it has changed. An idle one that may be given nothing any more (its child
    has died, say) is passed over when its turn comes.

    Args:
        max_tasks: jobs after which a child takes no more; ``None`` is no limit.
    """

    def __init__(self, max_tasks: int | None) -> None:
        #: Slots that take jobs, the full ones included.
        self.taking: int = 0
        #: Slots that are busy, and have room for `LEAST` more jobs.
        self.roomy: int = 0
        self._max_tasks = max_tasks
        #: The next to be given a job is first. Who has just become idle comes first: its caches are warm.
        self._idle: deque[Slot] = deque()
        #: Busy slots by the number of jobs that they have.
        self._levels: list[dict[Slot, None]] = [{} for _ in range(_FULL + 1)]

    def add(self, slot: Slot) -> None:
        """Put a new ``slot`` behind all others."""
        slot.is_listed = True
        self._idle.append(slot)
        self.place(slot)

    def remove(self, child: Child) -> None:
        """Forget the slots of a ``child``."""
        for slot in child.slots:
            if slot.level:
                del self._levels[slot.level][slot]
                slot.level = 0
                self.roomy -= 1
            self.taking -= slot.is_counted
            slot.is_counted = slot.is_listed = False
        self._idle = deque(slot for slot in self._idle if slot.child is not child)

    def place(self, slot: Slot) -> None:
        """Put a ``slot`` where it belongs now."""
        level, load, child = slot.level, len(slot.given), slot.child
        if level:
            del self._levels[level][slot]
            slot.level = 0
            self.roomy -= 1
        if not load:
            slot.is_single = False
        if not child.is_ready or child.is_spent or slot.is_stalled:  # it takes no more
            self.taking -= slot.is_counted
            slot.is_counted = False
            return
        if not slot.is_counted:
            slot.is_counted = True
            self.taking += 1
        if not load:
            if not slot.is_listed and (self._max_tasks is None or self.quota(child) > 0):
                slot.is_listed = True
                self._idle.appendleft(slot)
        elif load <= _FULL and not slot.is_single and (self._max_tasks is None or self.quota(child) >= LEAST):
            slot.level = load
            self._levels[load][slot] = None
            self.roomy += 1

    def take_idle(self) -> Slot | None:
        """The next idle slot, which must be placed again."""
        idle = self._idle
        while idle:
            slot = idle.popleft()
            slot.is_listed = False
            child = slot.child
            if child.is_ready and not child.is_spent:
                return slot
            self.place(slot)
        return None

    def take_roomy(self) -> Slot | None:
        """The slot with the fewest jobs of those that are busy and have room, which must be placed again."""
        for level in self._levels:
            while level:
                slot, _ = level.popitem()
                slot.level = 0
                self.roomy -= 1
                if slot.takes_more:
                    return slot
                self.place(slot)
        return None

    def quota(self, child: Child) -> int:
        """The number of jobs that a ``child`` may still be given before it is replaced."""
        return MOST if self._max_tasks is None else self._max_tasks - child.allotted


def single(slot: Slot) -> ReservedTask | None:
    """The job of a ``slot`` around which nothing is queued, if it has such a one."""
    return next(iter(slot.given.values()), None) if slot.is_single else None
