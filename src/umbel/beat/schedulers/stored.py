"""`StoreScheduler`: any number of them share a store; one leads, and fires each slot once. The theory is in `umbel.beat.lease`."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from umbel.app.connections import seconds
from umbel.beat.book import Book
from umbel.beat.entries import merging, model
from umbel.beat.entries.model import Entry, Spec
from umbel.beat.entries.usual import read_code
from umbel.beat.lease import LOOK, Leadership, Standing
from umbel.beat.planning import Due, plan
from umbel.beat.runs.housekeeping import Housekeeping
from umbel.beat.runs.sending import Firing, Runs
from umbel.beat.schedulers.base import Scheduler
from umbel.beat.schedulers.entry import ScheduleEntry
from umbel.beat.stores.base import Changes, Claim, ScheduleStore
from umbel.clients.sqlite.database import Busy
from umbel.errors import ImproperlyConfigured, OperationalError

logger: logging.Logger = logging.getLogger("umbel.beat")

#: Entries that one look may fire; others are due in the next one, which follows at once.
_AT_ONCE: Final = 200
#: Times that the code is merged into a store that others edit.
_ROUNDS: Final = 5
#: Seconds by which a clock is set, and does not merely drift.
_SET_BACK: Final = 2.0
#: Seconds between two lines about the same trouble.
_SILENCE: Final = 60.0


class StoreScheduler(Scheduler):
    """Fires the entries of a store.

    Args:
        app: whose tasks.
        store: that of the settings when not given.
        options: of `Scheduler`.
    """

    def __init__(self, app: Any, *, store: ScheduleStore | None = None, **options: Any) -> None:
        given = dict(options)
        self.store: ScheduleStore = self.make_store(app, options) if store is None else store
        #: Names this scheduler as the holder of the lease.
        self.token: str = f"{socket.gethostname()[:24]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.book: Book = Book()
        self.leadership: Leadership = Leadership(seconds(app.conf.beat_lease) or 15.0)
        #: It may go on while it cannot reach its store: no other can lead in the meantime, or so its user has decided.
        self.goes_alone: bool = not self.store.shared or bool(app.conf.beat_fire_without_store)
        self.runs: Runs = Runs(app, self.store, self.token)
        self._poll_at = 0.0
        #: ``None`` where a store was given: whoever gave it keeps its history.
        self.housekeeping = Housekeeping(app, lambda: self.make_store(app, dict(given)), self.runs, self._leads) if store is None else None
        self._told: dict[str, float] = {}
        #: Wall time less monotonic time, at the last look.
        self._apart = float("-inf")
        super().__init__(app, **options)

    def make_store(self, app: Any, options: dict[str, Any]) -> ScheduleStore:
        """Make the store.

        Args:
            app: whose settings name it.
            options: of the scheduler; what is the store's is taken out.

        Raises:
            ImproperlyConfigured: the settings name none that can be used.
        """
        from umbel.beat.stores.registry import store_of

        found: ScheduleStore = store_of(app, filename=options.pop("schedule_filename", None))
        return found

    def setup_schedule(self) -> None:
        """Open the store.

        Raises:
            ImproperlyConfigured: it cannot be used: a newer version, no permission.
        """
        try:
            self.store.namespace()
        except OperationalError as error:
            if error.is_permanent or not (self.store.shared or isinstance(error, Busy)):  # a file does not mend itself
                raise ImproperlyConfigured(f"the schedule store cannot be used: {error}") from error
            self._say("down", "The schedule store %s cannot be reached: %s. It is tried again.", self.store.public_url(), error)

    # the loop

    def tick(self) -> float:
        """Do what is due; returns the seconds until there is something to do again."""
        clock = self.app.time
        mono = clock.monotonic()
        self._keep_lease(mono)
        if self._leads():
            self._keep_up(mono)
            self._notice_clock(mono)
            self.runs.send_pending(self._leads)
            names = self.book.agenda.take(clock.now(), _AT_ONCE)
            if names:
                self._fire(names)
        return self._wait()

    def _notice_clock(self, mono: float) -> None:
        """Look at all entries again when the clock was set back: their times are far off now."""
        apart = self.app.time.now() - mono
        if apart < self._apart - _SET_BACK:
            logger.warning("The clock was set back by %.0f s.", self._apart - apart)
            self.book.look_again(self.app.time.now())
        self._apart = apart

    def _wait(self) -> float:
        now, mono = self.app.time.now(), self.app.time.monotonic()
        wait = min(self.max_interval, LOOK, max(0.0, self.leadership.ask_at - mono))
        if self.leadership.standing is not Standing.FOLLOWING:
            due = self.book.agenda.next_time()
            wait = min(wait, max(0.0, self._poll_at - mono), wait if due is None else max(0.0, due - now))
        return float(wait)

    def _leads(self) -> bool:
        if self.leadership.is_trusted(self.app.time.monotonic()):
            return True
        return self.goes_alone and self.leadership.standing is Standing.SUSPENDED

    def _keep_lease(self, mono: float) -> None:
        """Ask for the lease when it is time."""
        if not self.leadership.asks(mono):
            return
        granted: bool | None = None
        try:
            granted = self.store.acquire(self.token, self.leadership.length)
        except OperationalError as error:
            what = "what is due is fired from memory" if self._leads() else "nothing is fired until it is back"
            self._say("down", "The schedule store %s cannot be reached: %s. %s.", self.store.public_url(), error, what.capitalize())
        before = self.leadership.standing
        begins = self.leadership.answered(granted, mono, self.app.time.monotonic())
        if begins:
            self._take_over()
        elif granted and before is Standing.SUSPENDED:
            self._poll_at = 0.0
        elif granted is False and before is not Standing.FOLLOWING:
            logger.warning("Another scheduler leads now: %s. This one follows.", self._holder())
            self.runs.give_up("the lease was lost before it was sent")
            self.book.open({})

    def _holder(self) -> str:
        try:
            return self.store.holder() or "none"
        except OperationalError:
            return "unknown"

    def _take_over(self) -> None:
        """Begin to lead: merge the code into the store, learn all entries, and settle what the last leader has left."""
        try:
            self.book.open(code := read_code(self.app))
            self.runs.namespace = self.store.namespace()
            self.book.take(self._merged(code), self.app.time.now())
            self.runs.settle_orphans()
        except OperationalError as error:
            self.leadership.give_back(self.app.time.monotonic() + LOOK)
            self._say("down", "The schedule store %s has failed: %s. It is tried again.", self.store.public_url(), error)
            return
        self._poll_at = self.app.time.monotonic() + LOOK
        self._told.pop("down", None)
        entries = list(self.book.listed())
        active = sum(1 for entry in entries if entry.is_active)
        if self.housekeeping is not None:
            self.housekeeping.start()
        logger.info("Leading: %d entries, %d of them active, in %s.", len(entries), active, self.store.public_url())
        for entry in entries:
            if not entry.is_active and entry.reason:
                logger.error("%s is disabled: %s", entry.name, entry.reason)

    def _merged(self, code: Mapping[str, Spec | str]) -> Changes:
        """Merge the code into the store; returns all that is there then."""
        for _ in range(_ROUNDS):
            found = self.store.changes()
            merge = merging.merge(code, {entry.name: entry for entry in found.entries}, self.app.time.now())
            if not merge.changed:
                break
            saved = self.store.save(merge.changed)  # somebody may edit at this moment: what was not saved is looked at again
            for remark in merge.remarks if all(saved) else ():
                logger.warning("%s", remark)
            self._renew()
        return found

    def _renew(self) -> None:
        """Ask for the lease in the middle of something that takes long, with thousands of entries on a slow machine.

        Raises:
            OperationalError: it is lost.
        """
        mono = self.app.time.monotonic()
        if self.leadership.asks(mono):
            granted = self.store.acquire(self.token, self.leadership.length)
            self.leadership.answered(granted, mono, self.app.time.monotonic())
            if not granted:
                raise OperationalError("another scheduler has taken the lease in the meantime")

    def _keep_up(self, mono: float) -> None:
        """Learn what was changed."""
        if mono < self._poll_at:
            return
        self._poll_at = mono + LOOK
        try:
            self.runs.write_backlog()
            if not self.runs.is_written_elsewhere:
                self.runs.write_reports()
            revision = self.store.revision()
            if revision < self.book.revision:
                self._restore()
            elif revision > self.book.revision:
                for name in self.book.take(self.store.changes(self.book.revision), self.app.time.now()):
                    logger.info("%s was changed: %s", name, self.book.entries[name].status)
        except OperationalError as error:
            self._say("trouble", "A look at the schedule has failed: %s. It is tried again.", error)

    def _restore(self) -> None:
        """Write all entries back into a store that has lost them."""
        logger.error("%s has lost its entries: %d are written back from memory.", self.store.public_url(), len(self.book.entries))
        self.store.close()  # what it knows of its own is void, too
        self.runs.namespace = self.store.namespace()
        self.store.save([replace(entry, revision=0) for entry in self.book.listed()])
        self.book.revision = 0
        self.book.take(self.store.changes(), self.app.time.now())

    # firing

    def _fire(self, names: Sequence[str]) -> None:
        """Plan what is due, claim it, and send what was granted."""
        now = self.app.time.now()
        firings: list[Firing] = []
        for name in names:
            entry = self.book.entries[name]
            if not entry.is_active:
                continue
            try:
                firings += self._planned(entry, now)
            except OperationalError:
                raise
            except Exception as error:  # a schedule of one's own
                self._say(name, "%s is left out for now: its schedule has raised %s: %s", name, type(error).__name__, error)
                self.book.agenda.put(name, now + _SILENCE)
        if not firings:
            return
        granted = self._claimed(firings)
        for firing, is_ours in zip(firings, granted, strict=True):
            self._advance(firing, granted=is_ours, now=now)
        self.runs.send([firing for firing, is_ours in zip(firings, granted, strict=True) if is_ours], self._leads)

    def _planned(self, entry: Entry, now: float) -> list[Firing]:
        found = plan(entry, now, deadline=self.app.conf.beat_cron_starting_deadline)
        if found.rebase:
            self._rebase(entry, now)
            return []
        self.book.agenda.put(entry.name, found.look_at)
        if found.left_out is not None:
            return [Firing(entry, Due(found.left_out), ())]
        return [Firing(entry, due, self.runs.made(entry, due, now)) for due in found.due]

    def _rebase(self, entry: Entry, now: float) -> None:
        logger.warning("%s counts anew: the clock was set back.", entry.name)
        moved = replace(entry, anchor=now, after=now)
        with contextlib.suppress(OperationalError):
            self.store.save([moved], rewind=True)
        self.book.put(moved, now)
        self._poll_at = 0.0

    def _claimed(self, firings: Sequence[Firing]) -> list[bool]:
        claims = [Claim(each.entry.name, each.entry.revision, each.due.slot, each.runs) for each in firings]
        try:
            return self.store.claim(self.token, claims)
        except OperationalError as error:
            if self.goes_alone:
                self._say(
                    "memory", "The schedule store %s has failed: %s. What is due is fired from memory.", self.store.public_url(), error
                )
                self.runs.backlog(claims)
                return [True] * len(claims)
            self._say("down", "The schedule store %s has failed: %s. Nothing is fired until it is back.", self.store.public_url(), error)
            return [False] * len(claims)

    def _advance(self, firing: Firing, *, granted: bool, now: float) -> None:
        """Take over what a claim has changed; one that was refused is looked at again after the next look at the store."""
        name = firing.entry.name
        entry = self.book.entries[name]
        if not granted:
            self._poll_at = 0.0
            self.leadership.ask_soon()
            self.book.agenda.put(name, now + LOOK)
            return
        fired = [run for run in firing.runs if run.state != model.SKIPPED]
        entry = replace(entry, after=firing.due.slot)
        if fired:
            entry = replace(entry, last_fired=fired[0].fired, last_id=fired[0].task_id, total_runs=entry.total_runs + 1)
        self.book.entries[name] = entry

    def _say(self, what: str, text: str, *values: object) -> None:
        """Log trouble, the same not more than once a minute."""
        mono = self.app.time.monotonic()
        if mono - self._told.get(what, -_SILENCE) >= _SILENCE:
            self._told[what] = mono
            logger.error(text, *values)

    # Celery's attributes

    def get_schedule(self) -> dict[str, ScheduleEntry]:
        """Return the entries by name, as Celery has them: copies."""
        return {entry.name: _as_celery(entry, self.app) for entry in self.book.listed() if entry.spec is not None}

    def add(self, **kwargs: Any) -> Any:
        """Add an entry to the store.

        Args:
            kwargs: ``name``, ``task``, ``schedule``, and what else ``app.schedules.add`` takes.
        """
        return self.app.schedules.add(**kwargs)

    def sync(self) -> None:
        """Write what is still to be written; all else is written as it happens."""
        with contextlib.suppress(OperationalError):
            self.runs.write_backlog()
        self.runs.write_reports()

    def close(self) -> None:
        """Give the lease back, when the broker has what was written."""
        if self.housekeeping is not None:
            self.housekeeping.stop()
        self.runs.flush()
        self.sync()
        self.runs.give_up("the scheduler was stopped before the broker could be reached")
        with contextlib.suppress(OperationalError):
            self.store.release(self.token)
        self.leadership.give_back()
        self.store.close()

    @property
    def info(self) -> str:
        return self.store.public_url()


def _as_celery(entry: Entry, app: Any) -> ScheduleEntry:
    from umbel.schedules.zones import at

    spec = entry.spec
    assert spec is not None
    return ScheduleEntry(
        entry.name, spec.task, at(entry.after, spec.schedule.tz), entry.total_runs, spec.schedule, spec.args, dict(spec.kwargs),
        dict(spec.options), app=app,
    )  # fmt: skip
