"""The engine: made from a URL and the ``database_*`` settings, one in each process, with errors in plain words. A server that is away is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine

from umbel.clients.sql.addresses import public, without_password
from umbel.errors import AccessRefused, ImproperlyConfigured, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays

R = TypeVar("R")

_REFUSED: Final = (
    "authentication failed", "access denied", "permission denied", "command denied", "no password supplied", "no pg_hba.conf entry",
    "readonly database", "read-only",
)  # fmt: skip
_ABSENT: Final = ("does not exist", "doesn't exist", "unknown database", "no such table", "no such column", "unknown column")
#: What may succeed when it is tried again, whatever class the driver gives it.
_PASSING: Final = ("deadlock", "database is locked", "lock wait timeout", "could not serialize", "record has changed since last read")
#: Seconds; drivers that understand the keyword. Without it, some wait for minutes for a host that does not answer.
_CONNECT_TIMEOUT: Final = 10
_WITH_TIMEOUT: Final = frozenset({"psycopg", "psycopg2", "pymysql", "mysqldb"})
#: A transaction that only reads: it takes no lock in SQLite.
READS: Final = "umbel_reads"


class Database:
    """One engine per process, made when it is first used.

    Args:
        url: see `umbel.clients.sql.addresses.url_of`.
        options: keywords of `sqlalchemy.create_engine` (``database_engine_options``).
        callback: gets each engine that is made (``database_engine_callback``).
        prepare: called once per engine: makes the tables.
        what: it is, in errors.
    """

    def __init__(
        self,
        url: URL,
        options: Mapping[str, Any],
        callback: Callable[[Engine], object] | None,
        prepare: Callable[[Engine], None],
        what: str = "SQL database",
    ) -> None:
        self.url = url
        self._what = what
        self._options = _with_defaults(url, options)
        self._callback = callback
        self._prepare = prepare
        self._engine: Engine | None = None
        self._is_prepared = False
        self._lock = threading.Lock()
        process_hooks.attach(after_fork=self.forget)

    def forget(self) -> None:
        """Leave the connections to the parent, in a forked child."""
        engine, self._engine = self._engine, None
        self._is_prepared = False
        self._lock = threading.Lock()
        if engine is not None:
            engine.dispose(close=False)

    def close(self) -> None:
        """Disconnect. The next use connects again."""
        with self._lock:
            engine, self._engine = self._engine, None
            self._is_prepared = False
        if engine is not None:
            engine.dispose()

    def _ready(self) -> Engine:
        """Return the engine, with its tables made."""
        engine = self._engine
        if engine is None or not self._is_prepared:
            with self._lock:
                if self._engine is None:
                    self._engine = self._make()
                engine = self._engine
                if not self._is_prepared:
                    self._prepare(engine)
                    self._is_prepared = True
        return engine

    def _make(self) -> Engine:
        try:
            engine = sa.create_engine(self.url, **self._options)
        except (exc.SQLAlchemyError, TypeError, ImportError) as error:
            text = without_password(str(error), self.url)
            raise ImproperlyConfigured(f"the {self._what} cannot be opened; see database_engine_options: {text}") from None
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        if self._callback is not None:
            self._callback(engine)
        return engine

    def prepare(self, patience: float) -> None:
        """Make the tables, unless this has been done.

        Args:
            patience: seconds.

        Raises:
            OperationalError: see `run`.
        """
        if self._engine is None or not self._is_prepared:
            self.run(lambda _: None, patience)

    def run(self, work: Callable[[Connection], R], patience: float, *, reads: bool = False) -> R:
        """Run one transaction, again after a deadlock, a lost connection, or where the server is away.

        Args:
            work: gets a connection inside a transaction; may be called several times.
            patience: seconds for which it is tried.
            reads: it writes nothing.

        Raises:
            AccessRefused: the server does not let us in, or not do this.
            OperationalError: it cannot be reached in time, or refuses the statement.
        """
        end = time.monotonic() + patience
        for pause in delays(0.05, most=2.0):
            try:
                with self._ready().connect() as connection, connection.execution_options(**{READS: reads}).begin():
                    return work(connection)
            except exc.SQLAlchemyError as error:
                told = translate(error, self.url, self._what)
                if told.is_permanent:
                    self._is_prepared = False  # somebody may have dropped a table
                    raise told from None  # SQLAlchemy's own text holds the statement
                if time.monotonic() + pause > end:
                    raise OperationalError(f"{told} (tried for {patience:g} s)") from None
            time.sleep(pause)
        raise AssertionError


def _with_defaults(url: URL, options: Mapping[str, Any]) -> dict[str, Any]:
    found = {"hide_parameters": True, **options}
    if url.get_backend_name() in ("mysql", "mariadb"):
        found.setdefault("isolation_level", "READ COMMITTED")  # its own default locks gaps between rows, so that inserts deadlock
    if url.get_driver_name() in _WITH_TIMEOUT and "connect_timeout" not in url.query:
        found["connect_args"] = {"connect_timeout": _CONNECT_TIMEOUT, **(found.get("connect_args") or {})}
    return found


def translate(error: exc.SQLAlchemyError, url: URL, what: str = "SQL database") -> OperationalError:
    """Say an error of the database in plain words, without its statement, its values and the password.

    Args:
        error: of SQLAlchemy.
        url: of the database.
        what: the database is.
    """
    cause = getattr(error, "orig", None) or error
    said = " ".join(without_password(str(cause), url).split())
    text = f"the {what} {public(url)}: {said or type(cause).__name__}"
    low = said.lower()
    if any(words in low for words in _REFUSED):
        return AccessRefused(text)
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    may_pass = isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.IntegrityError, exc.TimeoutError))
    passing = lost or any(words in low for words in _PASSING) or (may_pass and not any(words in low for words in _ABSENT))
    return OperationalError(text, permanent=not passing)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    connection.execute("PRAGMA busy_timeout=30000")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READS) else "BEGIN IMMEDIATE")
