"""The number of unsettled messages that a worker asks for.

Too few and children wait for the broker; too many and messages wait in one worker while another is idle. So the window follows the measured
rate: enough for a tenth of a second. Slow tasks get no reserve at all: one message per slot, fetched when the slot is free. Few slow tasks among
many quick ones count as slow: the mean says for how long a message that waits behind them is kept from other workers.
"""

from __future__ import annotations

import math
from typing import Protocol

from umbel.brokers.base import Consumer
from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Periodic
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK
from umbel.worker.slots.pipelining import OVERDUE

#: Seconds of work to have at hand.
REACH = 0.1
#: Unsettled messages, at most.
CEILING = 2000
#: Completions per second and slot below which nothing is kept in reserve.
SLOW = 5.0
#: Seconds that a task takes in the mean above which nothing is kept in reserve.
LONG = 0.010
#: Seconds over which that mean is taken: slow tasks may be rare.
_MEMORY = 5.0
#: Seconds with every slot busy or yet to come and nothing completed, after which what waits here is handed back for other workers.
_NO_PROGRESS = 0.25
#: Seconds between two looks for jobs that hold others up, while something runs.
_RELIEF = 0.01
#: Room in the window for more messages that are not due, while such messages come.
_MOST_EARLY = 1000


def window(slots: int, rate: float, *, runtime: float = 0.0, multiplier: int | None, held: int) -> int:
    """The number of unsettled messages to allow.

    Args:
        slots: jobs at a time.
        rate: completions per second, lately.
        runtime: what a task took lately, a mean in seconds.
        multiplier: the user's fixed number per slot; ``None`` follows the rate, 0 is no limit.
        held: messages that wait in memory for their time; they need room of their own.
    """
    if multiplier is not None:
        return (slots * multiplier if multiplier else 65_535) + held
    reserve = 0 if rate < SLOW * slots or runtime > LONG else math.ceil(rate * REACH)
    return min(CEILING, slots + reserve) + held


def had_better_go(count: int, jammed: float, runtime: float) -> bool:
    """Decide that messages which wait here had better go to another worker at once.

    Only where tasks are slow in the mean: then there are few, and they may wait for long. Where tasks are quick there are hundreds, a slot is free in
    a moment, and to hand them back and have them delivered again, as messages that were out before, costs several times what they would wait.

    Args:
        count: how many wait.
        jammed: for how long no slot has become free, seconds.
        runtime: what a task took lately, a mean in seconds.
    """
    return count > 0 and runtime > LONG and jammed > OVERDUE


class Rate:
    """Completions per second, a mean over about half a second; and what one of them took, a mean over some seconds.

    Args:
        now: monotonic seconds.
    """

    __slots__ = ("_completions", "_last", "_worked", "value")

    def __init__(self, now: float) -> None:
        self._last = now
        self.value: float = 0.0
        self._completions = 0.0
        self._worked = 0.0

    @property
    def runtime(self) -> float:
        """Seconds that a task took in the mean; 0 when none was seen."""
        return self._worked / self._completions if self._completions else 0.0

    def tick(self, completions: int, worked: float, now: float) -> None:
        """Note what was completed since the last tick.

        Args:
            completions: how many tasks.
            worked: seconds that they took together.
            now: monotonic seconds.
        """
        passed = now - self._last
        if passed <= 0:
            return
        weight = min(1.0, passed / 0.25)
        self.value += (completions / passed - self.value) * weight
        kept = math.exp(-passed / _MEMORY)
        self._completions = self._completions * kept + completions
        self._worked = self._worked * kept + worked
        self._last = now


class Reservations(Protocol):
    """Messages that are here and take no slot; see `umbel.worker.intake.Intake`."""

    moving: int
    postponed: int

    @property
    def held(self) -> int: ...


class Slots(Protocol):
    """The number of slots that there are to be; see `umbel.pools.base.Pool`."""

    slots: int


class Completions(Protocol):
    """Tasks that have ended; see `umbel.worker.tasks.acknowledging.Acknowledger`."""

    completed: int
    worked: float

    @property
    def room_aside(self) -> int: ...


