"""`Database`: the file of the history. One process writes it; any thread of it reads."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from umbel.errors import ImproperlyConfigured, OperationalError

#: The version of `schema.sql`.
VERSION: Final = 1
_SCHEMA: Final = Path(__file__).with_name("schema.sql")
#: Seconds that a writer waits for another one of the same process.
_PATIENCE: Final = 10.0


class Database:
    """Opens connections, one for each thread.

    Args:
        path: of the file; ``None`` is a file that is removed at the end.

    Raises:
        ImproperlyConfigured: the file cannot be used: it is another program's, a newer Umbel's, or another dashboard has it open.
    """

    def __init__(self, path: str | None) -> None:
        self._folder = tempfile.mkdtemp(prefix="umbel-dashboard-") if path is None else None
        self.path: str = str(Path(self._folder or ".") / "history.db") if path is None else path
        self.is_kept: bool = path is not None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[sqlite3.Connection] = []
        self._owner: sqlite3.Connection | None = None
        try:
            self._own()
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise ImproperlyConfigured(f"the history file {self.path} cannot be used: {error}. Name another one with --history") from error
        except BaseException:
            self.close()
            raise

    def _own(self) -> None:
        """Hold a lock on a file beside it for as long as this process lives: two writers would count everything twice."""
        self._owner = sqlite3.connect(f"{self.path}-owner", timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            self._owner.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise ImproperlyConfigured(
                f"another dashboard writes the history file {self.path}: stop it, or give this one its own with --history FILE"
            ) from error

    def _prepare(self) -> None:
        connection = self.connection()
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ImproperlyConfigured(f"the history file {self.path} has version {version}, this Umbel knows {VERSION}: upgrade Umbel")
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ImproperlyConfigured(f"{self.path} is another program's database: name another history file with --history")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def connection(self) -> sqlite3.Connection:
        """Return the connection of this thread."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA synchronous = NORMAL")
            found.execute("PRAGMA cache_size = -16000")
            self._local.connection = found
            with self._lock:
                self._all.append(found)
        return found

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Read all rows of a query.

        Args:
            sql: the query.
            values: of its parameters.

        Raises:
            OperationalError: the file cannot be read.
        """
        try:
            return self.connection().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise OperationalError(f"the history file {self.path} cannot be read: {error}") from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction.

        Raises:
            OperationalError: the file cannot be written.
        """
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise OperationalError(f"the history file {self.path} cannot be written: {error}") from error

    def size(self) -> int:
        """Return the bytes that it takes, with its journal."""
        return sum(path.stat().st_size for name in ("", "-wal") if (path := Path(f"{self.path}{name}")).exists())

    def close(self) -> None:
        """Close all connections; remove a file that is not kept."""
        with self._lock:
            opened, self._all = self._all, []
        for connection in [*opened, *([self._owner] if self._owner else [])]:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self._owner, self._local = None, threading.local()
        if self.is_kept:
            Path(f"{self.path}-owner").unlink(missing_ok=True)
        elif self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
