"""`DatabaseOutbox`: the outbox in one of the project's databases.

A relay locks the row of a shard for as long as it publishes what is in it, and skips those that others have locked: when it dies, its connection ends, and the lock with it.
Where a database cannot skip locked rows (SQLite), a relay has its shard for some seconds, and no transaction is open while it publishes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.utils import Error

from umbel.contrib.django import database
from umbel.contrib.django.models import OutboxMessage, OutboxShard
from umbel.contrib.outbox.base import LEASE, REFUSED, SHARDS, Row, is_gone, new_token
from umbel.runtime.clock import SYSTEM, Clock

_PATIENCE: Final = 5.0
_COLUMNS: Final = ("id", "task_id", "task", "envelope", "body")


class Taken:
    """Messages of one shard (`umbel.contrib.outbox.base.Batch`).

    Args:
        rows: by number.
    """

    def __init__(self, rows: Sequence[tuple[int, Row]]) -> None:
        self.rows = rows
        #: Numbers of those that the broker has.
        self.gone: list[int] = []
        #: Number → why it is refused.
        self.refused: dict[int, str] = {}

    def done(self, numbers: Sequence[int]) -> None:
        self.gone += numbers

    def refuse(self, number: int, reason: str) -> None:
        self.refused[number] = reason


class DatabaseOutbox:
    """`umbel.contrib.outbox.base.OutboxTable` in a database of the project.

    Args:
        alias: of the database.
        clock: by which shards are given back, where rows cannot be skipped.
    """

    def __init__(self, alias: str, clock: Clock = SYSTEM) -> None:
        self._alias = alias
        self._clock = clock
        self._messages = OutboxMessage.objects.using(alias)
        self._shards = OutboxShard.objects.using(alias)
        self._last = -1
        self._token = new_token()
        self._is_ready = False

    @contextlib.contextmanager
    def batch(self, most: int) -> Iterator[Taken | None]:
        self._prepare()
        connection = connections[self._alias]
        take = self._locked if connection.features.has_select_for_update_skip_locked else self._leased
        try:
            with take(most) as taken:
                yield taken
        except Error as error:
            connection.close()
            raise database.translated(self._alias, error) from error

    def close(self) -> None:
        connections[self._alias].close()

    @contextlib.contextmanager
    def _locked(self, most: int) -> Iterator[Taken | None]:
        with transaction.atomic(using=self._alias):
            for shard in self._waiting():
                if self._shards.select_for_update(skip_locked=True).filter(number=shard).first() is not None:
                    taken = self._read(shard, most)
                    if taken.rows:  # else another one has been here in between
                        self._last = shard
                        try:
                            yield taken
                        finally:
                            self._settle(taken)
                        return
            yield None

    @contextlib.contextmanager
    def _leased(self, most: int) -> Iterator[Taken | None]:
        shard = next((shard for shard in database.run(self._alias, self._waiting, _PATIENCE) if self._lease(shard)), None)
        if shard is None:
            yield None
            return
        taken = database.run(self._alias, lambda: self._read(shard, most), _PATIENCE)
        self._last = shard
        try:
            yield taken if taken.rows else None
        finally:

            def settle() -> None:
                self._shards.filter(number=shard, token=self._token).update(token="", until=0.0)
                self._settle(taken)

            database.run(self._alias, settle, LEASE)

    def _lease(self, shard: int) -> bool:
        now, rows = self._clock.now(), self._shards.filter(number=shard)
        free = Q(token="") | Q(token=self._token) | Q(until__lt=now) | Q(until__gt=now + 2 * LEASE)
        holder = database.run(self._alias, lambda: rows.values_list("token", flat=True).first(), _PATIENCE)
        if holder and is_gone(holder):
            free |= Q(token=holder)
        rows = rows.filter(free)
        return bool(database.run(self._alias, lambda: rows.update(token=self._token, until=now + LEASE), _PATIENCE))

    def _waiting(self) -> list[int]:
        """List the shards in which something is, those after that of the last time first."""
        something = Exists(self._messages.filter(shard=OuterRef("number")))
        found = list(self._shards.filter(something).values_list("number", flat=True))
        return sorted(found, key=lambda number: (number <= self._last, number))

    def _read(self, shard: int, most: int) -> Taken:
        rows = self._messages.filter(shard=shard).order_by("id").values_list(*_COLUMNS)[:most]
        return Taken([(number, Row(task_id, task, envelope, bytes(body))) for number, task_id, task, envelope, body in rows])

    def _settle(self, taken: Taken) -> None:
        if taken.gone:
            self._messages.filter(id__in=taken.gone)._raw_delete(self._alias)  # noqa: SLF001 - nothing refers to them
        for number, reason in taken.refused.items():
            self._messages.filter(id=number).update(shard=REFUSED, refused=reason)

    def _prepare(self) -> None:
        if self._is_ready:
            return

        def make() -> Any:
            if self._shards.count() < SHARDS:
                self._shards.bulk_create([OutboxShard(number=number) for number in range(SHARDS)], ignore_conflicts=True)

        database.run(self._alias, make, _PATIENCE)
        self._is_ready = True
