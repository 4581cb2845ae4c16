"""The values of beat: a `Spec` says what is sent and when, an `Entry` is one that is kept, a `Run` is one time that it was due."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from umbel.messages.ids import uuid7
from umbel.schedules import BaseSchedule

# Where an entry comes from.
#: The app's settings and `add_periodic_task` say what it is; a deploy changes it.
CODE: Final = "code"
#: A person has added or edited it; a deploy leaves it alone.
USER: Final = "user"

# Statuses of entries.
ACTIVE: Final = "active"
PAUSED: Final = "paused"
#: It cannot be run; the reason is kept with it.
DISABLED: Final = "disabled"
#: It is kept only so that others learn of it, and a deploy does not bring it back.
REMOVED: Final = "removed"
STATUSES: Final = (ACTIVE, PAUSED, DISABLED, REMOVED)

# States of runs before a task's own (PENDING, STARTED, SUCCESS, …) are known.
#: It is the scheduler's that has claimed it, and not sent yet.
CLAIMED: Final = "CLAIMED"
SENT: Final = "SENT"
#: It could not be sent; the detail says why.
UNSENT: Final = "UNSENT"
#: It was left out, by its policy.
SKIPPED: Final = "SKIPPED"
#: The scheduler that had claimed it is gone: perhaps sent, perhaps not.
UNKNOWN: Final = "UNKNOWN"

#: State → its rank: a state replaces those of its own or a lower rank, and one of the highest rank stays. Any other state, of a task that runs, has rank 2.
RANKS: Final = {
    CLAIMED: 0,
    SENT: 1,
    UNSENT: 3,
    UNKNOWN: 3,
    **dict.fromkeys((SKIPPED, "SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"), 4),
}
RUNNING: Final = 2
OVER: Final = 3
LAST: Final = 4

# What becomes of slots that have passed when a scheduler comes to them.
#: The last of them is fired, the others are left out.
ONCE: Final = "once"
#: None that passed longer ago than the grace is fired.
SKIP: Final = "skip"
#: All are fired, the latest so many.
ALL: Final = "all"
MISFIRES: Final = (ONCE, SKIP, ALL)

ALLOW: Final = "allow"
OVERLAPS: Final = (ALLOW, SKIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A task that is sent, its schedule, and the policies by which."""

    task: str
    schedule: BaseSchedule
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    #: Calling options.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: once, skip or all: what becomes of slots that were missed.
    misfire: str = ONCE
    #: Seconds for which a slot is not late, with misfire=skip.
    misfire_grace: float = 60.0
    #: The most slots that are made up for, with misfire=all.
    misfire_limit: int = 100
    #: Seconds over which runs are spread; always the same for one slot.
    jitter: float = 0.0
    #: allow, or skip while the last run has not ended.
    overlap: str = ALLOW
    #: A run that has not begun when the next is due expires.
    expire_at_next: bool = False
    #: Names of workers, each of which gets a message of its own; none: whoever reads the queue.
    workers: tuple[str, ...] = ()
    description: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """The workers that get a message; one nameless where any may."""
        return self.workers or ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One periodic task, as it is kept."""

    name: str
    #: ``None`` where it cannot be made out here: it is disabled, or its schedule or arguments are in the code of another program.
    spec: Spec | None
    #: How the spec stands in the store; what JSON cannot hold is there as text for people.
    document: Mapping[str, Any]
    source: str = CODE
    status: str = ACTIVE
    #: Why it is disabled.
    reason: str = ""
    #: Fingerprint of what the code says; empty where the code has no such entry.
    code: str = ""
    #: Seconds since the epoch: where its interval began to count.
    anchor: float = 0.0
    #: Seconds since the epoch: slots up to here are dealt with.
    after: float = 0.0
    #: Rises with each change to it that is not a run.
    revision: int = 0
    #: Seconds since the epoch at which it was fired last, the id of that task, and how often it was.
    last_fired: float | None = None
    last_id: str | None = None
    total_runs: int = 0

    @property
    def is_active(self) -> bool:
        """Report whether it is fired by this process."""
        return self.status == ACTIVE and self.spec is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time that an entry was due, or was run by hand."""

    task_id: str
    entry: str
    #: Seconds since the epoch.
    slot: float
    #: Seconds since the epoch: when it was claimed.
    fired: float
    state: str = CLAIMED
    #: Run by a person.
    by_hand: bool = False
    #: Slots before this one that were left out.
    missed: int = 0
    #: The worker that it was sent to, later the one that ran it.
    worker: str = ""
    #: Seconds that the task's own code took.
    runtime: float | None = None
    #: Seconds since the epoch: when the task ended.
    ended: float | None = None
    detail: str = ""
    #: Token of the scheduler that claimed it.
    holder: str = ""

    @property
    def is_over(self) -> bool:
        """Report whether nothing more is awaited of it."""
        return rank_of(self.state) >= OVER

    @property
    def lag(self) -> float:
        """Seconds from the slot until it was fired."""
        return self.fired - self.slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of a run. What is empty says nothing."""

    task_id: str
    state: str
    worker: str = ""
    #: Seconds.
    runtime: float | None = None
    #: Seconds since the epoch.
    ended: float | None = None
    detail: str = ""


def rank_of(state: str) -> int:
    """Return the rank of a run's state.

    Args:
        state: one of this module, or a task's.
    """
    return RANKS.get(state, RUNNING)


def reported(run: Run, report: Report) -> Run:
    """Return a run after news of it.

    Args:
        run: as it was.
        report: of its id.
    """
    before, after = rank_of(run.state), rank_of(report.state)
    if before == LAST:
        if run.runtime is not None or report.runtime is None or report.state != run.state:
            return run
        return replace(run, runtime=report.runtime, worker=report.worker or run.worker)
    if after < before:
        return run
    return replace(
        run,
        state=report.state,
        worker=report.worker or run.worker,
        runtime=run.runtime if report.runtime is None else report.runtime,
        ended=run.ended if report.ended is None else report.ended,
        detail=report.detail or run.detail,
    )


def run_id(namespace: str, name: str, slot: float, target: str = "") -> str:
    """Make the id of the task of one slot: the same on every scheduler, and a UUIDv7 that carries the slot's time.

    Args:
        namespace: of the store.
        name: of the entry.
        slot: seconds since the epoch.
        target: the worker that it is for.
    """
    text = "\0".join((namespace, name, repr(slot), target))
    return uuid7(slot, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10])
