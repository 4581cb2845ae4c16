"""One SQLite file: where it is, how it is opened, and how a transaction is run on it.

**Journal.** The file is in WAL mode: readers never wait, writers wait for each other only. A commit is in the operating system's hands
when it returns, so the death of any process (SIGKILL too) loses nothing. With ``synchronous=NORMAL``, the default, a power cut may take
back the last transactions; ``sqlite:///umbel.db?synchronous=FULL`` syncs every commit to the disk instead (about a thousand a second).

**Busy.** The library's own busy handler sleeps for milliseconds and would block an event loop. `Database.attempt` therefore never waits:
it raises `Busy`, and the caller decides how to wait. `Database.write` waits in small steps.

**Fork.** SQLite keeps locks per process and must not carry a connection over a fork, not even to close it there. Connections are
closed before the fork and opened again when they are next needed, on either side.

**The file itself** may be deleted or replaced under an open connection, which would then write into nowhere. Each transaction compares
the inode first and opens what is now at the path; `Database.generation` tells its users.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from importlib.resources import files
from typing import Final, TypeVar

from umbel.clients.urls import parse
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.clock import SYSTEM

R = TypeVar("R")

SCHEMA_VERSION: Final = 1
#: Seconds that a blocking caller waits for other writers.
BUSY_TIMEOUT: Final = 30.0
#: Seconds between its attempts: the first, and the most.
_FIRST_WAIT, _LONGEST_WAIT = 0.00005, 0.005
#: Seconds after which it says that it waits.
_SILENCE = 2.0

logger: logging.Logger = logging.getLogger("umbel.brokers.sqlite")

_HINTS: Final = {
    sqlite3.SQLITE_CANTOPEN: "the path must name a file in a folder that exists and is writable",
    sqlite3.SQLITE_READONLY: "the file and its directory must be writable",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a backup, or move it away to start with an empty one",
    sqlite3.SQLITE_NOTADB: "name another file, or move this one away",
    sqlite3.SQLITE_PERM: "the file and its directory must be writable",
    sqlite3.SQLITE_IOERR: "the disk is full or does not work, or the file is on a network share, which SQLite cannot use",
}

#: Errors of one statement and its values: it fails again, however often it is tried. (A disk, a permission or a file may be mended.)
_PERMANENT: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
)


class Busy(OperationalError):
    """Another process is writing to the database."""


def locate(url: str) -> str:
    """The absolute path of the file that a URL names: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` (umbel.db).

    Raises:
        ImproperlyConfigured: it names a host, or no file.
    """
    parsed = parse(url)
    if parsed.host:
        raise ImproperlyConfigured(f"sqlite://{parsed.host} names a host: expected three slashes, sqlite:///{parsed.host}")
    if parsed.path == ":memory:":
        raise ImproperlyConfigured("sqlite:///:memory: cannot be shared by processes: use memory:// for tests, or a file")
    return os.path.abspath(parsed.path or "umbel.db")  # noqa: PTH100 - Path.resolve would follow links, and needs the file


def synchronous_of(url: str, transport: object = None) -> str:
    """The ``synchronous`` option of a URL's query, or of the transport options: NORMAL or FULL.

    Raises:
        ImproperlyConfigured: the query holds something else.
    """
    query = dict(parse(url).query)
    value = query.pop("synchronous", None) or (transport.get("synchronous") if isinstance(transport, dict) else None) or "NORMAL"
    if query:
        raise ImproperlyConfigured(
            f"unknown option {next(iter(query))!r} in an sqlite:// URL: expected synchronous=NORMAL or synchronous=FULL"
        )
    if not isinstance(value, str) or value.upper() not in ("NORMAL", "FULL"):
        raise ImproperlyConfigured(f"synchronous={value!r} in the SQLite options: expected NORMAL or FULL")
    return value.upper()


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def translate(path: str, error: sqlite3.Error) -> OperationalError:
    """The same error in our words."""
    if _is_busy(error):
        return Busy(f"SQLite database {path} is locked by another process")
    hint = _HINTS.get(_code(error))
    return OperationalError(f"SQLite database {path}: {error}" + (f" ({hint})" if hint else ""), permanent=_code(error) in _PERMANENT)


def _create(path: str) -> None:
    """Make an empty database its owner's alone, where there is none: arguments and results come into it. Its companions (-wal, -shm) get its mode.

    The file gets its name when it is closed already: to close a database takes all locks on it from this process, and another thread may have some.
    """
    if os.path.exists(path):  # noqa: PTH110 - at every opening
        return
    new = f"{path}-{os.urandom(8).hex()}"
    with contextlib.suppress(OSError):  # SQLite says it better
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            os.link(new, path)
        finally:
            os.unlink(new)  # noqa: PTH108


class Database:
    """A connection to one file, for one thread at a time. Thread-safe, fork-safe."""

    def __init__(self, path: str, *, synchronous: str = "NORMAL", autocheckpoint: bool = True) -> None:
        """
        Args:
            path: absolute.
            synchronous: NORMAL or FULL.
            autocheckpoint: a commit may now and then copy the journal into the file, which waits for the disk; else call `checkpoint`.
        """
        self.path = path
        #: Rises whenever another file is found at the path; what was known of the old one is void.
        self.generation: int = 0
        #: How often a connection was opened.
        self.opened: int = 0
        self._told_of_journal = False
        self._synchronous = synchronous
        self._autocheckpoint = autocheckpoint
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self.lock: threading.RLock = threading.RLock()
        _OPEN.add(self)

    def connection(self) -> sqlite3.Connection:
        """The connection to the file that is now at the path; hold `lock`."""
        if self._connection is not None:
            try:
                found = os.stat(self.path)  # noqa: PTH116 - on the hot path
                if (found.st_ino, found.st_dev) == self._inode:
                    return self._connection
            except OSError:
                pass
            self.close()
        try:
            self._open()
        except sqlite3.Error as error:
            self.close()
            raise translate(self.path, error) from error
        assert self._connection is not None
        return self._connection

    def attempt(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run one write transaction, without waiting.

        Raises:
            Busy: another process is writing.
            OperationalError: anything else.
        """
        with self.lock:
            connection = self.connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
                done = work(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translate(self.path, error) from error
                raise
            return done

    def write(self, work: Callable[[sqlite3.Connection], R], timeout: float | None = None) -> R:
        """`attempt`, waiting up to ``timeout`` seconds for other writers."""
        wait = _Wait(self.path, BUSY_TIMEOUT if timeout is None else timeout)
        while True:
            try:
                return self.attempt(work)
            except Busy:
                if not wait.goes_on():
                    raise

    def read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Run queries outside a transaction; in WAL mode these never wait for writers."""
        with self.lock:
            connection = self.connection()
            try:
                return work(connection)
            except sqlite3.Error as error:
                raise translate(self.path, error) from error

    def checkpoint(self) -> None:
        """Copy the journal into the file as far as readers let it; waits for the disk. Whatever goes wrong shows at the next commit."""
        with contextlib.suppress(OperationalError):
            self.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self.lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def forget(self) -> None:
        """In a forked child: SQLite forbids all use of a connection that was opened before the fork, to close it too."""
        if self._connection is not None:
            _OF_PARENT.append(self._connection)
            self._connection = None

    def _open(self) -> None:
        if sqlite3.sqlite_version_info < (3, 35):
            raise ImproperlyConfigured(f"SQLite {sqlite3.sqlite_version} is too old: Umbel needs 3.35 or newer")
        _create(self.path)
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection = connection
        self.opened += 1
        wait = _Wait(self.path, BUSY_TIMEOUT)  # in the first moments several processes may create the file at once
        while True:
            try:
                self._prepare(connection)
                break
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or not wait.goes_on():
                    raise
        found = os.stat(self.path)  # noqa: PTH116
        if (found.st_ino, found.st_dev) != self._inode:
            self._inode = (found.st_ino, found.st_dev)
            self.generation += 1

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # The file may come from anywhere: its schema may not call functions with side effects.
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        if not self._autocheckpoint:
            connection.execute("PRAGMA wal_autocheckpoint=0")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal" and not self._told_of_journal:
            self._told_of_journal = True
            logger.warning("%s cannot have a write-ahead log here (its journal is %r): it is slow; put it on a local disk", self.path, mode)
        self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version is None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if (version := _version(connection)) is None:
                    for statement in _statements():
                        connection.execute(statement)
                    version = SCHEMA_VERSION
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise
        if version != SCHEMA_VERSION:
            raise OperationalError(f"{self.path} has version {version!r} of the tables, this Umbel knows {SCHEMA_VERSION}: upgrade Umbel")


class _Wait:
    """For other writers, in small steps. What takes long is said once."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._since: float | None = None
        self._pause = _FIRST_WAIT
        self._told = False

    def goes_on(self) -> bool:
        """Wait a moment; whether there is time left for another attempt."""
        now = SYSTEM.monotonic()
        if self._since is None:
            self._since = now
        waited = now - self._since
        if waited >= self._timeout:
            return False
        if waited >= _SILENCE and not self._told:
            self._told = True
            logger.warning("SQLite database %s is locked by another process; waiting for up to %.0f s", self._path, self._timeout)
        time.sleep(self._pause)
        self._pause = min(_LONGEST_WAIT, self._pause * 1.5)
        return True


def _version(connection: sqlite3.Connection) -> object:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'umbel_schema'").fetchone():
        return None
    row = connection.execute("SELECT max(version) FROM umbel_schema").fetchone()
    return row[0]


def _statements() -> list[str]:
    text = files("umbel.clients.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
    found, statement = [], ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


#: The databases of this process, for the fork hooks alone.
_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()
#: Connections that a parent opened and could not close before it forked; kept, because who drops one closes it.
_OF_PARENT: list[sqlite3.Connection] = []


def _before_fork() -> None:
    for database in list(_OPEN):
        database.lock.acquire()
        connection = database._connection  # noqa: SLF001
        if connection is not None and not connection.in_transaction:
            database.close()


def _after_fork_in_parent() -> None:
    for database in list(_OPEN):
        with contextlib.suppress(RuntimeError):  # made by another thread since
            database.lock.release()


def _after_fork_in_child() -> None:
    for database in list(_OPEN):
        database.lock = threading.RLock()
        database.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)
process_hooks.after_fork(_after_fork_in_child)
