"""`DatabaseScheduleStore`: schedules in the project's database. Leases end by the server's clock, where it has one.

Each step is one transaction. Those that change entries or claim slots write to the one row of `ScheduleState` first, which is a lock on every kind of database.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from django.db.models import Count, F

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run
from umbel.beat.stores.base import VERSION, Changes, Claim, NewerVersion
from umbel.beat.stores.packing import RUN_COLUMNS, pack, row_of, run_of, unpack
from umbel.contrib.django import database
from umbel.contrib.django.models import PeriodicRun, PeriodicTask, ScheduleState
from umbel.contrib.django.results.store import alias_of
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

#: Seconds for which one step is tried.
_PATIENCE: Final = 4.0
#: Rows in one statement.
_BATCH: Final = 400
_LATEST: Final = ("-fired", "-slot", "-task_id")
_CHANGING: Final = ("state", "worker", "runtime", "ended", "detail", "state_rank")


class _Held(NamedTuple):
    """The one row, locked."""

    revision: int
    token: str
    until: float
    #: The server's time.
    now: float


class DatabaseScheduleStore:
    """`umbel.beat.stores.base.ScheduleStore` in tables of the project.

    Args:
        alias: of the database.
        clock: the time, where the database has none of its own.
    """

    shared = True

    def __init__(self, alias: str, clock: Clock = SYSTEM) -> None:
        self._alias = alias
        self._clock = clock
        self._state = ScheduleState.objects.using(alias)
        self._entries = PeriodicTask.objects.using(alias)
        self._runs = PeriodicRun.objects.using(alias)
        self._namespace = ""

    def namespace(self) -> str:
        if not self._namespace:

            def make() -> Any:
                row = ScheduleState(only_row=1, version=VERSION, namespace=uuid.uuid4().hex)
                self._state.bulk_create([row], ignore_conflicts=True)
                return self._state.get(only_row=1)

            found = self._run(make)
            if found.version != VERSION:
                raise NewerVersion(self.public_url(), found.version)
            self._namespace = str(found.namespace)
        return self._namespace

    # entries

    def revision(self) -> int:
        return int(self._run(lambda: self._state.filter(only_row=1).values_list("revision", flat=True).first()) or 0)

    def changes(self, since: int = 0) -> Changes:
        def read() -> tuple[int, list[Any]]:
            # The revision first: what is changed in between is found again by the next question.
            revision = self._state.filter(only_row=1).values_list("revision", flat=True).first() or 0
            return revision, list(self._entries.filter(revision__gt=since))

        revision, rows = self._run(read)
        return Changes(revision, tuple(map(_entry, rows)))

    def entry(self, name: str) -> Entry | None:
        row = self._run(lambda: self._entries.filter(name=name).first())
        return None if row is None or row.name != name else _entry(row)

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        saved: list[bool] = []
        for some in _batches(entries):
            texts = [pack(each) for each in some]
            saved += self._write(lambda held, some=some, texts=texts: self._save(held, some, texts, rewind=rewind))  # type: ignore[misc]
        return saved

    def _save(self, held: _Held, entries: Sequence[Entry], texts: Sequence[str], *, rewind: bool) -> list[bool]:
        known = {row.name: row for row in self._entries.filter(name__in=[each.name for each in entries])}
        revision, saved, added = held.revision, [], []
        for each, text in zip(entries, texts, strict=True):
            row = known.get(each.name)
            saved.append((0 if row is None else row.revision) == each.revision)
            if not saved[-1]:
                continue
            revision += 1
            values = {"document": text, "task": str(each.document.get("task") or "")[:255], "status": each.status, "revision": revision}
            if row is None:
                added.append(PeriodicTask(name=each.name, after=each.after, **values))
            else:
                self._entries.filter(name=each.name).update(after=each.after if rewind else max(each.after, row.after), **values)
        self._entries.bulk_create(added)
        self._state.update(revision=revision)
        return saved

    # claims

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        return self._write(lambda held: self._claim(held, token, claims))

    def _claim(self, held: _Held, token: str, claims: Sequence[Claim]) -> list[bool]:
        if held.token != token or held.until <= held.now:
            return [False] * len(claims)
        known = {row.name: row for row in self._entries.filter(name__in={claim.name for claim in claims})}
        granted: list[bool] = []
        recorded: list[Run] = []
        moved = set()
        for claim in claims:
            row = known.get(claim.name)
            if row is None or row.status != model.ACTIVE or row.revision != claim.revision:
                granted.append(False)
            elif claim.slot <= row.after:
                granted.append(self._is_ours(token, claim))
            else:
                granted.append(True)
                recorded += claim.runs
                _move(row, claim)
                moved.add(claim.name)
        self._record(recorded)
        for name in sorted(moved):
            known[name].save(using=self._alias, update_fields=["after", "last_fired", "last_id", "total_runs"])
        return granted

    def _is_ours(self, token: str, claim: Claim) -> bool:
        ids = [run.task_id for run in claim.runs]
        return bool(ids) and self._runs.filter(task_id__in=ids, holder=token, state=model.CLAIMED).count() == len(ids)

    # runs

    def record(self, runs: Sequence[Run]) -> None:
        self._run(lambda: self._record(runs))

    def _record(self, runs: Sequence[Run]) -> None:
        for some in _batches(runs):
            self._runs.bulk_create([PeriodicRun(**_row(run)) for run in some], ignore_conflicts=True)

    def report(self, reports: Sequence[Report]) -> None:
        for some in _batches(reports):
            self._run(lambda some=some: self._report(some))  # type: ignore[misc]

    def _report(self, reports: Sequence[Report]) -> None:
        ids = sorted({each.task_id for each in reports})
        rows = self._runs.filter(task_id__in=ids)
        rows.update(missed=F("missed"))  # a write first: it is the lock
        before = {row[0]: run_of(row) for row in rows.values_list(*RUN_COLUMNS)}
        known = dict(before)
        for report in reports:
            if report.task_id in known:
                known[report.task_id] = model.reported(known[report.task_id], report)
        for task_id in ids:
            if task_id in known and known[task_id] != before[task_id]:
                row = _row(known[task_id])
                self._runs.filter(task_id=task_id).update(**{name: row[name] for name in _CHANGING})

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        found = self._runs.order_by(*_LATEST) if name is None else self._runs.filter(entry=name).order_by(*_LATEST)
        return self._list(found[:limit])

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        return self._list(self._runs.filter(state_rank__lt=model.OVER, fired__gt=since).order_by("fired", "task_id")[:limit])

    def trim(self, keep: int, before: float) -> int:
        dropped = 0
        while ids := self._ids(self._runs.filter(fired__lt=before).order_by("fired")[:_BATCH]):
            dropped += self._drop(ids)
        long = self._run(lambda: list(self._runs.order_by().values("entry").annotate(n=Count("task_id")).filter(n__gt=keep)))
        for name in [row["entry"] for row in long]:
            while ids := self._ids(self._runs.filter(entry=name).order_by(*_LATEST)[keep : keep + _BATCH]):
                dropped += self._drop(ids)
        removed = self._run(lambda: list(self._entries.filter(status=model.REMOVED, after__lt=before)))
        gone = [row.name for row in removed if not _entry(row).code]
        for some in _batches(gone):
            self._run(self._entries.filter(name__in=some, status=model.REMOVED).delete)
        return dropped

    def _ids(self, rows: Any) -> list[str]:
        return self._run(lambda: list(rows.values_list("task_id", flat=True)))

    def _drop(self, ids: Sequence[str]) -> int:
        return int(self._run(self._runs.filter(task_id__in=ids).delete)[0])

    # lease

    def acquire(self, token: str, seconds: float) -> bool:
        def write(held: _Held) -> bool:
            if held.token not in ("", token) and held.until > held.now:
                return False
            self._state.update(token=token, until=held.now + seconds)
            return True

        return self._write(write)

    def release(self, token: str) -> None:
        self._run(lambda: self._state.filter(token=token).update(token=""))

    def holder(self) -> str | None:
        def read() -> str | None:
            row = self._state.filter(only_row=1).first()
            now = database.server_time(self._alias, self._clock.now())
            return str(row.token) if row is not None and row.token and row.until > now else None

        return self._run(read)

    def public_url(self) -> str:
        return f"django-db://{self._alias}"

    def close(self) -> None:
        """Nothing is open that is not Django's."""

    def _run(self, work: Callable[[], R]) -> R:
        return database.run(self._alias, work, _PATIENCE)

    def _write(self, work: Callable[[_Held], R]) -> R:
        """Do something while the one row is locked. Its ``now`` is that before a wait for the lock: no lease ends before its holder's trust in it does."""
        self.namespace()

        def locked() -> R:
            now = database.server_time(self._alias, self._clock.now())
            self._state.filter(only_row=1).update(version=VERSION)
            row = self._state.get(only_row=1)
            return work(_Held(row.revision, row.token, row.until, now))

        return self._run(locked)

    def _list(self, rows: Any) -> list[Run]:
        return [run_of(row) for row in self._run(lambda: list(rows.values_list(*RUN_COLUMNS)))]


