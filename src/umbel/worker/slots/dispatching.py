"""Dispatching: the ready queue, the slots, and taking back what waits behind a slow task.

One owner for three facts: what is ready, what each slot has been given, and what each task usually takes. Everything here runs on the event loop and
performs no I/O but `Slot.send`. To give a job out costs the same at ten slots and at a thousand; only what looks at everything (`relieve`, a stop) does not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

from umbel.brokers.base import Delivery
from umbel.pools.base import Outcome
from umbel.pools.slot import Child, JobTuple, Slot, join
from umbel.runtime.clock import SYSTEM
from umbel.worker.slots.free_slots import FreeSlots, single
from umbel.worker.slots.pipelining import LEAST, OVERDUE, OVERDUE_SHARED, QUICK, Pace, is_overdue, room
from umbel.worker.tasks.reserved import ReservedTask

#: Slots of one child over which quick jobs are spread: more do not run them any faster side by side, and a frame for each would cost more than its job.
_SIDE_BY_SIDE = 2


class Dispatcher:
    """Gives ready entries to slots.

    Args:
        before_run: awaited for an entry that is `early` or `careful` before it is sent: acknowledges it, or records its start.
        max_tasks: jobs after which a child takes no more and is recycled; ``None`` is no limit.
        recycle: told of a child that is to be replaced, and again when its jobs are done (`umbel.pools.base.Pool.recycle`).
        expired: told of an entry whose time passed while it waited.
        spawn: runs a coroutine beside the loop's other work.
    """

    def __init__(
        self,
        before_run: Callable[[ReservedTask], Awaitable[None]],
        max_tasks: int | None,
        recycle: Callable[[Child], None],
        expired: Callable[[ReservedTask], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.ready: deque[ReservedTask] = deque()
        self.pace: Pace = Pace()
        #: In the order in which they came.
        self.children: dict[Child, None] = {}
        self.is_open = True
        self._free = FreeSlots(max_tasks)
        self._before_run = before_run
        self._max_tasks = max_tasks
        self._recycle = recycle
        self._expired = expired
        self._spawn = spawn
        self._number = 0
        #: Entries that are being acknowledged. Whatever becomes of their slots, they are not ready before that has ended.
        self._underway: set[ReservedTask] = set()

    # what comes in

    def add_child(self, child: Child) -> None:
        """Give jobs to the slots of a ``child`` from now on."""
        self.children[child] = None
        for slot in child.slots:
            self._free.add(slot)
        self.pump()

    def remove_child(self, child: Child) -> bool:
        """Forget a ``child`` that is gone; returns whether it was known. The caller decides what becomes of what it had been given."""
        if child not in self.children:
            return False
        del self.children[child]
        self._free.remove(child)
        return True

    def offer(self, entries: Iterable[ReservedTask]) -> None:
        """Let ``entries`` run."""
        self.ready.extend(entries)
        self.pump()

    def put_back(self, entries: Iterable[ReservedTask]) -> None:
        """Put ``entries`` before all others; what is being acknowledged follows when that has ended."""
        self.ready.extendleft(reversed([entry for entry in entries if entry not in self._underway]))

    def finished(self, child: Child, outcomes: list[Outcome]) -> list[tuple[ReservedTask, Outcome]]:
        """Match the ``outcomes`` of a ``child`` with their entries; unknown numbers are passed over."""
        ended: list[tuple[ReservedTask, Outcome]] = []
        if child not in self.children:
            return ended
        slots, learn = child.slots, self.pace.learn
        for slot, those in ((slots[0], outcomes),) if len(slots) == 1 else _by_slot(slots, outcomes):
            given = slot.given
            for outcome in those:
                entry = given.pop(outcome.number, None)
                if entry is not None:
                    learn(entry.task, outcome.runtime)
                    ended.append((entry, outcome))
            slot.is_stalled = False
            self._free.place(slot)
        child.served += len(ended)
        if child.is_spent or (self._max_tasks and child.served >= self._max_tasks):
            self.recycle(child)
        return ended

    def recycle(self, child: Child) -> None:
        """Replace a ``child``, now if it is idle, else when its jobs are done."""
        knows = child.is_spent
        self._recycle(child)
        if not knows:
            for slot in child.slots:
                self._free.place(slot)

    def vacate(self, child: Child) -> None:
        """Replace a ``child`` as `recycle` does, and give what it has not begun to others."""
        self.recycle(child)
        for slot in child.slots:
            self._reclaim(slot)
        self.pump()

    # giving

    def pump(self) -> None:
        """Give out what can be given; once closed, only what is acknowledged and cannot be handed back."""
        ready, free = self.ready, self._free
        if not ready:
            return
        if not self.is_open:
            self._give_acknowledged()
            return
        left = min(free.taking, _SIDE_BY_SIDE * len(self.children))
        if left and ready[0].expires is not None:
            self._drop_expired()
        given = []
        while ready and (slot := free.take_idle()) is not None:
            given.append(slot)
            head = ready[0]
            if head.early or head.careful:
                self._give_carefully(slot, self._next_batch())
            else:
                count = min(room(self.pace.usual(head.task), 0), -(-len(ready) // max(1, left)))
                self._give(slot, count if self._max_tasks is None else min(count, free.quota(slot.child)))
            if ready and ready[0].expires is not None:
                self._drop_expired()
            left -= 1
        if ready and free.roomy:
            self._top_up(given, left)
        for slot in given:
            free.place(slot)

    def _drop_expired(self) -> None:
        ready = self.ready
        while ready and _is_late(ready[0]):
            self._expired(ready.popleft())

    def _top_up(self, given: list[Slot], left: int) -> None:
        """Queue quick jobs behind others. What has no room for many of them gets none, and whoever has more jobs has less room."""
        ready, free = self.ready, self._free
        while ready:
            head = ready[0]
            usual = self.pace.usual(head.task)
            if head.early or head.careful or room(usual, 1) < LEAST or (slot := free.take_roomy()) is None:
                return
            given.append(slot)
            count = room(usual, len(slot.given))
            if count < LEAST:
                return
            self._give(slot, min(count, free.quota(slot.child), -(-len(ready) // max(1, left))))
            if ready and ready[0].expires is not None:
                self._drop_expired()
            left -= 1

    def _give(self, slot: Slot, count: int) -> None:
        ready, usual, given = self.ready, self.pace.usual, slot.given
        number = self._number
        jobs: list[JobTuple] = []
        while count > 0 and ready:
            entry = ready[0]
            if entry.early or entry.careful or (jobs and ((usual(entry.task) or 1.0) > QUICK or _is_late(entry, within=1.0))):
                break
            ready.popleft()
            number += 1
            entry.number = number
            entry.slot = slot
            given[number] = entry
            jobs.append(entry.job())
            count -= 1
        self._number = slot.last = number
        if jobs:
            child = slot.child
            child.allotted += len(jobs)
            child.send(slot.index, jobs)
            if self._max_tasks is not None:
                self._spend(child)

    def _spend(self, child: Child) -> None:
        """Have a shared child that has had its last job replaced now: the others of its jobs may take long, and its slots would be idle."""
        if child.is_shared and not child.is_spent and self._free.quota(child) <= 0:
            self.recycle(child)

    def _give_acknowledged(self) -> None:
        for entry in [entry for entry in self.ready if entry.acked]:
            slot = self._free.take_idle()
            if slot is None:
                return
            self.ready.remove(entry)
            self._give_carefully(slot, [entry])
            self._free.place(slot)

    def _next_batch(self) -> list[ReservedTask]:
        """Take the first that is ready, with those that run together with it."""
        ready = self.ready
        batch = [ready.popleft()]
        task, size = batch[0].task, batch[0].policy.batch_size or 1
        if not batch[0].delivery.attempts:  # else it runs alone: its child has died
            while ready and len(batch) < size and ready[0].task == task and not (ready[0].delivery.attempts or _is_late(ready[0])):
                batch.append(ready.popleft())
        return batch

    def _give_carefully(self, slot: Slot, entries: list[ReservedTask]) -> None:
        """Reserve the slot, do what comes before the run, then send."""
        for entry in entries:
            self._number += 1
            entry.number = slot.last = self._number
            entry.slot = slot
            slot.given[entry.number] = entry
        slot.is_single = True
        slot.child.allotted += len(entries)
        if self._max_tasks is not None:
            self._spend(slot.child)
        if len(entries) > 1:
            self._spawn(self._send_together(slot, entries))
            return
        (entry,) = entries
        if entry.early:
            self._underway.add(entry)
        self._spawn(self._send_carefully(slot, entry))

    async def _send_together(self, slot: Slot, entries: list[ReservedTask]) -> None:
        """Do what comes before each of a batch, then send those that are still here. None of them is acknowledged early."""
        numbers = {entry: entry.number for entry in entries}

        def there() -> list[ReservedTask]:
            return [entry for entry, number in numbers.items() if slot.child in self.children and slot.given.get(number) is entry]

        try:
            for entry in entries:
                await self._before_run(entry)
        except Exception:
            left = there()
            self._take_out(slot, left)
            self.put_back(entry for entry in left if not entry.lost)
            raise
        self._take_out(slot, [entry for entry in there() if entry.lost])
        if jobs := [entry.job() for entry in there()]:
            slot.send([join(jobs)])
        else:
            self.pump()

    async def _send_carefully(self, slot: Slot, entry: ReservedTask) -> None:
        number = entry.number

        def is_there() -> bool:
            return slot.given.get(number) is entry and slot.child in self.children

        try:
            if not entry.acked:
                await self._before_run(entry)
        except Exception:
            is_ours = is_there() or entry in self._underway
            self._underway.discard(entry)
            if is_there():
                self._take_out(slot, [entry])
            if is_ours and not entry.lost:
                self.put_back([entry])
            raise
        if not is_there():
            if entry in self._underway:  # its slot has died, or its delivery was lost
                self._underway.remove(entry)
                if not entry.lost:
                    self.put_back([entry])
                    self.pump()
            return
        self._underway.discard(entry)
        if entry.lost:  # it will come again; to run it now as well would be once too often
            self._take_out(slot, [entry])
            self.pump()
        else:
            slot.send([entry.job()])

    def _take_out(self, slot: Slot, entries: list[ReservedTask]) -> None:
        """A slot does not have these any more."""
        for entry in entries:
            del slot.given[entry.number]
        slot.child.allotted -= len(entries)
        self._free.place(slot)
        if slot.child.is_spent:
            self.recycle(slot.child)  # it may have been the last

    # taking back

    def relieve(self, now: float) -> float:
        """Take back what waits behind jobs that run longer than such jobs should.

        Args:
            now: monotonic seconds.

        Returns:
            Seconds for which all slots have been running what they run now; 0 when one is free, or about to begin.
        """
        jammed = math.inf if self.children else 0.0
        for slot in self.slots():
            number, since = slot.current() if slot.given else (0, now)
            jammed = min(jammed, now - since if number else 0.0)
            if not number or slot.is_stalled:
                continue
            usual = self.pace.usual(slot.given[number].task) if number in slot.given else None
            if is_overdue(now - since, usual, OVERDUE_SHARED if slot.child.is_shared else OVERDUE):
                slot.is_stalled = True
                if len(slot.given) > 1:
                    self._reclaim(slot)
                self._free.place(slot)
        self.pump()
        return jammed

    def reclaim_all(self) -> list[ReservedTask]:
        """Take back everything that has not started, everywhere, and return what may be handed back; it is the caller's now."""
        for slot in self.slots():
            self._reclaim(slot)
        return self._surrender()

    def _surrender(self) -> list[ReservedTask]:
        surrendered = [entry for entry in self.ready if not entry.acked]
        self.ready = deque(entry for entry in self.ready if entry.acked)
        return surrendered

    def _reclaim(self, slot: Slot) -> None:
        entry = single(slot)
        if not slot.given or (entry is not None and entry.early):  # acknowledged, or as good as
            return
        started = slot.take_back()
        if started is None:
            return
        entries = [entry for number, entry in slot.given.items() if number > started]
        if entries:
            self._take_out(slot, entries)
            self.put_back(entries)

    def reclaim_waiting(self) -> list[ReservedTask]:
        """`reclaim_all`, but only what waits behind a running job.

        A slot that runs nothing is about to begin: its first job may be large, and would be taken away for ever again.
        """
        for slot in self.slots():
            if slot.given and slot.current()[0]:
                self._reclaim(slot)
        return self._surrender()

    def withdraw(self, lost: set[Delivery]) -> list[ReservedTask]:
        """Forget entries whose deliveries are ``lost``, unless they run already; returns those that run."""
        for slot in self.slots():
            self._reclaim(slot)
            entry = single(slot)
            if entry is not None and entry.early and not entry.acked and entry.delivery in lost:
                self._take_out(slot, [entry])  # it has yet to be acknowledged, and to be sent
                entry.lost = True
        self.ready = deque(entry for entry in self.ready if entry.delivery not in lost)
        running = []
        for entry in self.running():
            if entry.delivery in lost:
                entry.lost = True
                running.append(entry)
        return running

    def take(self, entry: ReservedTask) -> bool:
        """Take back one ``entry`` that has not started; returns whether it is the caller's now."""
        if entry.slot is not None and self.is_given(entry):
            self._reclaim(entry.slot)
        is_ready = entry in self.ready
        if is_ready:
            self.ready.remove(entry)
        self.pump()
        return is_ready

    # looking

    def holds(self, entry: ReservedTask) -> bool:
        """True when an ``entry`` is ready, or with a slot."""
        return self.is_given(entry) or entry in self.ready

    def is_given(self, entry: ReservedTask) -> bool:
        """True when a slot has an ``entry``."""
        slot = entry.slot
        return slot is not None and slot.child in self.children and slot.given.get(entry.number) is entry

    def slots(self) -> Iterator[Slot]:
        """All slots."""
        for child in list(self.children):
            yield from child.slots

    def running(self) -> Iterator[ReservedTask]:
        """The entries that slots have been given and that have not ended."""
        for slot in self.slots():
            yield from slot.given.values()

    @property
    def outstanding(self) -> int:
        """The number of entries that slots have."""
        return sum(len(slot.given) for slot in self.slots())

    @property
    def is_running(self) -> bool:
        """True when a task runs. One that has ended and whose result is being stored does not."""
        return any(slot.given and slot.current()[0] for slot in self.slots())

    @property
    def early(self) -> int:
        """The number of those that were acknowledged before they ran."""
        return sum(entry.early for entry in self.running())

    @property
    def lost(self) -> int:
        """The number of those whose messages went with the broker's connection, and that were not acknowledged before."""
        return sum(entry.lost and not entry.early for entry in self.running())

    @property
    def is_done(self) -> bool:
        """True when nothing is left that must end here."""
        return not self.outstanding and not self._underway and not any(entry.acked for entry in self.ready)

    @property
    def is_full(self) -> bool:
        """True when every slot is busy."""
        return all(slot.given or not slot.child.is_ready for slot in self.slots())


def _by_slot(slots: Sequence[Slot], outcomes: Iterable[Outcome]) -> list[tuple[Slot, list[Outcome]]]:
    parts: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        parts.setdefault(outcome.slot, []).append(outcome)
    return [(slots[place], those) for place, those in parts.items()]


def _is_late(entry: ReservedTask, within: float = 0.0) -> bool:
    return entry.expires is not None and entry.expires <= SYSTEM.now() + within
