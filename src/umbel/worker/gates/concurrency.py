"""Concurrency limits: so many calls of a task, or of those with the same key, at a time, on all workers together.

A place is a lease that is asked for in the background, with a token of this worker's as its owner. Meanwhile, and as long as all places are taken, the message
waits in the line of its key, and others of its queue go past it. Where a line is long, more of them wait in the broker's delayed store.
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable, Collection

from umbel.leases.base import Grant, Lease
from umbel.messages.task_keys import lease_name
from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Later, Wait
from umbel.worker.gates.limit_keys import key_of
from umbel.worker.tasks.admission import NEAR
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: Seconds between two looks at a line whose answer has not come.
LOOK = 5.0
#: Seconds after which a place that nobody has taken is given up: whoever it was for has gone, or waits for something else.
UNUSED = 1.0
#: Seconds between two looks for a place: at first, and when there was none for long; more where places are waited for under more keys than these.
SOON, SELDOM, FEW_KEYS = 0.05, 0.2, 50
#: Messages that wait here for places under one key, beyond as many as there are places; more of them wait in the broker.
MOST_HERE = 10
#: Seconds for which these do, at least; and between two of them that come back, at most.
AWAY, RETURN = 1.0, 0.01


class _Line:
    """The places under one key, as far as this worker knows."""

    __slots__ = ("again_at", "is_asking", "last_back", "places", "refusals")

    def __init__(self) -> None:
        #: A place was asked for, and no answer has come yet.
        self.is_asking = False
        #: When a place is to be asked for again.
        self.again_at = 0.0
        self.refusals = 0
        #: Places that are for the first of the line, and when they came.
        self.places: deque[tuple[Lease, float]] = deque()
        #: When the last of those comes back that were sent away.
        self.last_back = 0.0


class ConcurrencyLimits:
    """The gate of tasks with a `concurrency_limit`.

    Args:
        ask: asks for a place in the background: (lease, told).
        give_up: gives a place up.
        hold: holds a place for a task that has passed, until it has ended.
        reopen: has the first of a line asked about again, at once.
        usual: seconds that a task takes as a rule, if that is known.
        clock: tells monotonic seconds, when an answer comes.
        duration: seconds of a lease.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(
        self,
        *,
        ask: Callable[[Lease, Callable[[Grant], None]], None],
        give_up: Callable[[Lease], None],
        hold: Callable[[ReservedTask, Lease], None],
        reopen: Callable[[str], None],
        usual: Callable[[str], float | None],
        clock: Callable[[], float],
        duration: float,
    ) -> None:
        self._ask = ask
        self._give_up = give_up
        self._hold = hold
        self._reopen = reopen
        self._usual = usual
        self._clock = clock
        self._duration = duration
        self._owner = uuid.uuid4().hex
        self._number = 0
        self._is_closed = False
        self._lines: dict[str, _Line] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return task.policy.concurrency_limit is not None

    def ask(self, asked: Asked) -> Answer:
        limit = asked.task.policy.concurrency_limit
        if limit is None or not asked.is_due:
            return PASS
        name = line_of(asked.task)
        line = self._lines.get(name)
        if line is None:
            self._drop_idle(asked.now)
            line = self._lines[name] = _Line()
        self._give_up_unused(line, asked.now)
        ahead = asked.ahead(name)
        if not ahead and line.places:
            return PASS
        if ahead >= MOST_HERE + limit or (ahead and asked.near < NEAR):
            return self._later(line, asked, limit)
        if not line.is_asking and asked.now >= line.again_at:
            self._question(name, line, limit)
        return Wait(name, WaitReason.CONCURRENCY)

    def _later(self, line: _Line, asked: Asked, limit: int) -> Later:
        """Send it away, behind those that were sent away before; they come back faster than they can run, but not all at once."""
        usual = self._usual(asked.task.task)
        spacing = RETURN if usual is None else min(RETURN, usual / limit / 2)
        line.last_back = max(asked.now + AWAY, line.last_back + spacing)
        return Later(line.last_back - asked.now)

    def _question(self, name: str, line: _Line, limit: int) -> None:
        """Ask for a place."""
        self._number += 1
        lease = Lease(name, f"{self._owner}:{self._number}", self._duration, limit)
        line.is_asking = True

        def told(grant: Grant) -> None:
            moment = self._clock()
            line.is_asking = False
            if self._is_closed:
                self._give_up(lease)
            elif grant.is_held:
                line.refusals = 0
                line.places.append((lease, moment))
            else:
                line.refusals += 1
                seldom = SELDOM * max(1.0, len(self._lines) / FEW_KEYS)
                line.again_at = moment + min(seldom, SOON * 2.0 ** min(line.refusals - 1, 10))
            self._lines.setdefault(name, line)
            self._reopen(name)

        self._ask(lease, told)

    def passed(self, asked: Asked) -> None:
        if asked.task.policy.concurrency_limit is not None:
            lease, _ = self._lines[line_of(asked.task)].places.popleft()
            self._hold(asked.task, lease)

    def freed(self, name: str) -> None:
        """Look for a place at once: this worker has given one up.

        Args:
            name: of the line.
        """
        line = self._lines.get(name)
        if line is not None:
            line.again_at, line.refusals = 0.0, 0
            self._reopen(name)

    def look(self, now: float) -> None:
        """Give up places that nobody has taken.

        Args:
            now: monotonic seconds.
        """
        for line in self._lines.values():
            self._give_up_unused(line, now)

    def close(self) -> None:
        """Give up all places that nobody has taken, and those that are still to come."""
        self._is_closed = True
        self.look(math.inf)

    def _give_up_unused(self, line: _Line, now: float) -> None:
        while line.places and now - line.places[0][1] >= UNUSED:
            self._give_up(line.places.popleft()[0])

    def _drop_idle(self, now: float) -> None:
        """Forget lines of which nothing is to be known any more. There may have been very many keys."""
        if len(self._lines) >= 1000:
            self._lines = {
                name: line for name, line in self._lines.items()
                if line.places or line.is_asking or line.last_back > now or line.again_at > now - LOOK
            }  # fmt: skip

    def started(self, task: ReservedTask, now: float) -> None:
        """Its place is held since it has passed."""

    def opens_in(self, line: str, now: float) -> float | None:
        known = self._lines.get(line)
        if known is None:
            return 0.0 if line.startswith("concurrency:") else None
        if known.places:
            return 0.0
        if known.is_asking:
            return LOOK  # it is told when the answer comes
        return max(0.0, known.again_at - now)


def line_of(task: ReservedTask) -> str:
    """Name the places under which a message counts.

    Args:
        task: admitted.
    """
    return lease_name("concurrency", task.task, key_of(task, "concurrency", task.policy.concurrency_key))