def _entry(row: Any) -> Entry:
    columns = {
        "revision": row.revision,
        "after": row.after,
        "last_fired": row.last_fired,
        "last_id": row.last_id,
        "total_runs": row.total_runs,
    }
    return unpack(row.name, row.document, row.status, columns)


def _move(row: Any, claim: Claim) -> None:
    """Note in a row that a slot has been claimed."""
    row.after = claim.slot
    fired = [run for run in claim.runs if run.state != model.SKIPPED]
    if fired:
        row.last_fired, row.last_id, row.total_runs = fired[0].fired, fired[0].task_id, row.total_runs + 1


def _row(run: Run) -> dict[str, Any]:
    return {**dict(zip(RUN_COLUMNS, row_of(run), strict=True)), "state_rank": model.rank_of(run.state)}


def _batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))


def described(document: str) -> Mapping[str, Any]:
    """Read what an entry's text says of its task and schedule; empty where it cannot be read.

    Args:
        document: of a `PeriodicTask`.
    """
    try:
        found = json.loads(document)["spec"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def connect(url: str, app: Any) -> DatabaseScheduleStore:
    """Make the store for ``django-db`` or ``django-db://alias``.

    Args:
        url: of the store.
        app: whose schedules it keeps.

    Raises:
        ImproperlyConfigured: there is no such database, or Django is not set up.
    """
    return DatabaseScheduleStore(alias_of(url), app.time)
