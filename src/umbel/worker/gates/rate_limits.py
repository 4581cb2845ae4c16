"""Rate limits: so many starts of a task a second, or of those with the same key, in this worker. Those of all workers: `umbel.worker.gates.shared_rates`.

A token bucket for each limited task or key, of one token: starts are evenly spaced. Starts and not admissions count, so a limit holds where slots are scarce, too:
one message at a time is let through to the slots, and the next follows when that one has started. Others of the queue go past those that wait.

What would wait for longer than some seconds goes to the broker's delayed store until its turn is near. What is over a minute from its turn comes back from then
on, some at a time: more than this worker can run, for another one may have room, and few enough that moving them does not become the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from umbel.messages.task_keys import lease_name
from umbel.worker.gates.away import Away
from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Wait
from umbel.worker.gates.limit_keys import key_of
from umbel.worker.tasks.admission import NEAR
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: Seconds by which a start may be late and be made up for. Timers and slots are late by milliseconds, which would add up at 100 tasks a second.
SLACK = 0.05
#: Seconds after which what has passed and has not started is looked for.
LOOK = 1.0
#: Limits of which are remembered only those that still count, where there are very many keys.
MANY_KEYS = 1000


class _Bucket:
    """The rate of one task or key."""

    __slots__ = ("away", "interval", "looked_at", "open_at", "passed", "task")

    def __init__(self, task: str) -> None:
        self.task = task
        self.away = Away()
        #: Seconds between two starts.
        self.interval = 0.0
        #: When the next one may start, monotonic seconds.
        self.open_at = 0.0
        #: It may start, and has not; and when it passed, or was last looked for.
        self.passed: ReservedTask | None = None
        self.looked_at = 0.0


class RateLimits:
    """The gate of tasks with a `rate_limit` for each worker.

    Args:
        is_here: whether a task that has passed is still in this worker; it may have expired, or been handed back.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(self, is_here: Callable[[ReservedTask], bool]) -> None:
        self._is_here = is_here
        self._buckets: dict[str, _Bucket] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return task.policy.rate_limit is not None and not task.policy.is_rate_shared

    def ask(self, asked: Asked) -> Answer:
        rate = asked.task.policy.rate_limit
        if rate is None or not self.concerns(asked.task) or not asked.is_due:
            return PASS
        name = line_of(asked.task)
        bucket = self._buckets.get(name)
        if bucket is None:
            self._drop_idle(asked.now)
            bucket = self._buckets[name] = _Bucket(asked.task.task)
        bucket.interval = 1.0 / rate
        ahead, opens_in = asked.ahead(name), self._opens_in(bucket, asked.now)
        if not ahead and not opens_in:
            return PASS
        turn = opens_in + ahead * bucket.interval
        return Wait(name, WaitReason.RATE) if turn <= asked.near else bucket.away.later(turn, bucket.interval, asked)

    def _drop_idle(self, now: float) -> None:
        """Forget keys of which nothing is to be known any more. There may have been very many."""
        if len(self._buckets) >= MANY_KEYS:
            self._buckets = {
                name: bucket for name, bucket in self._buckets.items()
                if bucket.passed is not None or bucket.open_at > now - SLACK or bucket.away.last_turn > now
            }  # fmt: skip

    def forget(self, task: str) -> list[str]:
        """Its limit has changed: count anew. Returns the lines at which somebody may wait.

        Args:
            task: its name.
        """
        lines = [name for name, bucket in self._buckets.items() if bucket.task == task]
        for name in lines:
            del self._buckets[name]
        return lines

    def passed(self, asked: Asked) -> None:
        if self.concerns(asked.task):
            bucket = self._buckets[line_of(asked.task)]
            bucket.passed, bucket.looked_at = asked.task, asked.now

    def started(self, task: ReservedTask, now: float) -> None:
        bucket = self._buckets.get(line_of(task))
        if bucket is not None:
            bucket.passed = None
            bucket.open_at = max(bucket.open_at, now - SLACK) + bucket.interval

    def opens_in(self, line: str, now: float) -> float | None:
        bucket = self._buckets.get(line)
        if bucket is None:
            return None
        seconds = self._opens_in(bucket, now)
        return seconds if seconds <= NEAR else 0.0  # asked now, it goes to the delayed store

    def _opens_in(self, bucket: _Bucket, now: float) -> float:
        if bucket.passed is not None and now - bucket.looked_at >= LOOK:
            bucket.looked_at = now
            if not self._is_here(bucket.passed):
                bucket.passed = None
        left = max(0.0, bucket.open_at - now)
        return left if bucket.passed is None else max(left, bucket.looked_at + LOOK - now)


def line_of(task: ReservedTask) -> str:
    """Name the rate under which a message counts; also for all workers.

    Args:
        task: admitted.
    """
    return lease_name("rate", task.task, key_of(task, "rate", task.policy.rate_limit_key))
