"""Rate limits: so many starts of a task a second, in this worker.

A token bucket for each limited task, of one token: starts are evenly spaced. Starts and not admissions count, so a limit holds where slots are scarce, too:
one message at a time is let through to the slots, and the next follows when that one has started. Others of the queue go past those that wait.

What would wait for longer than some seconds goes to the broker's delayed store until its turn is near. What is over a minute from its turn comes back from then
on, some at a time: more than this worker can run, for another one may have room, and few enough that moving them does not become the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Later, Wait
from umbel.worker.tasks.admission import NEAR
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: Seconds by which a start may be late and be made up for. Timers and slots are late by milliseconds, which would add up at 100 tasks a second.
SLACK = 0.05
#: Seconds after which what has passed and has not started is looked for.
LOOK = 1.0
#: Seconds from its turn above which a message does not wait for its turn in the delayed store, but comes back to be asked again.
FAR = 60.0
#: Seconds between two of those that come back, at most.
RETURN = 0.01
#: Seconds for which a message goes to the delayed store, at least.
LEAST_AWAY = 1.0


class _Bucket:
    """The rate of one task."""

    __slots__ = ("interval", "last_far", "last_turn", "looked_at", "open_at", "passed")

    def __init__(self) -> None:
        #: Seconds between two starts.
        self.interval = 0.0
        #: When the next one may start, monotonic seconds.
        self.open_at = 0.0
        #: It may start, and has not; and when it passed, or was last looked for.
        self.passed: ReservedTask | None = None
        self.looked_at = 0.0
        #: When the last of those that wait for their turn in the delayed store has it, as far as that can be foreseen.
        self.last_turn = 0.0
        #: When the last of those that are far from it comes back.
        self.last_far = 0.0


class RateLimits:
    """The gate of tasks with a `rate_limit`.

    Args:
        is_here: whether a task that has passed is still in this worker; it may have expired, or been handed back.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(self, is_here: Callable[[ReservedTask], bool]) -> None:
        self._is_here = is_here
        self._buckets: dict[str, _Bucket] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return task.policy.rate_limit is not None

    def ask(self, asked: Asked) -> Answer:
        rate = asked.task.policy.rate_limit
        if rate is None or not asked.is_due:
            return PASS
        bucket = self._buckets.setdefault(asked.task.task, _Bucket())
        bucket.interval = 1.0 / rate
        ahead, opens_in = asked.ahead(asked.task.task), self._opens_in(bucket, asked.now)
        if not ahead and not opens_in:
            return PASS
        turn = opens_in + ahead * bucket.interval
        return Wait(asked.task.task, WaitReason.RATE) if turn <= asked.near else self._later(bucket, turn, asked)

    def _later(self, bucket: _Bucket, turn: float, asked: Asked) -> Later:
        """Send it away, behind those that were sent away before."""
        turn = max(asked.now + turn, bucket.last_turn + bucket.interval)
        if turn - asked.now <= FAR:
            bucket.last_turn = turn
            return Later(max(LEAST_AWAY, turn - asked.now - asked.near / 2))
        bucket.last_far = max(asked.now + FAR, bucket.last_far + min(RETURN, bucket.interval / 2))
        return Later(bucket.last_far - asked.now)

    def forget(self, task: str) -> None:
        """Its limit has changed: count anew.

        Args:
            task: its name.
        """
        self._buckets.pop(task, None)

    def passed(self, asked: Asked) -> None:
        if asked.task.policy.rate_limit is not None:
            bucket = self._buckets[asked.task.task]
            bucket.passed, bucket.looked_at = asked.task, asked.now

    def started(self, task: ReservedTask, now: float) -> None:
        bucket = self._buckets.get(task.task)
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
