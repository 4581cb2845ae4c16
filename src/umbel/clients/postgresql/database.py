"""`Database`: opens connections on which the tables are known to be there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from umbel.clients.base import ConnectionOptions
from umbel.clients.postgresql import layout
from umbel.clients.postgresql.addresses import Address, addresses_of
from umbel.clients.postgresql.link import open_any
from umbel.clients.postgresql.link_async import AsyncLink
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.errors import ImproperlyConfigured

#: ``broker_transport_options`` that mean something here; the last ones are Celery's, for all kinds of brokers.
_OPTIONS: Final = frozenset({"create_tables", "listen", "vacuum", "visibility_timeout", "queue_order_strategy", "polling_interval"})


class Database:
    """The servers of a failover list, and one database there.

    Args:
        options: of the connection; ``create_tables: False`` in its transport options keeps tables from being made.

    Raises:
        ImproperlyConfigured: a URL or an option makes no sense.
    """

    def __init__(self, options: ConnectionOptions) -> None:
        unknown = sorted(set(options.transport) - _OPTIONS)
        if unknown:
            raise ImproperlyConfigured(
                f"broker_transport_options has {unknown[0]!r}, which means nothing to PostgreSQL: expected create_tables, listen, vacuum"
            )
        self.addresses: list[Address] = addresses_of(options)
        self._may_create = bool(options.transport.get("create_tables", True))
        self._is_ready = False

    def public(self) -> str:
        """Name the first server, without its password."""
        return self.addresses[0].public()

    def connect(self) -> tuple[psycopg.Connection, Address]:
        """Connect, blocking, and see to it that the tables are there.

        Raises:
            OperationalError: no server can be reached, or the tables cannot be made.
        """
        connection, address = open_any(self.addresses)
        try:
            if not self._is_ready:
                layout.ensure(connection, address, may_create=self._may_create)
                self._is_ready = True
        except BaseException:
            connection.close()
            raise
        return connection, address

    def upgrade(self) -> list[str]:
        """Make what is missing, whether or not the options let others do so; returns the names of the files that were run.

        Raises:
            OperationalError: no server can be reached, or it refuses.
        """
        connection, address = open_any(self.addresses)
        with contextlib.closing(connection):
            return layout.ensure(connection, address, may_create=True)

    def forget(self) -> None:
        """Look for the tables again at the next connection: somebody may have dropped them."""
        self._is_ready = False

    def open(self) -> BlockingLink:
        """Open a connection for threads.

        Raises:
            OperationalError: see `connect`.
        """
        return BlockingLink(*self.connect())

    async def open_async(self, on_notify: Callable[[str | None], object], timeout: float = 30.0) -> AsyncLink:
        """Open a connection on the running event loop.

        Args:
            on_notify: called with what is notified, and with ``None`` when the connection is lost.
            timeout: seconds for one statement.

        Raises:
            OperationalError: see `connect`.
        """
        return await AsyncLink.open(self.connect, on_notify, timeout)

    @contextlib.contextmanager
    def plain(self) -> Iterator[psycopg.Connection]:
        """Connect for a few statements, as psycopg does, whether or not the tables are there.

        Raises:
            OperationalError: no server can be reached.
        """
        connection, _ = open_any(self.addresses)
        with contextlib.closing(connection):
            yield connection
