"""`EnlistingPublisher`: where the broker is in the same PostgreSQL database, a call is a message of the broker's in the transaction itself, and needs no relay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connections

from umbel.brokers.base import Publisher
from umbel.brokers.enlisting import enlisted
from umbel.brokers.topology import Destination, Outgoing
from umbel.clients import urls
from umbel.contrib.django.databases import kind_of
from umbel.contrib.django.outbox.writing import is_open
from umbel.errors import ImproperlyConfigured
from umbel.wire.message import Call, Message, Stencil

_PORT = 5432


class EnlistingPublisher:
    """A `umbel.brokers.base.Publisher` that publishes on Django's connection while a transaction is open there.

    Args:
        inner: the broker's own, which can be given a connection.
        alias: of the database that the broker is in.
    """

    def __init__(self, inner: Publisher, alias: str) -> None:
        self._inner = inner
        self._alias = alias

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        """Publish a message, in the transaction that is open.

        Args:
            message: of a task.
            to: its address.
            confirm: return when the broker has it, where no transaction is open.
            timeout: seconds.
        """
        with self._transaction():
            self._inner.publish(message, to, confirm=confirm, timeout=timeout)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        """Publish a plain call, in the transaction that is open.

        Args:
            stencil: of its task.
            call: what goes into the holes.
        """
        with self._transaction():
            self._inner.publish_stencil(stencil, call)

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        """Publish messages, in the transaction that is open; returns how many.

        Args:
            messages: and their addresses.
            confirm: return when the broker has them, where no transaction is open.
        """
        with self._transaction():
            return self._inner.publish_many(messages, confirm=confirm)

    def _transaction(self) -> contextlib.AbstractContextManager[None]:
        connection = connections[self._alias]
        return enlisted(connection) if is_open(connection) else contextlib.nullcontext()


def is_in(broker_url: Any, database: Mapping[str, Any]) -> bool:
    """Report whether a broker is in a database of the project.

    Args:
        broker_url: of the broker.
        database: an entry of ``DATABASES``.
    """
    if kind_of(database) != "postgresql" or not isinstance(broker_url, str) or not broker_url.startswith("postgres"):
        return False
    try:
        url = urls.parse(broker_url)
    except ImproperlyConfigured:
        return False
    host = str(database.get("HOST") or "")
    there = url.query.get("host") or url.host or ""
    return (there, int(url.port or _PORT), url.path) == (host, int(database.get("PORT") or _PORT), str(database.get("NAME") or ""))
