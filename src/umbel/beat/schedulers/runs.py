"""Runs on their way: made for what is due, sent, tried again while the broker is away, and reported to the store."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel import states
from umbel.beat import firing
from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run, run_id
from umbel.beat.planning import Due
from umbel.beat.stores.base import Claim, ScheduleStore
from umbel.errors import OperationalError

logger = logging.getLogger("umbel.beat")

#: Runs that wait for the broker, and claims and reports that wait for the store, at most: the oldest go.
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Firing:
    """One slot of an entry that is claimed."""

    entry: Entry
    due: Due
    #: One for each worker that it is for; none where the slot is left out in silence.
    runs: tuple[Run, ...]


class Runs:
    """The runs of one scheduler.

    Args:
        app: whose tasks they are.
        store: in which they are recorded.
        token: of the scheduler.
    """

    def __init__(self, app: Any, store: ScheduleStore, token: str) -> None:
        self.app = app
        self.namespace = ""
        self._store = store
        self._token = token
        self._pending: deque[tuple[Firing, Run]] = deque()
        self._claims: deque[Claim] = deque(maxlen=_MOST)
        self._reports: deque[Report] = deque(maxlen=_MOST)

    def made(self, entry: Entry, due: Due, now: float) -> tuple[Run, ...]:
        """Make the runs of a slot; where the last one has not ended and the entry does not want two at a time, one that is skipped.

        Args:
            entry: that is due.
            due: its slot.
            now: seconds since the epoch.
        """
        spec = entry.spec
        assert spec is not None
        state, detail = model.CLAIMED, ""
        if spec.overlap == model.SKIP and entry.last_id is not None and self._still_runs(entry.last_id):
            state, detail = model.SKIPPED, f"the run before, {entry.last_id}, has not ended"
        return tuple(
            Run(
                task_id=run_id(self.namespace, entry.name, due.slot, target), entry=entry.name, slot=due.slot, fired=now, state=state,
                missed=due.missed, worker=target, detail=detail, holder=self._token,
            )
            for target in spec.targets
        )  # fmt: skip

    def _still_runs(self, task_id: str) -> bool:
        """Report whether a task has not ended, as far as the result store knows. Where results are not kept, or not any more, it has."""
        if self.app.store is None or not self.app.store.shared:
            return False
        try:
            state = self.app.AsyncResult(task_id).state
        except OperationalError as error:
            logger.warning("What became of %s cannot be looked up: %s. It is taken to have ended.", task_id, error)
            return False
        return state not in states.READY_STATES and state not in ("EXPIRED", "UNKNOWN")

    # sending

    def send(self, firings: Sequence[Firing], leads: Callable[[], bool]) -> None:
        """Send runs that were claimed; where the broker is away, later.

        Args:
            firings: that were granted.
            leads: reports whether the lease is trusted at this moment.
        """
        reports: list[Report] = []
        for each in firings:
            for run in each.runs:
                if run.state == model.SKIPPED:
                    logger.info("%s is skipped: %s", run.entry, run.detail)
                elif self._pending:
                    self._put_off(each, run, reports)
                else:
                    reports += self._sent(each, run, leads)
        self.report(reports)

    def send_pending(self, leads: Callable[[], bool]) -> None:
        """Send what waits for the broker, until it fails again.

        Args:
            leads: reports whether the lease is trusted at this moment.
        """
        reports: list[Report] = []
        for _ in range(len(self._pending)):
            each, run = self._pending.popleft()
            found = self._sent(each, run, leads, first=True)
            reports += found
            if not found:
                break
        self.report(reports)

    def _sent(self, each: Firing, run: Run, leads: Callable[[], bool], *, first: bool = False) -> list[Report]:
        """Send one run; returns what is to be reported, nothing where it waits."""
        spec = each.entry.spec
        assert spec is not None
        if not leads():
            return [self._unsent(run, "the lease ran out before it was sent")]
        try:
            firing.send(self.app, spec, run, each.due.expires)
        except OperationalError as error:
            if error.is_permanent:
                return [self._unsent(run, f"{type(error).__name__}: {error}")]
            if not first:
                logger.error("%s (%s) waits: the broker cannot be reached: %s", run.entry, spec.task, error)
            self._pending.appendleft((each, run)) if first else self._pending.append((each, run))
            return []
        except Exception as error:
            logger.exception("%s (%s) could not be sent", run.entry, spec.task)
            return [self._unsent(run, f"{type(error).__name__}: {error}", say=False)]
        late = f", {run.lag:.1f} s late" if run.lag >= 1 else ""
        missed = f", {run.missed} before it left out" if run.missed else ""
        logger.info("Sent %s: %s[%s]%s%s", run.entry, spec.task, run.task_id, late, missed)
        return [Report(task_id=run.task_id, state=model.SENT)]

    def _put_off(self, each: Firing, run: Run, reports: list[Report]) -> None:
        """Let a run wait behind others. Of an entry that makes up for one slot only, the one that waits already gives way."""
        assert each.entry.spec is not None
        if each.entry.spec.misfire != model.ALL:
            older = [waiting for waiting in self._pending if waiting[1].entry == run.entry and waiting[1].worker == run.worker]
            for waiting in older:
                self._pending.remove(waiting)
                reports.append(self._unsent(waiting[1], "the broker could not be reached until the next was due"))
        elif len(self._pending) >= _MOST:
            reports.append(self._unsent(self._pending.popleft()[1], f"the broker could not be reached, and more than {_MOST} wait"))
        self._pending.append((each, run))

    def give_up(self, why: str) -> None:
        """Send nothing of what waits.

        Args:
            why: in words.
        """
        waiting, self._pending = self._pending, deque()
        self.report([self._unsent(run, why) for _, run in waiting])

    def _unsent(self, run: Run, why: str, *, say: bool = True) -> Report:
        if say:
            logger.error("%s [%s] is not sent: %s", run.entry, run.task_id, why)
        return Report(task_id=run.task_id, state=model.UNSENT, detail=why[:1000])

    # the store

    def settle_orphans(self) -> None:
        """Mark what schedulers have claimed that lead no more, and have not said to be sent."""
        left = [run for run in self._store.unfinished(limit=_MOST) if run.state == model.CLAIMED and run.holder != self._token]
        for run in left:
            logger.warning("%s [%s] was claimed by %s, which has ended: perhaps it was not sent.", run.entry, run.task_id, run.holder)
        detail = "the scheduler that had claimed it has ended: perhaps it was not sent"
        self._store.report([Report(task_id=run.task_id, state=model.UNKNOWN, detail=detail) for run in left])

    def report(self, reports: Sequence[Report]) -> None:
        """Report to the store, later where it is away.

        Args:
            reports: of runs.
        """
        if not reports:
            return
        try:
            self._store.report(reports)
        except OperationalError:
            self._reports += reports

    def backlog(self, claims: Sequence[Claim]) -> None:
        """Keep claims that could not be made, and were acted on all the same.

        Args:
            claims: in the order of their slots.
        """
        self._claims += claims

    def write_backlog(self) -> None:
        """Write what could not be written.

        Raises:
            OperationalError: it still cannot.
        """
        if self._claims:
            self._store.claim(self._token, list(self._claims))
            self._claims.clear()
        if self._reports:
            self._store.report(list(self._reports))
            self._reports.clear()
