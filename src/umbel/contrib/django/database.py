"""Work in one of the project's databases: tried again where that helps, with errors in plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import connections, transaction
from django.db.utils import DataError, Error, IntegrityError, InterfaceError, OperationalError, ProgrammingError

from umbel import errors
from umbel.runtime.backoff import delays

R = TypeVar("R")

#: What fails again, however often it is tried.
_PERMANENT: Final = (ProgrammingError, DataError)
_ABSENT: Final = ("no such table", "doesn't exist", "does not exist")
_PASSING: Final = (OperationalError, InterfaceError, IntegrityError)


def run(alias: str, work: Callable[[], R], patience: float) -> R:
    """Do something in a transaction; again after a deadlock or a lost connection, or where the server is away.

    Args:
        alias: of the database.
        work: may be called several times.
        patience: seconds for which it is tried. Inside a transaction of the caller's it is tried once.

    Raises:
        OperationalError: of `umbel.errors`: it cannot be done.
    """
    end = time.monotonic() + patience
    for pause in delays(0.02, most=1.0):
        connection = connections[alias]
        inside, opens = connection.in_atomic_block, connection.connection is None
        try:
            with transaction.atomic(using=alias):
                found = work()
            if opens:
                _leave(connection)
            return found
        except Error as error:
            told = translated(alias, error)
            if inside or told.is_permanent or time.monotonic() + pause > end:
                raise told from error
            connection.close()
        time.sleep(pause)
    raise AssertionError


def _leave(connection: Any) -> None:
    """Close a connection that was opened for this work alone, in a thread of which nobody may take care, where the project keeps none (``CONN_MAX_AGE``)."""
    if not connection.settings_dict.get("CONN_MAX_AGE") and threading.current_thread() is not threading.main_thread():
        connection.close()


def translated(alias: str, error: Exception) -> errors.OperationalError:
    """Say an error of the database in plain words.

    Args:
        alias: of the database.
        error: of Django.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    absent = any(words in text for words in _ABSENT)
    hint = " (run manage.py migrate umbel)" if absent and "umbel" in text else ""
    passing = isinstance(error, _PASSING) and not isinstance(error, _PERMANENT) and not absent
    return errors.OperationalError(f"the database {alias!r}: {text}{hint}", permanent=not passing)


def server_time(alias: str, now: float) -> float:
    """Return the time of a database's server, seconds since the epoch.

    Args:
        alias: of the database.
        now: that of this machine, where the database has no server, or is of another kind.
    """
    connection = connections[alias]
    expression = _CLOCKS.get(connection.vendor)
    if expression is None:
        return now
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        row: Any = cursor.fetchone()
    return float(row[0])


_CLOCKS: Final = {
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1000000.0",
}
