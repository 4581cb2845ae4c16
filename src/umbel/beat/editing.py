"""`Schedules`: an app's entries, looked at and edited while beat runs, from any process. ``app.schedules``; ``umbel schedule`` is this on the command line."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from umbel.beat.entries import merging, model
from umbel.beat.entries.documents import IN_CODE, document_of
from umbel.beat.entries.model import Entry, Report, Run, Spec
from umbel.beat.entries.reading import check_name, read
from umbel.beat.entries.usual import read_code
from umbel.beat.runs import firing
from umbel.beat.runs.outcomes import report_of
from umbel.beat.stores.base import ScheduleStore
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.messages.ids import uuid7
from umbel.schedules.base import is_asked

Entries = list[Entry]  # in the class, that name is a method's
Runs = list[Run]

#: Times that an edit is tried while others edit the same entry.
_ROUNDS: Final = 10


class NoSuchEntry(ImproperlyConfigured, KeyError):
    """An error: there is no entry of this name."""

    __str__ = Exception.__str__


class Schedules:
    """The entries of an app. Thread-safe; each method has a form for coroutines, with an ``a`` before its name.

    Args:
        app: whose entries.
        store: in which they are; that of the settings when not given.
    """

    def __init__(self, app: Any, store: ScheduleStore | None = None) -> None:
        self._app = app
        self._store = store

    @property
    def store(self) -> ScheduleStore:
        """The store."""
        if self._store is None:
            from umbel.beat.stores.registry import store_of

            self._store = store_of(self._app)
        return self._store

    # looking

    def list(self) -> Entries:
        """List the entries, by name: those of the store, and those of the code that no scheduler has seen yet."""
        stored = {entry.name: entry for entry in self.store.changes().entries}
        found = {**self._unseen(stored), **stored}
        return sorted((self._completed(each) for each in found.values() if each.status != model.REMOVED), key=lambda each: each.name)

    def get(self, name: str) -> Entry:
        """Return one entry.

        Args:
            name: of it.

        Raises:
            NoSuchEntry: there is none.
        """
        entry = self._find(name)
        if entry.status == model.REMOVED:
            raise self._none(name)
        return entry

    def history(self, name: str | None = None, limit: int = 20) -> Runs:
        """List runs, the latest first, with what the result store knows of them by now.

        Args:
            name: of one entry; of all when not given.
            limit: how many at most.

        Raises:
            NoSuchEntry: there is no such entry, and there are no runs of one.
        """
        runs = self.store.runs(name, limit)
        if not runs and name is not None:
            self.get(name)
        waiting = [run for run in runs if model.rank_of(run.state) < model.LAST]
        results = self._app.store
        if not waiting or results is None or not results.shared:
            return runs
        records = results.fetch([run.task_id for run in waiting])
        reports = {task_id: report_of(record) for task_id, record in records.items() if record.status != "PENDING"}
        if reports:
            self.store.report(list(reports.values()))
        return [model.reported(run, reports[run.task_id]) if run.task_id in reports else run for run in runs]

    # editing

    def add(self, name: str, task: Any, schedule: Any, *, paused: bool = False, force: bool = False, **fields: Any) -> Entry:
        """Add an entry. It counts from now.

        Args:
            name: of the entry.
            task: the task, or its name.
            schedule: seconds, a timedelta, or one of `umbel.schedules`.
            paused: it is not sent until it is resumed.
            force: also where this app has no such task.
            **fields: ``args``, ``kwargs``, ``options``, ``timezone``, ``relative``, ``misfire``, ``misfire_grace``, ``misfire_limit``, ``jitter``, ``overlap``,
                ``expire_at_next``, ``workers``, ``description``.

        Raises:
            ImproperlyConfigured: something is wrong with it, or there is an entry of this name.
        """
        spec = self._checked({"task": task, "schedule": schedule, **fields}, force=force)
        now = self._app.time.now()
        status = model.PAUSED if paused else model.ACTIVE
        for _ in range(_ROUNDS):
            known = self.store.entry(check_name(name)) or self._unseen({}).get(name)
            if known is not None and known.status != model.REMOVED:
                raise ImproperlyConfigured(
                    f"there is an entry {name!r} already: {known.document.get('task')}; edit it, or take another name"
                )
            entry = Entry(name=name, spec=spec, document=document_of(spec), source=model.USER, status=status, anchor=now, after=now)
            if known is not None:
                entry = replace(entry, revision=known.revision, code=known.code)
            if self.store.save([entry]) == [True]:
                return self.get(name)
        raise OperationalError(f"{name!r} is changed by others all the time: try again")

    def edit(self, name: str, *, force: bool = False, **changes: Any) -> Entry:
        """Change an entry. From then on it is a person's: a deploy leaves it alone, until `reset`.

        Args:
            name: of the entry.
            force: also where this app has no such task.
            **changes: what `add` takes, in place of what the entry says.

        Raises:
            NoSuchEntry: there is none.
            ImproperlyConfigured: something is wrong with it then.
        """

        def changed(entry: Entry) -> Entry:
            if entry.spec is None and not {"task", "schedule"} <= changes.keys():
                raise ImproperlyConfigured(f"{name!r} cannot be read ({entry.reason}): say its task and its schedule")
            before = _given(entry.spec) if entry.spec is not None else {}
            given = {**before, **changes}
            if "timezone" in changes and "schedule" not in changes:
                given["timezone"] = changes["timezone"]
            spec = self._checked(given, force=force)
            document = document_of(spec)
            status = model.ACTIVE if entry.status == model.DISABLED else entry.status
            found = replace(entry, spec=spec, document=document, source=model.USER, status=status, reason="")
            if document["schedule"] == entry.document.get("schedule"):
                return found
            now = self._app.time.now()
            return replace(found, anchor=now, after=now)

        return self._change(name, changed)

    def pause(self, name: str) -> Entry:
        """Do not send an entry until it is resumed.

        Args:
            name: of the entry.

        Raises:
            NoSuchEntry: there is none.
        """
        return self._change(name, lambda entry: replace(entry, status=model.PAUSED))

    def resume(self, name: str) -> Entry:
        """Send an entry again, from now on: what was due while it was paused is left out.

        Args:
            name: of the entry.

        Raises:
            NoSuchEntry: there is none.
            ImproperlyConfigured: it cannot be sent as it is.
        """

        def resumed(entry: Entry) -> Entry:
            if entry.status == model.DISABLED:
                raise ImproperlyConfigured(f"{name!r} is disabled: {entry.reason}. Edit it.")
            return entry if entry.status == model.ACTIVE else replace(entry, status=model.ACTIVE, after=self._app.time.now())

        return self._change(name, resumed)

    def remove(self, name: str) -> None:
        """Remove an entry. One of the code does not come back with the next deploy, until `reset`.

        Args:
            name: of the entry.

        Raises:
            NoSuchEntry: there is none.
        """
        self._change(name, lambda entry: replace(entry, status=model.REMOVED, source=model.USER))

    def reset(self, name: str) -> Entry:
        """Let an entry be what the code says, also if it was edited or removed by hand. It counts from now.

        Args:
            name: of the entry.

        Raises:
            NoSuchEntry: the code has no such entry.
        """
        said = self._code().get(name)
        if said is None:
            raise NoSuchEntry(f"the code has no entry {name!r}: beat_schedule and add_periodic_task name {self._names(self._code())}")
        for _ in range(_ROUNDS):
            known = self.store.entry(name)
            (entry,) = merging.merge({name: said}, {}, self._app.time.now()).changed
            if self.store.save([replace(entry, revision=0 if known is None else known.revision)]) == [True]:
                return self.get(name)
        raise OperationalError(f"{name!r} is changed by others all the time: try again")

    def run(self, name: str) -> Any:
        """Send an entry's task now, whatever its schedule; returns its result, that of the first where several workers get one.

        Args:
            name: of the entry.

        Raises:
            NoSuchEntry: there is none.
            ImproperlyConfigured: it cannot be sent as it is.
            OperationalError: the broker does not take it.
        """
        entry = self.get(name)
        spec = entry.spec
        if spec is None:
            raise ImproperlyConfigured(
                f"{name!r} cannot be sent from here: {entry.reason or 'its arguments are in the code of another program'}"
            )
        now = self._app.time.now()
        runs = [
            Run(task_id=uuid7(now), entry=name, slot=now, fired=now, by_hand=True, worker=target, holder="by hand")
            for target in spec.targets
        ]
        self.store.record(runs)
        for run in runs:
            try:
                firing.send(self._app, spec, run, confirm=True)
            except Exception as error:
                self.store.report([Report(task_id=run.task_id, state=model.UNSENT, detail=f"{type(error).__name__}: {error}")])
                raise
        self.store.report([Report(task_id=run.task_id, state=model.SENT, worker=run.worker) for run in runs])
        return self._app.handle(runs[0].task_id, spec.task)

    def close(self) -> None:
        """Disconnect. It may be used again."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    # for coroutines

    async def alist(self) -> Entries:
        """`list`."""
        return await asyncio.to_thread(self.list)

    async def aget(self, name: str) -> Entry:
        """`get` the entry ``name``."""
        return await asyncio.to_thread(self.get, name)

    async def ahistory(self, name: str | None = None, limit: int = 20) -> Runs:
        """`history` of the entry ``name``, at most ``limit`` runs."""
        return await asyncio.to_thread(self.history, name, limit)

    async def aadd(self, name: str, task: Any, schedule: Any, **fields: Any) -> Entry:
        """`add` an entry ``name`` of ``task`` and ``schedule`` with ``**fields``."""
        return await asyncio.to_thread(lambda: self.add(name, task, schedule, **fields))

    async def aedit(self, name: str, **changes: Any) -> Entry:
        """`edit` the entry ``name`` by ``**changes``."""
        return await asyncio.to_thread(lambda: self.edit(name, **changes))

    async def apause(self, name: str) -> Entry:
        """`pause` the entry ``name``."""
        return await asyncio.to_thread(self.pause, name)

    async def aresume(self, name: str) -> Entry:
        """`resume` the entry ``name``."""
        return await asyncio.to_thread(self.resume, name)

    async def aremove(self, name: str) -> None:
        """`remove` the entry ``name``."""
        await asyncio.to_thread(self.remove, name)

    async def areset(self, name: str) -> Entry:
        """`reset` the entry ``name``."""
        return await asyncio.to_thread(self.reset, name)

    async def arun(self, name: str) -> Any:
        """`run` the entry ``name``."""
        return await asyncio.to_thread(self.run, name)

    # parts

    def _code(self) -> dict[str, Spec | str]:
        return read_code(self._app)

    def _unseen(self, stored: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the entries of the code that are not in the store."""
        code = {name: said for name, said in self._code().items() if name not in stored}
        return {entry.name: entry for entry in merging.merge(code, {}, self._app.time.now()).changed}

    def _completed(self, entry: Entry) -> Entry:
        """Give an entry of the code what JSON cannot hold of it."""
        if entry.spec is not None or not entry.document.get(IN_CODE):
            return entry
        said = self._code().get(entry.name)
        return replace(entry, spec=said) if isinstance(said, Spec) else entry

    def _find(self, name: str) -> Entry:
        entry = self.store.entry(name) or self._unseen({}).get(name)
        if entry is None:
            raise self._none(name)
        return self._completed(entry)

    def _none(self, name: str) -> NoSuchEntry:
        return NoSuchEntry(f"there is no entry {name!r}: {self._names({each.name: each for each in self.list()}, name)}")

    def _names(self, known: Mapping[str, Any], name: str = "") -> str:
        close = difflib.get_close_matches(name, list(known), n=1)
        if close:
            return f"did you mean {close[0]!r}?"
        return f"there are {', '.join(map(repr, sorted(known)[:20]))}" if known else "there are none"

    def _change(self, name: str, change: Callable[[Entry], Entry]) -> Entry:
        for _ in range(_ROUNDS):
            entry = self.get(name)
            if self.store.save([change(entry)]) == [True]:
                return self._find(name)
        raise OperationalError(f"{name!r} is changed by others all the time: try again")

    def _checked(self, given: Mapping[str, Any], *, force: bool) -> Spec:
        """Read what a person gave, and refuse what could never be sent."""
        spec = read(given, self._app)
        document = document_of(spec)
        if document.get(IN_CODE):
            raise ImproperlyConfigured(
                "it cannot be kept in a store: its schedule must be one of umbel.schedules, and its arguments and options must be such that JSON can hold; "
                "what is made when it is sent (BeatLazyFunc) belongs into beat_schedule"
            )
        now = self._app.time.now()
        if not is_asked(spec.schedule) and spec.schedule.next_after(now, now) is None:
            raise ImproperlyConfigured(f"it would never be due: {spec.schedule.sentence}")
        size, most = len(repr((spec.args, spec.kwargs))), self._app.conf.message_max_body
        if size > most:
            raise ImproperlyConfigured(f"its arguments are about {size:,} bytes, and a message may have {most:,} (message_max_body)")
        if not force and spec.task not in self._app.tasks:
            close = difflib.get_close_matches(spec.task, list(self._app.tasks), n=1)
            raise ImproperlyConfigured(
                f"this app has no task {spec.task!r}{f'; did you mean {close[0]!r}?' if close else ''} (force it if only workers have it)"
            )
        return spec


def _given(spec: Spec) -> dict[str, Any]:
    """Write a spec as the arguments of `Schedules.add`."""
    return {each.name: getattr(spec, each.name) for each in fields(spec)}
