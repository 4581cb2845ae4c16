"""From an entry of ``DATABASES`` to the URL of a broker in, or beside, that database. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote, urlencode

from umbel.errors import ImproperlyConfigured

_SQLITE: Final = ("sqlite3", "spatialite")
_POSTGRESQL: Final = ("postgresql", "postgis", "psycopg2", "psqlextra", "django_cockroachdb")
#: Query options of libpq that a Django project gives by ``OPTIONS``.
_LIBPQ: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name", "target_session_attrs")


def kind_of(database: Mapping[str, Any]) -> str:
    """Return the kind of a database: sqlite, postgresql, or the last word of its ``ENGINE``.

    Args:
        database: an entry of ``DATABASES``.
    """
    last = str(database.get("ENGINE") or "").rpartition(".")[2].lower()
    if any(word in last for word in _SQLITE):
        return "sqlite"
    return "postgresql" if any(word in last for word in _POSTGRESQL) else last


def broker_url_of(alias: str, database: Mapping[str, Any], served: Collection[str]) -> str:
    """Make the URL of the broker of a project that names none.

    Args:
        alias: of the database.
        database: its entry of ``DATABASES``.
        served: schemes for which there is a broker.

    Raises:
        ImproperlyConfigured: there is no broker for such a database; says what to set.
    """
    kind = kind_of(database)
    if kind == "sqlite":
        name = str(database.get("NAME") or "")
        return "memory://" if _is_in_memory(name) else f"sqlite:///{beside(name)}"
    if kind == "postgresql" and "postgresql" in served:
        return postgresql_url(database)
    if not kind or kind == "dummy":
        raise ImproperlyConfigured(f"DATABASES has no {alias!r} that could be the broker, and UMBEL_BROKER_URL is not set: {_EXPECTED}")
    raise ImproperlyConfigured(
        f"UMBEL_BROKER_URL is not set, and this Umbel has no broker in a database of kind {kind} (DATABASES[{alias!r}]): {_EXPECTED}"
    )


_EXPECTED: Final = "set UMBEL_BROKER_URL, e.g. to redis://localhost:6379/0, amqp://guest@localhost// or sqlite:///umbel.db"


def beside(name: str) -> str:
    """Return the path of the broker's file of a SQLite database: ``db.sqlite3`` → ``db.umbel.sqlite3``.

    A file of its own, so that neither of the two waits for the other's writers, and the project's journal mode stays as it is.

    Args:
        name: of the database, which is a file.
    """
    path = PurePath(name.removeprefix("file:").partition("?")[0])
    return str(path.with_name(f"{path.stem}.umbel{path.suffix or '.db'}"))


def _is_in_memory(name: str) -> bool:
    """Report whether a SQLite database is one of this process alone, as in tests: then its broker is one, too."""
    return not name or ":memory:" in name or "mode=memory" in name


def postgresql_url(database: Mapping[str, Any]) -> str:
    """Make the URL of a PostgreSQL database.

    Args:
        database: an entry of ``DATABASES``.
    """
    user, password = (quote(str(database.get(part) or ""), safe="") for part in ("USER", "PASSWORD"))
    host, port = str(database.get("HOST") or ""), str(database.get("PORT") or "")
    options = {name: value for name, value in (database.get("OPTIONS") or {}).items() if name in _LIBPQ}
    if host.startswith("/"):  # the folder of a socket
        options["host"], host = host, ""
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    address = f"{host}{f':{port}' if port else ''}"  # without a host: the local socket, as for Django
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{who}{address}/{quote(str(database.get('NAME') or ''), safe='')}{query}"
