"""Handles what children report: readiness, outcomes, and their deaths."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from umbel.errors import TimeLimitExceeded, WorkerLostError
from umbel.execution.model import Verdict
from umbel.pools.base import Outcome, Pool
from umbel.pools.slot import Child
from umbel.reasons import DeadReason
from umbel.worker.slots.child_death import Fate, fate, sort_out
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import EndReason, ReservedTask

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Children that may fail to load the app, one after the other, before the worker gives up.
_MOST_FAILURES = 3
#: The signal that ends a child at once.
_KILL = 9


class Held(Protocol):
    """Something that is held for tasks while they run; see `umbel.worker.leases`."""

    def __bool__(self) -> bool:
        """Report whether there is anything."""

    def ended(self, ended: Iterable[tuple[ReservedTask, Outcome]]) -> None:
        """Let go what was held for tasks that have ``ended``."""


class Supervisor:
    """The worker's side of its pool (`pools.base.PoolListener`).

    Args:
        dispatcher: gives jobs to the children.
        acknowledger: settles messages.
        limits: forget children that are gone.
        events: told of what was lost.
        held: what is held while tasks run.
        pool: starts another child where one has died.
        max_deliveries: deaths after which a message is dead-lettered; 0 is no limit.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        acknowledger: Acknowledger,
        limits: TimeLimits,
        events: TaskEvents,
        held: Sequence[Held],
        pool: Pool,
        max_deliveries: int,
    ) -> None:
        self.first_ready: asyncio.Event = asyncio.Event()
        self.all_gone: asyncio.Event = asyncio.Event()
        #: Why no child can be started, once that is clear.
        self.startup_error: str = ""
        self._dispatcher = dispatcher
        self._acknowledger = acknowledger
        self._limits = limits
        self._events = events
        self._held = held
        self._pool = pool
        self._max_deliveries = max_deliveries
        self._failures = 0
        #: Deaths of children that nobody had asked for, by cause.
        self.deaths: Counter[str] = Counter()

    # pools.base.PoolListener

    def on_ready(self, child: Child) -> None:
        """Give jobs to a ``child`` that is ready."""
        self._failures = 0
        self.first_ready.set()
        self._dispatcher.add_child(child)

    def on_outcomes(self, child: Child, outcomes: list[Outcome]) -> None:
        """Settle what has ended in a ``child``, by its ``outcomes``."""
        ended = self._dispatcher.finished(child, outcomes)
        for each in self._held:
            if each:
                each.ended(ended)
        self._acknowledger.settle(self._without_cut_off(ended) if child.is_shared else ended)
        self._dispatcher.pump()

    def _without_cut_off(self, ended: list[tuple[ReservedTask, Outcome]]) -> list[tuple[ReservedTask, Outcome]]:
        """Decide on those that were cut off in a child that lives on; returns the others."""
        whole = []
        for entry, outcome in ended:
            if outcome.verdict == Verdict.CUT_OFF:
                self._end_blamed(entry, outcome.detail)
            else:
                whole.append((entry, outcome))
        return whole

    def on_death(self, child: Child, cause: str) -> None:
        """Decide what becomes of the jobs of a dead ``child``, and have another take its place; ``cause`` is for the log."""
        was_ready = self._dispatcher.remove_child(child)
        self._limits.forget(child)
        if not child.is_spent and not self._pool.is_closing:
            self.deaths[cause] += 1
        if was_ready:
            self._sort_out(child, cause)
        elif not self._pool.is_closing:
            self._count_failure(cause)
        self._pool.replace(child)
        if self._pool.is_empty:
            self.all_gone.set()

    def _count_failure(self, cause: str) -> None:
        self._failures += 1
        logger.error("A child could not start: %s", cause)
        if self._failures >= _MOST_FAILURES and not self.first_ready.is_set():
            self.startup_error = cause
            self.first_ready.set()

    def _sort_out(self, child: Child, cause: str) -> None:
        loss = sort_out(child)
        for entry in loss.blamed:
            self._end_blamed(entry, cause)
        self._dispatcher.put_back(entry for entry in (*loss.unreported, *loss.waiting) if not entry.lost)
        self._dispatcher.pump()

    def _end_blamed(self, entry: ReservedTask, cause: str) -> None:
        verdict = fate(entry, self._max_deliveries)
        if verdict is Fate.REVOKE:
            self._acknowledger.revoke(entry, signum=entry.signum or _KILL)
            return
        timed_out = entry.end_reason is EndReason.TIME_LIMIT
        error = TimeLimitExceeded(entry.hard) if timed_out else WorkerLostError(f"Worker exited prematurely: {cause}.")
        if not timed_out:
            self._events.lost(entry, cause, verdict.value)
        if verdict is Fate.FAIL:
            self._acknowledger.fail(entry, error)
        elif entry.lost:
            return  # the broker has it already
        elif verdict is Fate.REDELIVER:
            self._acknowledger.redeliver(entry)
        else:
            self._acknowledger.dead_letter(
                entry.delivery, DeadReason.TIME_LIMIT if timed_out else DeadReason.WORKER_LOST, str(error), error
            )