class Prefetch(Periodic):
    """Sets the consumer's window.

    Args:
        pool: says how many slots there are.
        multiplier: unsettled messages per slot; ``None`` follows the rate, 0 is no limit.
        reduces: less is fetched while tasks run whose messages went with the broker's connection; without a multiplier that is always so.
        one_per_slot: no message without a free slot, acknowledged early or not.
        dispatcher: knows what runs.
        consumer: whose window it is.
        reservations: messages that are here and take no slot.
        completions: tasks that have ended.
    """

    def __init__(
        self,
        pool: Slots,
        multiplier: int | None,
        dispatcher: Dispatcher,
        consumer: Consumer,
        reservations: Reservations,
        completions: Completions,
        *,
        one_per_slot: bool,
        reduces: bool = True,
    ) -> None:
        super().__init__(LOOK)
        self._reduces = reduces
        self.rate: Rate = Rate(SYSTEM.monotonic())
        self._pool = pool
        self._multiplier = multiplier
        self._one_per_slot = one_per_slot
        self._dispatcher = dispatcher
        self._consumer = consumer
        self._reservations = reservations
        self._completions = completions
        #: What was completed, and how long it took, at the last look.
        self._seen = (0, 0.0)
        #: How many messages were held, and how many had been postponed, at the last look.
        self._early_before = (0, 0)
        self._progress_at = SYSTEM.monotonic()
        #: Unsettled messages that were allowed last.
        self.allowed: int = 0

    @property
    def follows_rate(self) -> bool:
        """True when the window is ours to choose."""
        return self._multiplier is None

    async def begin(self) -> None:
        self.rate = Rate(SYSTEM.monotonic())
        self._progress_at = SYSTEM.monotonic()
        self.interval = _RELIEF  # until the first look the window is that of slow tasks
        await super().begin()

    async def end(self) -> None:
        await super().end()
        self._allow(0)

    def look(self, now: float) -> None:
        self.interval = LOOK
        if not self._dispatcher.is_open:  # the worker stops, and other services may take a while to do so
            self._allow(0)
            return
        completed, worked = self._completions.completed, self._completions.worked
        done, took = completed - self._seen[0], worked - self._seen[1]
        self._seen = completed, worked
        self.rate.tick(done, took, now)
        if done or not self._dispatcher.is_full:
            self._progress_at = now
        if now - self._progress_at >= _NO_PROGRESS and self.follows_rate:
            self.hand_back()
        else:
            self._allow(self.window())

    def window(self) -> int:
        """Unsettled messages to allow now. What runs acknowledged already, or was lost, takes a slot without being unsettled."""
        extra = self._extra()
        wanted = window(self._pool.slots, self.rate.value, runtime=self.rate.runtime, multiplier=self._multiplier, held=extra)
        if self._one_per_slot or self.follows_rate:
            return max(extra, wanted - self._dispatcher.early - self._dispatcher.lost)
        if self._reduces and self._multiplier:
            return max(self._multiplier + extra, wanted - self._multiplier * self._dispatcher.lost)
        return wanted

    def hand_back(self) -> None:
        """Every slot is busy with long tasks, or has yet to come: give what waits here to other workers, and fetch no more of it."""
        waiting = self._dispatcher.reclaim_waiting()
        self._allow(self._dispatcher.outstanding - self._dispatcher.early - self._dispatcher.lost + self._extra())
        if waiting:
            self._consumer.requeue(entry.delivery for entry in waiting if not entry.lost)

    def _allow(self, size: int) -> None:
        self.allowed = size
        self._consumer.set_window(size)

    def _extra(self) -> int:
        """Room for messages that are not due, and for those that cannot be moved."""
        held, postponed = self._reservations.held, self._reservations.postponed
        held_before, postponed_before = self._early_before
        self._early_before = held, postponed
        came = self._reservations.moving + postponed - postponed_before + max(0, held - held_before)
        return held + min(_MOST_EARLY, 2 * came) + self._completions.room_aside


class Rebalancing(Periodic):
    """Takes back what waits behind a job that runs longer than such jobs should; where all slots run such jobs, other workers get it.

    Args:
        dispatcher: takes it back.
        prefetch: hands it back.
    """

    interval: float

    def __init__(self, dispatcher: Dispatcher, prefetch: Prefetch) -> None:
        super().__init__(LOOK)
        self._dispatcher = dispatcher
        self._prefetch = prefetch

    def look(self, now: float) -> None:
        jammed = self._dispatcher.relieve(now)
        if self._prefetch.follows_rate and had_better_go(len(self._dispatcher.ready), jammed, self._prefetch.rate.runtime):
            self._prefetch.hand_back()
        self.interval = _RELIEF if self._dispatcher.outstanding else LOOK
