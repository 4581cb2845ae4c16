"""Rate limits of all workers together: every start has a turn of its own, which the lease store hands out.

Turns are evenly spaced moments. A worker asks for some of them in the background, as many as have messages that wait here, and none that is further ahead than a
fraction of a second: what one worker has, no other one gets. A turn whose time passes while all slots are busy is lost, so that no burst follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

from umbel.leases.base import Booking, Turn
from umbel.worker.gates.away import Away
from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Wait
from umbel.worker.gates.rate_limits import LOOK, MANY_KEYS, SLACK, line_of
from umbel.worker.tasks.admission import NEAR
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: Seconds within which a turn must be that is asked for.
AHEAD = 0.2
#: Seconds after its time for which a turn may be used.
LATE = 0.1
#: Seconds between two looks at a line whose answer has not come.
PATIENCE = 5.0
#: The part that the newest spacing has in the average of them.
_NEWEST = 0.1


class _Line:
    """The rate of one task or key, as far as this worker knows."""

    __slots__ = ("again_at", "away", "interval", "is_asking", "is_busy", "last_turn", "looked_at", "passed", "spacing", "task", "turns")

    def __init__(self, task: str, interval: float) -> None:
        self.task = task
        self.away = Away()
        #: Seconds between two turns of all workers.
        self.interval = interval
        #: … between two of this one's, on the average.
        self.spacing = interval
        self.last_turn = 0.0
        #: Messages have waited since then.
        self.is_busy = False
        #: Times of the turns that this worker has, monotonic seconds.
        self.turns: deque[float] = deque()
        #: Turns were asked for, and no answer has come yet.
        self.is_asking = False
        #: When turns are to be asked for again.
        self.again_at = 0.0
        #: It may start, and has not; and when it passed, or was last looked for.
        self.passed: ReservedTask | None = None
        self.looked_at = 0.0

    @property
    def most(self) -> int:
        """Turns that this worker may have in hand."""
        return max(1, int(AHEAD / self.interval))

    def add(self, turn: float) -> None:
        """Have a turn, and learn from it how often this worker gets one.

        Args:
            turn: monotonic seconds.
        """
        if self.is_busy:
            self.spacing += _NEWEST * (turn - self.last_turn - self.spacing)
        self.spacing = max(self.spacing, self.interval)
        self.last_turn, self.is_busy = turn, True
        self.turns.append(turn)


class SharedRates:
    """The gate of tasks with a `rate_limit` for all workers.

    Args:
        ask: asks for turns in the background: (turns, told).
        is_here: whether a task that has passed is still in this worker; it may have expired, or been handed back.
        reopen: has the first of a line asked about again, at once.
        clock: tells monotonic seconds, when an answer comes.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(
        self,
        ask: Callable[[Sequence[Turn], Callable[[Sequence[Booking]], None]], None],
        is_here: Callable[[ReservedTask], bool],
        reopen: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._is_here = is_here
        self._reopen = reopen
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return task.policy.is_rate_shared and task.policy.rate_limit is not None

    def ask(self, asked: Asked) -> Answer:
        rate = asked.task.policy.rate_limit
        if rate is None or not self.concerns(asked.task) or not asked.is_due:
            return PASS
        name = line_of(asked.task)
        line = self._lines.get(name)
        if line is None:
            self._drop_idle(asked.now)
            line = self._lines[name] = _Line(asked.task.task, 1.0 / rate)
        line.interval = 1.0 / rate
        ahead, opens_in = asked.ahead(name), self._opens_in(line, asked.now)
        if not ahead and not opens_in and line.turns:
            return PASS
        turn = self._turn_in(line, asked.now) + ahead * line.spacing
        if turn > asked.near:
            # Twice as often as this worker gets turns: the others may have stopped meanwhile.
            return line.away.later(turn, max(line.interval, line.spacing / 2), asked)
        self._question(name, line, ahead + 1, asked.now)
        return Wait(name, WaitReason.RATE)

    def _question(self, name: str, line: _Line, waiting: int, now: float) -> None:
        """Ask for turns, unless there are enough or it is too early."""
        number = min(waiting, line.most) - len(line.turns)
        if line.is_asking or now < line.again_at or number <= 0 or len(line.turns) > line.most // 2:
            return
        line.is_asking = True

        def told(bookings: Sequence[Booking]) -> None:
            if self._lines.get(name) is not line:
                return  # its limit has changed
            moment = self._clock()
            line.is_asking = False
            for booking in bookings:
                if not booking.is_booked:
                    line.again_at = moment + booking.seconds
                    break
                line.add(moment + booking.seconds)
            self._reopen(name)

        self._ask([Turn(name, line.interval, AHEAD, SLACK)] * number, told)

    def passed(self, asked: Asked) -> None:
        if self.concerns(asked.task):
            name = line_of(asked.task)
            line = self._lines[name]
            line.turns.popleft()
            line.passed, line.looked_at = asked.task, asked.now
            ahead = asked.ahead(name)
            line.is_busy = bool(ahead)
            self._question(name, line, ahead, asked.now)

    def started(self, task: ReservedTask, now: float) -> None:  # noqa: ARG002 - its turn counts
        line = self._lines.get(line_of(task))
        if line is not None:
            line.passed = None

    def forget(self, task: str) -> list[str]:
        """Its limit has changed: count anew. Returns the lines at which somebody may wait.

        Args:
            task: its name.
        """
        lines = [name for name, line in self._lines.items() if line.task == task]
        for name in lines:
            del self._lines[name]
        return lines

    def _drop_idle(self, now: float) -> None:
        """Forget keys of which nothing is to be known any more. There may have been very many."""
        if len(self._lines) >= MANY_KEYS:
            self._lines = {
                name: line for name, line in self._lines.items()
                if line.is_asking or line.passed is not None or max(line.last_turn, line.again_at, line.away.last_turn) > now - PATIENCE
            }  # fmt: skip

    def opens_in(self, line: str, now: float) -> float | None:
        known = self._lines.get(line)
        if known is None:
            return None
        seconds = self._opens_in(known, now)
        return seconds if seconds <= NEAR else 0.0  # asked now, it goes to the delayed store

    @staticmethod
    def _turn_in(line: _Line, now: float) -> float:
        """Seconds until this worker has a turn, as far as it can know."""
        return max(0.0, (line.turns[0] if line.turns else line.again_at) - now)

    def _opens_in(self, line: _Line, now: float) -> float:
        """Seconds until the first of a line is to be asked about; 0 with a turn: it may pass."""
        while line.turns and line.turns[0] < now - LATE:
            line.turns.popleft()
        if line.passed is not None and now - line.looked_at >= LOOK:
            line.looked_at = now
            if not self._is_here(line.passed):
                line.passed = None
        left = PATIENCE if line.is_asking and not line.turns else self._turn_in(line, now)  # it is told when the answer comes
        return left if line.passed is None else max(left, line.looked_at + LOOK - now)
