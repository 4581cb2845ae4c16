"""The service that holds places under concurrency limits while tasks run, renews them, and gives them up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from umbel.leases.base import Grant, Lease
from umbel.pools.base import Outcome
from umbel.runtime.service import Periodic
from umbel.worker.gates.concurrency import ConcurrencyLimits
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.tasks.reserved import ReservedTask

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two looks for tasks that are here no more.
_LOOK = 0.5


class HeldPlaces(Periodic):
    """Holds the places of tasks.

    Args:
        keeper: talks to the lease store.
        is_here: whether a task that has passed is still in this worker.
        gate: that has asked for them.
        duration: seconds for which a place is held after the last sign of life of its worker.
    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        is_here: Callable[[ReservedTask], bool],
        gate: ConcurrencyLimits,
        duration: float,
    ) -> None:
        super().__init__(_LOOK)
        self._keeper = keeper
        self._is_here = is_here
        self._gate = gate
        self._duration = duration
        self._held: dict[ReservedTask, Lease] = {}
        #: Those that were lost while the store was away, and of which that was told.
        self._told: set[ReservedTask] = set()
        self._renew_at = 0.0

    def __bool__(self) -> bool:
        """Report whether there is any."""
        return bool(self._held)

    def hold(self, task: ReservedTask, lease: Lease) -> None:
        """Hold a place from now on.

        Args:
            task: that has passed.
            lease: its place.
        """
        self._held[task] = lease

    def ended(self, ended: Iterable[tuple[ReservedTask, Outcome]]) -> None:
        """Give up the places of tasks that have ended in children.

        Args:
            ended: tasks, some of them with places, and how they ended.
        """
        for task, _ in ended:
            if task in self._held:
                self._give_up(task)

    def look(self, now: float) -> None:
        """Renew what is held, in time; give up the places of tasks that are here no more.

        Args:
            now: monotonic seconds.
        """
        for task in [task for task in self._held if not self._is_here(task)]:
            self._give_up(task)
        self._gate.look(now)
        if now >= self._renew_at:
            self._renew_at = now + self._duration / 3
            for task, lease in self._held.items():
                self._keeper.renew(lease, partial(self._renewed, task, lease))

    def _give_up(self, task: ReservedTask) -> None:
        lease = self._held.pop(task)
        self._told.discard(task)
        self._keeper.give_up(lease)
        self._gate.freed(lease.name)

    def _renewed(self, task: ReservedTask, lease: Lease, is_held: bool) -> None:
        """Take a place again that was lost while the lease store was away, if there is one."""
        if not is_held and task in self._held:
            self._keeper.ask(lease, partial(self._taken_again, task, lease))

    def _taken_again(self, task: ReservedTask, lease: Lease, grant: Grant) -> None:
        if task not in self._held:
            if grant.is_held:
                self._keeper.give_up(lease)
        elif not grant.is_held and task not in self._told:
            self._told.add(task)
            logger.warning(
                "Task %s[%s] runs beyond the limit of %d: its place was lost while the lease store was away",
                task.task,
                task.id,
                lease.limit,
            )

    async def end(self) -> None:
        """Give up all: what still runs goes back to its queue."""
        await super().end()
        self._gate.close()
        for task in list(self._held):
            self._keeper.give_up(self._held.pop(task))
