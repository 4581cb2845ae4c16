"""`DatabaseStore`: results in the project's database, over Django's own connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db import connections
from django.db.models import Q

from umbel import states
from umbel.brokers.base import Publisher
from umbel.contrib.django import database
from umbel.contrib.django.models import TaskResult
from umbel.contrib.django.results.rows import RowCodec, key_of
from umbel.contrib.django.results.values import DatabaseValues
from umbel.results.base import StoreOptions
from umbel.results.keyvalue.groups import KeyValueGroups
from umbel.results.keyvalue.names import Names
from umbel.results.keyvalue.revocations import KeyValueRevocations
from umbel.results.model import Record, sent
from umbel.results.polling import PollingWatch
from umbel.results.waiting import Waiting
from umbel.runtime.clock import SYSTEM

#: Seconds for which an ended task's result is kept trying; for reads.
_STORE_PATIENCE, _READ_PATIENCE = 30.0, 5.0
#: Ids in one statement.
_BATCH: Final = 500
_FIELDS: Final = (
    "task_id", "status", "content_type", "content_encoding", "result", "traceback", "meta", "date_done", "task_args", "task_kwargs", "task_name", "worker",
)  # fmt: skip


class DatabaseStore:
    """`umbel.results.base.ResultStore` in a table of the project.

    It uses the connection of the thread that calls it: inside a transaction, what is stored is there when that is committed.

    Args:
        options: of the store.
        alias: of the database.
    """

    shared = True
    #: What has expired goes when `cleanup` is called, and not by itself.
    needs_cleanup = True
    reply_to: str | None = None

    def __init__(self, options: StoreOptions, alias: str) -> None:
        self.options = options
        self._alias = alias
        self._rows = TaskResult.objects.using(alias)
        self._codec = RowCodec(options)
        self._values, names = DatabaseValues(alias), Names()
        self._names = names
        self.groups = KeyValueGroups(self._values, names, options)
        self.revocations = KeyValueRevocations(self._values, names)
        self._watch = PollingWatch(self._fetch_aside)
        self._waiting: Waiting[Record] = Waiting(self._watch, lambda record: record)
        #: Held by the one thread that looks for a result itself before it waits.
        self._looking = threading.Lock()

    def expect(self, task_id: str) -> None:
        """Do nothing: everybody reads the same table.

        Args:
            task_id: of the task.
        """

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        newest: dict[str, Record] = {}
        for record in records:
            known = newest.get(record.task_id)
            if known is None or known.status not in states.READY_STATES:
                newest[record.task_id] = record
        now = SYSTEM.now()
        # By id: two bursts with the same tasks must not wait for each other.
        rendered = sorted((self._codec.render(record, now) for record in newest.values()), key=lambda row: str(row["task_id"]))
        for first in range(0, len(rendered), _BATCH):
            database.run(self._alias, partial(self._write, rendered[first : first + _BATCH]), _STORE_PATIENCE)

    def _write(self, rendered: Sequence[dict[str, Any]]) -> None:
        self._rows.bulk_create([TaskResult(**row) for row in rendered], ignore_conflicts=True)
        may_change = ~Q(status__in=states.READY_STATES)
        if self.options.expires:
            may_change |= Q(date_done__lt=self._expired_before())
        rows = {row["task_id"]: row for row in rendered}
        for task_id in sorted(self._rows.filter(may_change, task_id__in=list(rows)).values_list("task_id", flat=True)):
            if task_id in rows:
                self._rows.filter(may_change, task_id=task_id).update(**rows[task_id])

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for first in range(0, len(task_ids), _BATCH):
            ids = {key_of(task_id): task_id for task_id in task_ids[first : first + _BATCH]}
            for row in database.run(self._alias, partial(self._read, list(ids)), _READ_PATIENCE):
                if row["task_id"] in ids:  # a database may take different ids for the same
                    task_id = ids[row["task_id"]]
                    found[task_id] = self._codec.read(task_id, row)
        return found

    def _read(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        rows = self._rows.filter(task_id__in=keys)
        if self.options.expires:
            rows = rows.filter(date_done__gte=self._expired_before())
        return list(rows.values(*_FIELDS))

    def _fetch_aside(self, task_ids: Sequence[str]) -> dict[str, Record]:
        """Fetch in a thread of our own, of whose connection nobody else takes care."""
        try:
            return self.fetch(task_ids)
        finally:
            connections[self._alias].close_if_unusable_or_obsolete()

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        if self._looking.acquire(blocking=timeout is not None and timeout <= 0):
            try:
                record = self.fetch([task_id]).get(task_id)
            finally:
                self._looking.release()
            if record is not None and record.status in states.READY_STATES:
                return record
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        for first in range(0, len(task_ids), _BATCH):
            keys = [key_of(task_id) for task_id in task_ids[first : first + _BATCH]]
            database.run(self._alias, self._rows.filter(task_id__in=keys).delete, _READ_PATIENCE)

    def cleanup(self) -> int:
        expires, names = self.options.expires, self._names
        self._values.cleanup({names.trees: expires, names.chords: self.groups.keep})
        if not expires:
            return 0
        count = 0
        while dropped := database.run(self._alias, self._drop_some, _STORE_PATIENCE):
            count += dropped
        return count

    def _drop_some(self) -> int:
        old = self._rows.filter(date_done__lt=self._expired_before()).order_by("pk").values_list("pk", flat=True)
        dropped: int = self._rows.filter(pk__in=list(old[:_BATCH])).delete()[0]
        return dropped

    def _expired_before(self) -> datetime:
        assert self.options.expires is not None
        return datetime.fromtimestamp(SYSTEM.now() - self.options.expires, UTC)

    def public_url(self) -> str:
        return self._values.public_url()

    def close(self) -> None:
        self._watch.close()


def connect(options: StoreOptions) -> DatabaseStore:
    """Make the store for ``django-db`` or ``django-db://alias``.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: there is no such database, or Django is not set up.
    """
    return DatabaseStore(options, alias_of(options.url))


def alias_of(url: str) -> str:
    """Return the alias of the database that a URL names.

    Args:
        url: ``django-db://``, or ``django-db://alias``.

    Raises:
        ImproperlyConfigured: there is no such database, or Umbel is not installed in the project.
    """
    import django
    from django.apps import apps

    from umbel.contrib.django.settings import database as default
    from umbel.errors import ImproperlyConfigured

    if not apps.ready and not apps.loading:
        django.setup()
    if not apps.is_installed("umbel.contrib.django"):
        raise ImproperlyConfigured("django-db needs its tables: add 'umbel.contrib.django' to INSTALLED_APPS, and run manage.py migrate")
    alias = url.partition("://")[2].strip("/")
    if alias and alias not in connections:
        raise ImproperlyConfigured(f"{url}: DATABASES has no {alias!r}, only {', '.join(connections)}")
    return alias or default()
