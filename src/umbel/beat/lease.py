"""The lease by which one of several schedulers leads, and what is left when it does not hold.

**What is authoritative.** The store holds one lease: a token and a time at which it ends, by the *store's* clock (on a file: by the machine's monotonic one).
Who asks for it gets it when it is free, has ended, or is his own. Nobody's wall clock counts, and no two schedulers compare clocks.

**What local time is trusted for.** The leader measures, by its own monotonic clock, from the moment *before* it asked; the store's lease began later, so it ends later. It trusts
its lease for two thirds of its length only. The last third is for a clock that runs slow, a request that was long on its way, and the time from a decision to
its effect. A process that was stopped (SIGSTOP, a suspended machine, a long pause) finds that its monotonic clock has gone on, and trusts nothing.

**When it steps down.** It asks again every fifth of the lease. Refused: another one leads, it follows. Unanswered: it leads until its trust has run out, and is suspended
then: it fires nothing, keeps all it knows, and goes on asking.

::

                 ┌───────────┐  granted   ┌─────────┐ ◀─┐ granted
      start ───▶ │ following │ ─────────▶ │ leading │ ──┘
                 └───────────┘ ◀───────── └─────────┘
                    ▲  ▲  │     refused     │     ▲
            refused │  └──┘ refused,        │     │ granted
                    │       unanswered      ▼     │
                    │  trust ran out  ┌───────────┐ ─┐ unanswered
                    └──────────────── │ suspended │ ◀┘
                         (refused)    └───────────┘

**What holds without it.** A lease alone cannot exclude a stale leader: it may be paused between a look at its clock and the write that follows. So each slot is *claimed* in
the store before it is sent, in one step that compares: the lease is mine, the entry is as I know it, and this slot is later than all that were claimed. Of two schedulers one has
the slot, whatever they believe. After the claim, right before the message is written, the trust is looked at once more: who was stopped in between finds it run out, and
does not send. What remains is a stop between that look and the write, some microseconds; that slot is then sent late, and still once.

**What that costs.** Who dies between a claim and the send has lost this one slot; the next leader finds the claim and marks the run ``UNKNOWN``. The other order, send first, would
send it twice. The id of a slot's task is the same on every scheduler, so that even a message that went out twice would be one task with one result.

**How long nobody leads.** A leader that stops gives the lease back: the next one has it with its next look (a second). One that dies leaves it to run out: at most the lease's
length and one look.
"""

from __future__ import annotations

import enum
from typing import Final


class Standing(enum.Enum):
    """The part that a scheduler has among several."""

    FOLLOWING = "following"
    LEADING = "leading"
    SUSPENDED = "suspended"


class Answer(enum.Enum):
    """The end of a request for the lease, or of the time since."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    #: Nothing was asked; the trust has run out.
    RAN_OUT = "ran out"


#: Standing and answer → standing.
TRANSITIONS: Final = {
    (Standing.FOLLOWING, Answer.GRANTED): Standing.LEADING,
    (Standing.FOLLOWING, Answer.REFUSED): Standing.FOLLOWING,
    (Standing.FOLLOWING, Answer.UNANSWERED): Standing.FOLLOWING,
    (Standing.FOLLOWING, Answer.RAN_OUT): Standing.FOLLOWING,
    (Standing.LEADING, Answer.GRANTED): Standing.LEADING,
    (Standing.LEADING, Answer.REFUSED): Standing.FOLLOWING,
    (Standing.LEADING, Answer.UNANSWERED): Standing.LEADING,
    (Standing.LEADING, Answer.RAN_OUT): Standing.SUSPENDED,
    (Standing.SUSPENDED, Answer.GRANTED): Standing.LEADING,
    (Standing.SUSPENDED, Answer.REFUSED): Standing.FOLLOWING,
    (Standing.SUSPENDED, Answer.UNANSWERED): Standing.SUSPENDED,
    (Standing.SUSPENDED, Answer.RAN_OUT): Standing.SUSPENDED,
}

#: Parts of the lease: for which it is trusted, and after which it is asked for again.
TRUSTED: Final = 2 / 3
RENEWED: Final = 1 / 5
#: Seconds between two requests of one who follows, at most.
LOOK: Final = 1.0


class Leadership:
    """The lease as one scheduler knows it. Times are monotonic seconds.

    Args:
        length: of the lease, in seconds.
    """

    def __init__(self, length: float) -> None:
        self.length = length
        self.standing: Standing = Standing.FOLLOWING
        self._trusted_until = 0.0
        self._ask_at = 0.0

    def is_trusted(self, now: float) -> bool:
        """Report whether it leads, and may act on that.

        Args:
            now: monotonic seconds.
        """
        if now >= self._trusted_until:
            self._go(Answer.RAN_OUT)
        return self.standing is Standing.LEADING

    def asks(self, now: float) -> bool:
        """Report whether it is time to ask for the lease.

        Args:
            now: monotonic seconds.
        """
        return now >= self._ask_at

    @property
    def ask_at(self) -> float:
        """The time of the next request."""
        return self._ask_at

    def answered(self, granted: bool | None, asked_at: float, now: float) -> bool:
        """Take the store's answer; returns whether it begins to lead by it.

        Args:
            granted: ``None`` where the store has not answered.
            asked_at: before the request was sent.
            now: monotonic seconds.
        """
        before = self.standing
        answer = Answer.UNANSWERED if granted is None else Answer.GRANTED if granted else Answer.REFUSED
        self._go(answer)
        if answer is Answer.GRANTED:
            self._trusted_until = asked_at + self.length * TRUSTED
        elif answer is Answer.REFUSED:
            self._trusted_until = 0.0
        often = self.length * RENEWED
        self._ask_at = now + (often if answer is Answer.GRANTED else min(LOOK, often))
        return before is Standing.FOLLOWING and self.standing is Standing.LEADING

    def ask_soon(self) -> None:
        """Ask with the next look: something says that the lease is lost."""
        self._ask_at = 0.0

    def give_back(self, ask_at: float = 0.0) -> None:
        """Lead no more.

        Args:
            ask_at: when to ask again.
        """
        self.standing, self._trusted_until, self._ask_at = Standing.FOLLOWING, 0.0, ask_at

    def _go(self, answer: Answer) -> None:
        self.standing = TRANSITIONS[self.standing, answer]
