"""Publishing in a transaction of the caller's: what is published inside `enlisted` is written on the caller's own connection.

It is in the queue when the caller commits, and nowhere when the caller rolls back. The broker's publisher asks `current`; it knows the statement, and this
module how a library's connection is given one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Final

from umbel.errors import ImproperlyConfigured

#: Runs a statement with ``%s`` in place of each value.
Execute = Callable[[str, Sequence[Any]], object]

_CURRENT: ContextVar[Execute | None] = ContextVar("umbel_enlisted", default=None)
_EXPECTED: Final = "expected a connection or cursor of psycopg, a Connection or Session of SQLAlchemy, or Django's connection"


def current() -> Execute | None:
    """Return what runs a statement in the caller's transaction; ``None`` where there is none."""
    return _CURRENT.get()


@contextlib.contextmanager
def enlisted(connection: Any) -> Iterator[None]:
    """Have messages that are published inside the block written on a connection.

    Args:
        connection: of psycopg, psycopg2, SQLAlchemy (a session, too) or Django; in the broker's database.

    Raises:
        ImproperlyConfigured: it is nothing that runs statements, or it has to be awaited.
    """
    token = _CURRENT.set(executing(connection))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def executing(connection: Any) -> Execute:
    """Find how a connection runs a statement.

    Args:
        connection: see `enlisted`.

    Raises:
        ImproperlyConfigured: see `enlisted`.
    """
    kinds = type(connection).__mro__
    packages = {kind.__module__.partition(".")[0] for kind in kinds}
    if any(kind.__name__.startswith(("Async", "async_")) for kind in kinds):
        raise ImproperlyConfigured(
            f"using(): {type(connection).__name__} has to be awaited. With SQLAlchemy, await session.run_sync(lambda s: task.using(s).delay(…)); "
            f"else {_EXPECTED}"
        )
    if "sqlalchemy" in packages:
        return _on_sqlalchemy(connection)
    if "cursor" not in dir(connection) and callable(getattr(connection, "execute", None)):  # a cursor
        return _on_itself(connection)
    if callable(getattr(connection, "cursor", None)):
        return _on_cursor(connection)
    raise ImproperlyConfigured(f"using(): {_EXPECTED}, got {type(connection).__name__}")


def _on_sqlalchemy(connection: Any) -> Execute:
    from sqlalchemy import text

    def execute(statement: str, values: Sequence[Any]) -> None:
        names = [f"p{number}" for number in range(len(values))]
        connection.execute(text(statement % tuple(f":{name}" for name in names)), dict(zip(names, values, strict=True)))

    return execute


def _on_itself(cursor: Any) -> Execute:
    execute: Execute = cursor.execute
    return execute


def _on_cursor(connection: Any) -> Execute:
    def execute(statement: str, values: Sequence[Any]) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(statement, values)

    return execute
