"""Figures of a worker's tasks, counted where they end. Plain numbers: what is made of them is the business of `umbel.worker.monitoring.exposition`."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any, Final

from umbel import states
from umbel.brokers.base import Delivery
from umbel.pools.base import Outcome
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

#: Upper bounds of the classes of run times, seconds.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: Names of tasks and queues together that are told apart. Names come from messages, and memory must not grow with them.
MOST_NAMES: Final = 1000
#: Stands for all that come after.
OTHER: Final = "(other)"


class RunTimes:
    """Run times of one task, by class."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        #: Of each class of `BOUNDS`, and of longer ones.
        self.counts: list[int] = [0] * (len(BOUNDS) + 1)
        #: Seconds of all together.
        self.total: float = 0.0


class TaskMetrics:
    """Counts what happens to tasks. Written on the event loop; `dict` copies of it may be taken on any thread.

    Args:
        events: what happens to the worker's tasks.
    """

    def __init__(self, events: TaskEvents) -> None:
        #: Ends of tasks by (task, queue, state).
        self.ended: dict[tuple[str, str, str], int] = {}
        self.run_times: dict[str, RunTimes] = {}
        #: Messages that were delivered before, by queue.
        self.redelivered: defaultdict[str, int] = defaultdict(int)
        #: Messages that were moved to the dead letters, by reason.
        self.dead_lettered: defaultdict[str, int] = defaultdict(int)
        for event in events.endings.values():
            event.listen(self._ended, never_raises=True)
        events.received.listen(self._received, never_raises=True)
        events.failed_unreported.listen(lambda delivery, _error: self._ended_here(delivery, states.FAILURE), never_raises=True)
        events.expired.listen(lambda delivery: self._ended_here(delivery, states.EXPIRED), never_raises=True)
        events.revoked.listen(lambda delivery, _signum: self._ended_here(delivery, states.REVOKED), never_raises=True)
        events.dead_lettered.listen(self._dead_lettered, never_raises=True)

    def _ended(self, task: ReservedTask, outcome: Outcome) -> None:
        key = (task.task, task.delivery.queue, outcome.state)
        try:
            self.ended[key] += 1
        except KeyError:
            self._count(key)
        if outcome.started:
            times = self.run_times.get(task.task)
            if times is None:
                times = self.run_times.setdefault(task.task if len(self.run_times) < MOST_NAMES else OTHER, RunTimes())
            times.counts[bisect_left(BOUNDS, outcome.runtime)] += 1
            times.total += outcome.runtime

    def _count(self, key: tuple[str, str, str]) -> None:
        if key not in self.ended and len(self.ended) >= MOST_NAMES:
            key = (OTHER, OTHER, key[2])
        self.ended[key] = self.ended.get(key, 0) + 1

    def _ended_here(self, delivery: Delivery, state: str) -> None:
        name: Any = delivery.headers.get("task")
        self._count((name[:200] if isinstance(name, str) else OTHER, delivery.queue, state))

    def _received(self, task: ReservedTask) -> None:
        if task.delivery.redelivered:
            self.redelivered[task.delivery.queue] += 1

    def _dead_lettered(self, _delivery: Delivery, reason: str, _detail: str) -> None:
        self.dead_lettered[reason] += 1
