"""`SqlOutbox`: an outbox as relays see it. Shards are locked where locked rows can be skipped, else held for some seconds (`umbel.contrib.outbox.base`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from umbel.clients.sql.engine import translate
from umbel.contrib.outbox.base import LEASE, REFUSED, SHARDS, Row, is_gone, new_token
from umbel.contrib.sqlalchemy.tables import Tables
from umbel.runtime.clock import SYSTEM, Clock

#: Kinds of databases that skip locked rows.
_SKIPPING: Final = ("postgresql", "mysql", "mariadb", "oracle")


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


class SqlOutbox:
    """`umbel.contrib.outbox.base.OutboxTable` over an engine.

    Args:
        engine: of the database; a relay uses one connection of it.
        tables: of the outbox.
        clock: by which shards are given back, where rows cannot be skipped.
    """

    def __init__(self, engine: Engine, tables: Tables, clock: Clock = SYSTEM) -> None:
        self._engine = engine
        self._message, self._shard = tables.message, tables.shard
        self._clock = clock
        self._last = -1
        self._token = new_token()
        self._is_ready = False

    @contextlib.contextmanager
    def batch(self, most: int) -> Iterator[Taken | None]:
        try:
            self._prepare()
            take = self._locked if self._engine.dialect.name in _SKIPPING else self._leased
            with take(most) as taken:
                yield taken
        except exc.SQLAlchemyError as error:
            raise translate(error, self._engine.url, "outbox") from error

    def close(self) -> None:
        """Nothing is open: connections are the engine's."""

    @contextlib.contextmanager
    def _locked(self, most: int) -> Iterator[Taken | None]:
        shard = self._shard
        with self._engine.connect() as connection:
            # A lock is of no use with a view of the data that is older than it.
            with connection.execution_options(isolation_level="READ COMMITTED").begin():
                for number in self._waiting(connection):
                    if (
                        connection.execute(sa.select(shard).where(shard.c.number == number).with_for_update(skip_locked=True)).first()
                        is None
                    ):
                        continue
                    taken = self._read(connection, number, most)
                    if taken.rows:  # else another one has been here in between
                        self._last = number
                        try:
                            yield taken
                        finally:
                            self._settle(connection, taken)
                        return
            yield None

    @contextlib.contextmanager
    def _leased(self, most: int) -> Iterator[Taken | None]:
        with self._engine.begin() as connection:
            number = next((number for number in self._waiting(connection) if self._lease(connection, number)), None)
            taken = Taken(()) if number is None else self._read(connection, number, most)
        if number is None:
            yield None
            return
        self._last = number
        shard = self._shard
        try:
            yield taken if taken.rows else None
        finally:
            with self._engine.begin() as connection:
                mine = shard.update().where(shard.c.number == number, shard.c.token == self._token)
                connection.execute(mine.values(token="", until=0.0))
                self._settle(connection, taken)

    def _lease(self, connection: Connection, number: int) -> bool:
        shard, now = self._shard, self._clock.now()
        holder = connection.execute(sa.select(shard.c.token).where(shard.c.number == number)).scalar()
        mine = ["", self._token, *([holder] if holder and is_gone(holder) else ())]
        free = sa.or_(shard.c.token.in_(mine), shard.c.until < now, shard.c.until > now + 2 * LEASE)
        update = shard.update().where(shard.c.number == number, free).values(token=self._token, until=now + LEASE)
        return bool(connection.execute(update).rowcount)

    def _waiting(self, connection: Connection) -> list[int]:
        """List the shards in which something is, those after that of the last time first."""
        message, shard = self._message, self._shard
        something = sa.exists().where(message.c.shard == shard.c.number)
        found = connection.execute(sa.select(shard.c.number).where(something)).scalars()
        return sorted(found, key=lambda number: (number <= self._last, number))

    def _read(self, connection: Connection, number: int, most: int) -> Taken:
        message = self._message
        columns = (message.c.id, message.c.task_id, message.c.task, message.c.envelope, message.c.body)
        found = connection.execute(sa.select(*columns).where(message.c.shard == number).order_by(message.c.id).limit(most)).all()
        return Taken([(row.id, Row(row.task_id, row.task, row.envelope, bytes(row.body))) for row in found])

    def _settle(self, connection: Connection, taken: Taken) -> None:
        message = self._message
        if taken.gone:
            connection.execute(message.delete().where(message.c.id.in_(taken.gone)))
        for number, reason in taken.refused.items():
            connection.execute(message.update().where(message.c.id == number).values(shard=REFUSED, refused=reason))

    def _prepare(self) -> None:
        """Make the rows of the shards, beside others who may do so at this moment."""
        if self._is_ready:
            return
        for number in range(SHARDS):
            with contextlib.suppress(exc.IntegrityError), self._engine.begin() as connection:
                known: Any = connection.execute(sa.select(self._shard.c.number).where(self._shard.c.number == number)).first()
                if known is None:
                    connection.execute(self._shard.insert().values(number=number, token="", until=0.0))
        self._is_ready = True
