"""Addresses of SQL databases: ``db+postgresql://user:password@host/name``, with a driver that is installed, and without the password for people."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL

from umbel.errors import ImproperlyConfigured

#: Dialect → drivers as (module, name in URLs, name on PyPI), in the order in which they are tried where the URL names none.
_DRIVERS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "postgresql": (("psycopg", "psycopg", "psycopg[binary]"), ("psycopg2", "psycopg2", "psycopg2-binary"), ("pg8000", "pg8000", "pg8000")),
    "mysql": (
        ("MySQLdb", "mysqldb", "mysqlclient"),
        ("pymysql", "pymysql", "pymysql"),
        ("mysql", "mysqlconnector", "mysql-connector-python"),
    ),
    "mariadb": (("MySQLdb", "mysqldb", "mysqlclient"), ("pymysql", "pymysql", "pymysql"), ("mariadb", "mariadbconnector", "mariadb")),
}
_EXPECTED: Final = "expected e.g. db+postgresql://user:password@host/name, db+mysql://user:password@host/name, db+sqlite:///results.db"


def url_of(text: str, what: str = "SQL database") -> URL:
    """Parse ``db+postgresql://…``; where it names no driver, one that is installed is taken.

    Args:
        text: the URL, with or without ``db+``.
        what: it is the URL of, in errors.

    Raises:
        ImproperlyConfigured: it cannot be used; says why, and never the password.
    """
    try:
        url = sa.engine.make_url(text.removeprefix("db+"))
        if url.drivername == "postgres":
            url = url.set(drivername="postgresql")
    except (exc.ArgumentError, ValueError):  # their texts, or tracebacks, hold the URL
        raise ImproperlyConfigured(f"the URL of the {what} cannot be read: {_EXPECTED}") from None
    drivers = _DRIVERS.get(url.drivername)
    if drivers is not None:
        found = next((name for module, name, _ in drivers if importlib.util.find_spec(module)), None)
        if found is None:
            raise ImproperlyConfigured(f"no driver for db+{url.drivername}:// is installed: pip install {_wanted(drivers)}")
        url = url.set(drivername=f"{url.drivername}+{found}")
    try:
        dialect = url.get_dialect()
        if dialect.is_async:
            raise ImproperlyConfigured(f"db+{url.drivername}:// has a driver for event loops: name another one, or none")
        dialect.import_dbapi()
    except exc.NoSuchModuleError:
        raise ImproperlyConfigured(f"SQLAlchemy knows no database db+{url.drivername}://: {_EXPECTED}") from None
    except ImportError as error:
        named = {name: package for drivers in _DRIVERS.values() for _, name, package in drivers}
        package = named.get(url.get_driver_name(), error.name or url.get_driver_name())
        raise ImproperlyConfigured(f"the driver of db+{url.drivername}:// is not installed: pip install {_quoted(package)}") from None
    if dialect.name == "sqlite" and url.database in (None, "", ":memory:"):
        raise ImproperlyConfigured(
            "an SQLite database in memory is seen by one connection alone: use memory://, or a file, db+sqlite:///results.db"
        )
    return url


def _wanted(drivers: tuple[tuple[str, str, str], ...]) -> str:
    return " or ".join(_quoted(package) for _, _, package in drivers[:2])


def _quoted(package: str) -> str:
    return f'"{package}"' if "[" in package else package


def public(url: URL) -> str:
    """Write a URL for people: without the password, and without a query, which may hold one.

    Args:
        url: of the database.
    """
    return url.set(query={}).render_as_string(hide_password=True)


def without_password(text: str, url: URL) -> str:
    """Take the password out of what a driver says.

    Args:
        text: of an error.
        url: of the database.
    """
    secrets = [str(url.password or ""), *(str(value) for name, value in url.query.items() if "pass" in name)]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3 or f"'{secret}'" in text:
            text = text.replace(secret, "***")
    return text
