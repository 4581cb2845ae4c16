"""Making the tables and functions, by numbered files of SQL. Each is run once, in its order; the table ``umbel_schema`` says which were."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Final

import psycopg
from psycopg import errors

from umbel.clients.postgresql.addresses import Address
from umbel.clients.postgresql.refusals import lost
from umbel.errors import AccessRefused, OperationalError

logger: logging.Logger = logging.getLogger("umbel.clients")

#: Keeps two processes from making the tables at once.
_LOCK: Final = 0x756D62656C
_TABLE: Final = "CREATE TABLE IF NOT EXISTS umbel_schema (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"


def steps() -> list[tuple[int, str, str]]:
    """Return the number, the name and the SQL of each file, in order."""
    found = [file for file in files("umbel.clients.postgresql").joinpath("schema").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.partition("_")[0]), file.name, file.read_text(encoding="utf-8")) for file in found)


def script(after: int = 0) -> str:
    """Return all that is to be run, for people who want to run it themselves.

    Args:
        after: leave out what was run up to this number.
    """
    parts = ["BEGIN;", f"{_TABLE};"]
    for number, name, sql in steps():
        if number > after:
            parts += [f"-- {name}", sql.strip(), f"INSERT INTO umbel_schema (version) VALUES ({number});"]  # noqa: S608 - a number
    return "\n\n".join([*parts, "COMMIT;"]) + "\n"


def version(connection: psycopg.Connection) -> int:
    """Return the number of the last file that was run; 0 when none was.

    Args:
        connection: in autocommit mode.
    """
    try:
        row = connection.execute("SELECT coalesce(max(version), 0) FROM umbel_schema").fetchone()
    except errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


def upgrade(connection: psycopg.Connection) -> list[str]:
    """Run the files that have not been run; returns their names.

    Args:
        connection: in autocommit mode.

    Raises:
        psycopg.Error: the server refuses.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_TABLE.encode())
        with connection.transaction():
            done = version(connection)
        names = []
        for number, name, sql in steps():
            if number > done:
                connection.execute(sql.encode(), prepare=False)
                connection.execute("INSERT INTO umbel_schema (version) VALUES (%s)", (number,))
                names.append(name)
    return names


def ensure(connection: psycopg.Connection, address: Address, *, may_create: bool) -> list[str]:
    """See to it that everything is there; returns the names of the files that were run.

    Args:
        connection: in autocommit mode.
        address: of the server, for the error's text.
        may_create: make what is missing.

    Raises:
        AccessRefused: something is missing, and may not be made.
        OperationalError: the connection was lost.
    """
    wanted = steps()[-1][0]
    try:
        found = version(connection)
        if found >= wanted:
            return []
        if may_create:
            names = upgrade(connection)
            for name in names:
                logger.info("%s: ran %s", address.public(), name)
            return names
    except psycopg.Error as error:
        if isinstance(error, errors.InsufficientPrivilege):
            raise AccessRefused(f"{_missing(address)}, and its user may not make them ({error.diag.message_primary})") from None
        if connection.broken or isinstance(error, errors.OperationalError):
            raise lost(error, address) from None
        raise OperationalError(f"{_missing(address)}: {error.diag.message_primary or error}", permanent=True) from None
    raise AccessRefused(f"{_missing(address)}, and broker_transport_options has create_tables off")


def _missing(address: Address) -> str:
    return (
        f"{address.public()} lacks tables of Umbel: run `umbel db upgrade`, or what `umbel db show-sql` prints, as a user who may make them"
    )
