"""Runs on their way: made for what is due, sent, tried again while the broker is away, and reported to the store."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel import states
from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run, run_id
from umbel.beat.planning import Due
from umbel.beat.runs import firing
from umbel.beat.stores.base import Claim, ScheduleStore
from umbel.errors import OperationalError

logger: logging.Logger = logging.getLogger("umbel.beat")

#: Runs that wait for the broker, and claims and reports that wait for the store, at most: the oldest go.
_MOST: Final = 10_000
#: Seconds that a look waits for the broker's answers; later ones are taken by the next.
_ANSWER: Final = 0.2


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
        #: Ids of runs that were written and are not answered yet.
        self._unconfirmed: set[str] = set()
        self._answered = threading.Condition()
        #: Set when there are reports to be written.
        self.news: threading.Event = threading.Event()
        #: Somebody else writes them when there is news; else each look does.
        self.is_written_elsewhere = False

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
        for each in firings:
            for run in each.runs:
                if run.state == model.SKIPPED:
                    logger.info("%s is skipped: %s", run.entry, run.detail)
                elif self._pending:
                    self._put_off(each, run)
                elif not self._is_sent(each, run, leads):
                    self._pending.append((each, run))
        if self.is_written_elsewhere:
            return
        self._await_answers()
        self.write_reports()

    def send_pending(self, leads: Callable[[], bool]) -> None:
        """Send what waits for the broker, until it fails again.

        Args:
            leads: reports whether the lease is trusted at this moment.
        """
        while self._pending and self._is_sent(*self._pending[0], leads, again=True):
            self._pending.popleft()

    def _is_sent(self, each: Firing, run: Run, leads: Callable[[], bool], *, again: bool = False) -> bool:
        """Send one run; returns whether that is over: it is written, or never will be. Else the broker cannot be reached."""
        spec = each.entry.spec
        assert spec is not None
        if not leads():
            self._unsent(run, "the lease ran out before it was sent")
            return True
        try:
            with self.app.publisher.receipt() as receipt:
                firing.send(self.app, spec, run, each.due.expires)
        except OperationalError as error:
            if error.is_permanent:
                self._unsent(run, f"{type(error).__name__}: {error}")
            elif not again:
                logger.error("%s (%s) waits: the broker cannot be reached: %s", run.entry, spec.task, error)
            return error.is_permanent
        except Exception as error:
            logger.exception("%s (%s) could not be sent", run.entry, spec.task)
            self._unsent(run, f"{type(error).__name__}: {error}", say=False)
            return True
        # What is written is the publisher's: it is published again over the next connection, where this one breaks. So it is never sent a second time from here.
        with self._answered:
            self._unconfirmed.add(run.task_id)
        receipt.when_settled(lambda error: self._confirmed(each, run, error))
        return True

    def _await_answers(self) -> None:
        """Give the broker a moment to answer: the sooner a run is known to be sent, the fewer are in doubt when this process is killed."""
        with self._answered:
            self._answered.wait_for(lambda: not self._unconfirmed, _ANSWER)

    def flush(self) -> None:
        """Wait until the broker has what was written, or for a while."""
        if self._unconfirmed:
            try:
                self.app.publisher.flush(firing.TIMEOUT)
            except OperationalError as error:
                logger.error("Some of what was sent last is not confirmed: %s", error)

    def _confirmed(self, each: Firing, run: Run, error: BaseException | None) -> None:
        """Take the broker's answer, in whichever thread it was read."""
        with self._answered:
            self._unconfirmed.discard(run.task_id)
            self._answered.notify_all()
        if error is not None:
            self._unsent(run, f"{type(error).__name__}: {error}")
            return
        self._reports.append(Report(task_id=run.task_id, state=model.SENT))
        self.news.set()
        late = f", {run.lag:.1f} s late" if run.lag >= 1 else ""
        missed = f", {run.missed} before it left out" if run.missed else ""
        logger.info("Sent %s: %s[%s]%s%s", run.entry, each.entry.document.get("task"), run.task_id, late, missed)

    def _put_off(self, each: Firing, run: Run) -> None:
        """Let a run wait behind others. Of an entry that makes up for one slot only, the one that waits already gives way."""
        assert each.entry.spec is not None
        if each.entry.spec.misfire != model.ALL:
            older = [waiting for waiting in self._pending if waiting[1].entry == run.entry and waiting[1].worker == run.worker]
            for waiting in older:
                self._pending.remove(waiting)
                self._unsent(waiting[1], "the broker could not be reached until the next was due")
        elif len(self._pending) >= _MOST:
            self._unsent(self._pending.popleft()[1], f"the broker could not be reached, and more than {_MOST} wait")
        self._pending.append((each, run))

    def give_up(self, why: str) -> None:
        """Send nothing of what waits.

        Args:
            why: in words.
        """
        waiting, self._pending = self._pending, deque()
        for _, run in waiting:
            self._unsent(run, why)
        self.write_reports()

    def _unsent(self, run: Run, why: str, *, say: bool = True) -> None:
        if say:
            logger.error("%s [%s] is not sent: %s", run.entry, run.task_id, why)
        self._reports.append(Report(task_id=run.task_id, state=model.UNSENT, detail=why[:1000]))
        self.news.set()

    # the store

    def settle_orphans(self) -> None:
        """Mark what schedulers have claimed that lead no more, and have not said to be sent."""
        left = [run for run in self._store.unfinished(limit=_MOST) if run.state == model.CLAIMED and run.holder != self._token]
        for run in left:
            logger.warning("%s [%s] was claimed by %s, which has ended: perhaps it was not sent.", run.entry, run.task_id, run.holder)
        detail = "the scheduler that had claimed it has ended: perhaps it was not sent"
        self._store.report([Report(task_id=run.task_id, state=model.UNKNOWN, detail=detail) for run in left])

    def write_reports(self, store: ScheduleStore | None = None) -> None:
        """Write the reports that wait; they go on waiting where the store is away. One thread at a time.

        Args:
            store: to write them by; the scheduler's own when not given.
        """
        reports = [self._reports.popleft() for _ in range(len(self._reports))]
        if reports:
            try:
                (store or self._store).report(reports)
            except OperationalError:
                self._reports.extendleft(reversed(reports))

    def backlog(self, claims: Sequence[Claim]) -> None:
        """Keep claims that could not be made, and were acted on all the same.

        Args:
            claims: in the order of their slots.
        """
        self._claims += claims

    def write_backlog(self) -> None:
        """Write the claims that could not be written.

        Raises:
            OperationalError: they still cannot.
        """
        if self._claims:
            self._store.claim(self._token, list(self._claims))
            self._claims.clear()
