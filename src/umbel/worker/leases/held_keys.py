"""The service that holds unique keys while their tasks run, and frees them at an end of which no child can tell.

A message that waits has its key for `TaskKeys.seconds`. When its task starts, the key is held for `duration` only, and renewed: should this worker be killed, it
is free after that. What goes back to its queue, and what is tried again, has its key for as long as any message that waits. A child that has run a task frees its
key before it stores the result (`umbel.execution.concluding.unique_keys`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from umbel import states
from umbel.brokers.base import Delivery
from umbel.execution.model import Verdict
from umbel.leases.base import Grant, Lease
from umbel.messages.task_keys import KEYS, NEWER, START, TaskKeys, lease_name, parse
from umbel.pools.base import Outcome
from umbel.runtime.service import Periodic
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.tasks.reserved import ReservedTask

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two looks for tasks that are here no more.
_LOOK = 1.0
#: Seconds for which a start waits for a lease store that is away, and an end of which no child can tell.
_PATIENCE = 5.0


class HeldKeys(Periodic):
    """Holds the unique keys of tasks that run.

    Args:
        keeper: talks to the lease store.
        is_here: whether a task that has started is still in this worker.
        duration: seconds for which a key is held after the last sign of life of its worker.
    """

    def __init__(self, keeper: LeaseKeeper, is_here: Callable[[ReservedTask], bool], duration: float) -> None:
        super().__init__(_LOOK)
        self._keeper = keeper
        self._is_here = is_here
        self._duration = duration
        self._held: dict[ReservedTask, tuple[str, TaskKeys]] = {}
        #: When they are renewed next, monotonic seconds.
        self._renew_at = 0.0

    def __bool__(self) -> bool:
        """Report whether there is any."""
        return bool(self._held)

    async def before_start(self, task: ReservedTask) -> None:
        """Free the key of a task that is about to start, or hold it from now on.

        Args:
            task: it has passed all gates.
        """
        keys = parse(task.delivery.headers.get(KEYS))
        if keys is None or not keys.unique or keys.until == NEWER:
            return
        name = lease_name("unique", task.task, keys.unique)
        if keys.until == START:
            self._keeper.give_up(Lease(name, task.id, 0.0))
        else:
            self._held[task] = name, keys
            self._keeper.ask(Lease(name, task.id, self._duration))
        if not await self._keeper.done(_PATIENCE):
            logger.error("Task %s[%s] starts, though the lease store could not be told of its unique key", task.task, task.id)

    def ended(self, ended: Iterable[tuple[ReservedTask, Outcome]]) -> None:
        """Let go the keys of tasks that have ended in children, which have freed them.

        Args:
            ended: tasks, some of them with keys, and how they ended.
        """
        for task, outcome in ended:
            if task not in self._held:
                continue
            if outcome.state == states.RETRY or outcome.verdict == Verdict.REQUEUE:
                self._goes_on(task)
            else:
                del self._held[task]

    def look(self, now: float) -> None:
        """Renew what is held, in time; let go what is here no more: it has gone back to its queue, or has ended otherwise.

        Args:
            now: monotonic seconds.
        """
        for task in [task for task in self._held if not self._is_here(task)]:
            self._goes_on(task)
        if now >= self._renew_at:
            self._renew_at = now + self._duration / 3
            for task, (name, _) in self._held.items():
                lease = Lease(name, task.id, self._duration)
                self._keeper.renew(lease, partial(self._renewed, task, lease))

    def _renewed(self, task: ReservedTask, lease: Lease, is_held: bool) -> None:
        """Take a key again that was lost while the lease store was away, if nobody has it."""
        if not is_held and task in self._held:
            self._keeper.ask(lease, partial(self._taken_again, task))

    def _taken_again(self, task: ReservedTask, grant: Grant) -> None:
        if not grant.is_held and task in self._held:
            del self._held[task]
            logger.warning(
                "Task %s[%s] runs on without its unique key: the lease was lost, and %s has it now", task.task, task.id, grant.other
            )

    def _goes_on(self, task: ReservedTask) -> None:
        """Let a message have its key as long as any that waits. Where the key has been freed, or is another's, nothing happens."""
        name, keys = self._held.pop(task)
        self._keeper.renew(Lease(name, task.id, keys.seconds))

    async def end(self) -> None:
        """Let go what is held: tasks that still run go back to their queue."""
        await super().end()
        for task in list(self._held):
            self._goes_on(task)


async def free_key(keeper: LeaseKeeper, delivery: Delivery) -> None:
    """Free the key of a message that is not run, or not again.

    Args:
        keeper: talks to the lease store.
        delivery: its headers may hold anything.
    """
    keys, task, task_id = parse(delivery.headers.get(KEYS)), delivery.headers.get("task"), delivery.headers.get("id")
    if keys is None or not keys.unique or keys.until == NEWER or not isinstance(task, str) or not isinstance(task_id, str):
        return
    keeper.give_up(Lease(lease_name("unique", task, keys.unique), task_id, 0.0))
    await keeper.done(_PATIENCE)
