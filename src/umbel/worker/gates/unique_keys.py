"""Unique keys: a task that was sent with one runs while it holds it.

============== ============================================================================================
until finish   it takes the key, which it has already as a rule, and waits for it where another call has it
until start    nothing keeps it; the key is free when it starts (`umbel.worker.leases.held_keys`)
until a newer  it does not run if a newer call has taken its key over
============== ============================================================================================

The gate asks in the background, and meanwhile the message waits, in a line of its own: who has the key may come behind one that waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from umbel.leases.base import Grant, Lease
from umbel.messages.task_keys import KEYS, NEWER, START, TaskKeys, lease_name, parse
from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Later, Revoke, Wait
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: Seconds after which an answer that has not come is looked for, and for which one that was good is.
LOOK = 5.0
#: Seconds between two looks whether another call has given a key up: at first, and when it has been held for long.
SOON, SELDOM = 0.1, 1.0
#: Messages that wait here for one key; more of them wait in the broker.
MOST_HERE = 10
#: Seconds for which these do.
AWAY = 5.0


class _Asking:
    """One message's key, from the first question until the message passes."""

    __slots__ = ("answer", "answered_at", "asked_at", "lease", "refusals")

    def __init__(self, lease: Lease, now: float, refusals: int) -> None:
        self.lease = lease
        self.asked_at = now
        self.answer: Grant | None = None
        self.answered_at = 0.0
        self.refusals = refusals

    @property
    def again_at(self) -> float:
        """The time at which the key is asked for again, monotonic seconds."""
        if self.answer is None:
            return self.asked_at + LOOK
        return self.answered_at + min(SELDOM, SOON * 2.0 ** min(self.refusals, 10))


class UniqueKeys:
    """The gate of messages with a unique key.

    Args:
        ask: asks for a lease in the background: (lease, told).
        reopen: has the first of a line asked about again, at once.
        clock: tells monotonic seconds, when an answer comes.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(
        self, ask: Callable[[Lease, Callable[[Grant], None]], None], reopen: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._reopen = reopen
        self._clock = clock
        #: By line.
        self._known: dict[str, _Asking] = {}
        #: The lines of each key.
        self._lines: dict[str, set[str]] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return KEYS in task.delivery.headers

    def ask(self, asked: Asked) -> Answer:
        keys = keys_of(asked.task)
        if keys is None or not keys.unique or keys.until == START or not asked.is_due:
            return PASS
        lease = Lease(lease_name("unique", asked.task.task, keys.unique), asked.task.id, keys.seconds)
        known = self._known.get(_line(lease))
        if known is None and len(self._lines.get(lease.name, ())) >= MOST_HERE:
            return Later(AWAY)
        if known is None or (known.again_at <= asked.now and not (known.answer and known.answer.is_held)):
            self._question(lease, asked.now, 0 if known is None else known.refusals)
        elif known.answer is not None and known.answer.is_held:
            if asked.now - known.answered_at < LOOK:
                return PASS
            self._question(lease, asked.now, 0)  # it has waited elsewhere since
        elif known.answer is not None and keys.until == NEWER:
            self._forget(lease)
            return Revoke(f"replaced by {known.answer.other}")
        return Wait(_line(lease), WaitReason.KEY)

    def _question(self, lease: Lease, now: float, refusals: int) -> None:
        """Ask for a key."""
        line = _line(lease)
        fresh = self._known[line] = _Asking(lease, now, refusals)
        self._lines.setdefault(lease.name, set()).add(line)
        self._drop_old(now)

        def told(grant: Grant) -> None:
            if self._known.get(line) is fresh:
                fresh.answer, fresh.answered_at = grant, self._clock()
                fresh.refusals += not grant.is_held
                self._reopen(line)

        self._ask(lease, told)

    def passed(self, asked: Asked) -> None:
        """Its key is held on by who knows of its start."""
        keys = keys_of(asked.task)
        if keys is not None and keys.unique:
            self._forget(Lease(lease_name("unique", asked.task.task, keys.unique), asked.task.id, 0.0))

    def _forget(self, lease: Lease) -> None:
        self._known.pop(_line(lease), None)
        lines = self._lines.get(lease.name)
        if lines is not None:
            lines.discard(_line(lease))
            if not lines:
                del self._lines[lease.name]

    def _drop_old(self, now: float) -> None:
        """Forget those whose messages have gone: lost with their connection, handed back, sent away."""
        while self._known:
            oldest = next(iter(self._known.values()))
            if now - oldest.asked_at <= 2 * LOOK:
                break
            self._forget(oldest.lease)

    def started(self, task: ReservedTask, now: float) -> None:
        """See `umbel.worker.leases.held_keys`."""

    def opens_in(self, line: str, now: float) -> float | None:
        known = self._known.get(line)
        if known is None:
            return 0.0 if line.startswith("unique:") else None
        if known.answer is not None and known.answer.is_held:
            return 0.0
        return max(0.0, known.again_at - now)


def _line(lease: Lease) -> str:
    return f"{lease.name}:{lease.owner}"


def keys_of(task: ReservedTask) -> TaskKeys | None:
    """Read the keys of a message; ``None`` where it has none that can be read.

    Args:
        task: admitted.
    """
    return parse(task.delivery.headers.get(KEYS))
