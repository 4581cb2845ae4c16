"""`SessionOutbox`: calls are rows of the transaction of a session, plain or asynchronous."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, registry, sessionmaker

from umbel.contrib.outbox import service
from umbel.contrib.outbox.base import Row, Writer, shard_of_process
from umbel.contrib.outbox.relay import Relay
from umbel.contrib.sqlalchemy.relayed import SqlOutbox
from umbel.contrib.sqlalchemy.tables import WIDTH, tables_in
from umbel.errors import ImproperlyConfigured
from umbel.runtime.clock import SYSTEM

_PREFIX: Final = "umbel_outbox"


class SessionOutbox:
    """The outbox of an app in the database of its sessions.

    Args:
        app: whose calls are rows inside `within`.
        engine: by which a worker's relay reaches the database; a URL will do. Not given, this process writes only, and another one relays.
        metadata: of the program, so that its ``create_all`` or its migrations make the two tables; one of its own when not given.
        prefix: of the tables' names.
        schema: of the tables.

    Raises:
        ImproperlyConfigured: the engine is one for coroutines.
    """

    def __init__(
        self,
        app: Any,
        engine: Engine | str | None = None,
        *,
        metadata: sa.MetaData | None = None,
        prefix: str = _PREFIX,
        schema: str | None = None,
    ) -> None:
        self._app = app
        self.metadata: Any = sa.MetaData() if metadata is None else metadata
        self.tables = tables_in(self.metadata, prefix, schema)
        self._engine = sa.create_engine(engine) if isinstance(engine, str) else engine
        if self._engine is not None and not isinstance(self._engine, Engine):
            raise ImproperlyConfigured(
                "SessionOutbox(engine=…) is a URL or a plain engine: a relay is no coroutine; async_engine.sync_engine is none"
            )
        self._session: ContextVar[Any] = ContextVar("umbel_outbox_session", default=None)
        self._message = type("OutboxMessage", (), {})
        registry(metadata=self.metadata).map_imperatively(self._message, self.tables.message)
        service.connect(app, self._writer, self.relays)

    def create_tables(self) -> None:
        """Make the tables that are not there yet, by the engine.

        Raises:
            ImproperlyConfigured: there is no engine.
        """
        tables = self.tables
        self.metadata.create_all(self._needed(), tables=[tables.message, tables.shard])

    @contextlib.contextmanager
    def within(self, session: Any) -> Iterator[Any]:
        """Inside this block calls of the app are rows of a session: sent when it commits, never if it rolls back. Also around ``await``.

        Args:
            session: a `Session`, or an `AsyncSession`.
        """
        token = self._session.set(session)
        try:
            yield session
        finally:
            self._session.reset(token)

    def follow(self, factory: sessionmaker[Any]) -> None:
        """Have each session of a factory that begins a transaction be the one of its thread, or of its coroutine, until that ends: without `within`.

        Args:
            factory: makes the program's sessions.
        """

        def begin(session: Session, _transaction: Any, _connection: Any) -> None:
            self._session.set(session)

        def end(session: Session, transaction: Any) -> None:
            if transaction.parent is None and self._session.get() is session:
                self._session.set(None)

        event.listen(factory, "after_begin", begin)
        event.listen(factory, "after_transaction_end", end)

    def relays(self) -> list[Relay]:
        """Make the relay of a worker; none without an engine."""
        if self._engine is None:
            return []
        return [Relay(SqlOutbox(self._engine, self.tables), partial(service.direct_publisher, self._app), "outbox")]

    def drain(self) -> int:
        """Publish what is there now; returns how many messages. For a program without workers of its own, and for tests.

        Raises:
            ImproperlyConfigured: there is no engine.
            OperationalError: the broker or the database is away.
        """
        self._needed()
        return sum(relay.drain() for relay in self.relays())

    def _needed(self) -> Engine:
        if self._engine is None:
            raise ImproperlyConfigured("this outbox has no engine: SessionOutbox(app, engine)")
        return self._engine

    def _writer(self) -> Writer | None:
        session = self._session.get()
        return None if session is None else partial(self._write, session)

    def _write(self, session: Any, rows: Sequence[Row]) -> None:
        """Add rows; they are written with what else the session has, when it is flushed."""
        shard, now = shard_of_process(), SYSTEM.now()
        for row in rows:
            message = self._message()
            values = {"shard": shard, "task_id": row.task_id[:WIDTH], "task": row.task[:WIDTH], "envelope": row.envelope, "body": row.body}
            for name, value in {**values, "created": now}.items():
                setattr(message, name, value)
            session.add(message)
