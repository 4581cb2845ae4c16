"""Schedules in a file of their own, where Celery keeps its shelve. A file that cannot be read is moved aside, and never deleted."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from umbel.beat.stores.sqlite import SqliteScheduleStore
from umbel.errors import OperationalError

R = TypeVar("R")

logger: logging.Logger = logging.getLogger("umbel.beat")

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class FileScheduleStore(SqliteScheduleStore):
    """`SqliteScheduleStore` in a file that holds nothing else."""

    def _read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            return super()._read(work)
        except OperationalError as error:
            self._move_aside(error)
            return super()._read(work)

    def _write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            return super()._write(work)
        except OperationalError as error:
            self._move_aside(error)
            return super()._write(work)

    def _move_aside(self, error: OperationalError) -> None:
        """Make room for a new file where this one is damaged, or none of ours.

        Raises:
            OperationalError: it is not damaged; ``error``.
        """
        cause = error.__cause__
        if not isinstance(cause, sqlite3.Error) or getattr(cause, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise error
        self.close()
        aside = f"{self.path}.unreadable-{datetime.fromtimestamp(self._clock.now(), UTC):%Y%m%dT%H%M%S}"
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(self.path + suffix).rename(aside + suffix)
        logger.error(
            "The schedule file %s cannot be read (damaged, or another program's: %s). It was moved to %s, and a new one is made of the code; "
            "what was added or edited by hand is in the old one only.",
            self.path,
            cause,
            aside,
        )
