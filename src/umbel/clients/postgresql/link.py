"""The common part of both kinds of connection: it is opened, it sends one statement at a time, it reads what has come."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Final

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from umbel.clients.postgresql.addresses import Address
from umbel.clients.postgresql.refusals import lost, refusal
from umbel.clients.postgresql.values import Statement
from umbel.errors import OperationalError

#: The channel on which queues with new messages are named.
CHANNEL: Final = "umbel"
_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class Link:
    """One connection. Every statement is a transaction of its own.

    Args:
        connection: new, and nobody else's.
        address: of the server.
    """

    def __init__(self, connection: psycopg.Connection, address: Address) -> None:
        self.address = address
        self._connection = connection  # kept: it would close when it is gone
        self._pg: PGconn = connection.pgconn
        self._pg.nonblocking = 1
        self._results: list[PGresult] = []
        self._pid = os.getpid()
        #: Nothing more can be done with it.
        self.is_closed: bool = False

    @classmethod
    def connect(cls, address: Address) -> psycopg.Connection:
        """Connect, blocking.

        Args:
            address: of the server.

        Raises:
            AccessRefused: the server does not let us in, or has no such database.
            OperationalError: it cannot be reached.
        """
        try:
            return psycopg.connect("", autocommit=True, prepare_threshold=None, **address.parameters)
        except psycopg.Error as error:
            raise lost(error, address) from None

    def fileno(self) -> int:
        """Return the descriptor of its socket."""
        return self._pg.socket

    def _begin(self, statement: Statement) -> None:
        """Send a statement, as far as the socket takes it."""
        values = statement.values
        try:
            self._pg.send_query_params(
                statement.text,
                [value.data for value in values],
                param_types=[value.oid for value in values],
                param_formats=[value.form for value in values],
                result_format=1,
            )
        except psycopg.Error as error:
            raise self._broken(error) from None

    def _flush(self) -> bool:
        """Send more; returns whether everything has been sent."""
        try:
            return self._pg.flush() == 0
        except psycopg.Error as error:
            raise self._broken(error) from None

    def _take_in(self, on_notify: Callable[[str], object] | None = None) -> bool:
        """Read what has come; returns whether the statement's answer is complete."""
        pg = self._pg
        is_complete = False
        try:
            pg.consume_input()
            while not is_complete and not pg.is_busy():
                result = pg.get_result()
                if result is None:
                    is_complete = True
                else:
                    self._results.append(result)
            while (note := pg.notifies()) is not None:  # which libpq may find behind the answer, too
                if on_notify is not None:
                    on_notify(note.extra.decode(errors="replace"))
        except psycopg.Error as error:
            raise self._broken(error) from None
        return is_complete

    def _answer(self) -> PGresult:
        """Return the answer, or raise what the server said in place of it."""
        results, self._results = self._results, []
        for result in results:
            if result.status not in _GOOD:
                raise refusal(result, self.address)
        if not results:
            raise self._broken(OperationalError("the server has closed the connection"))
        return results[-1]

    def _broken(self, error: BaseException) -> OperationalError:
        self.close()
        return lost(error, self.address)

    def close(self) -> None:
        """Disconnect. Safe twice; in a forked child, its copy alone."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._pid == os.getpid():
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        else:
            with contextlib.suppress(OSError, psycopg.Error):
                os.close(self._pg.socket)


def open_any(addresses: Sequence[Address]) -> tuple[psycopg.Connection, Address]:
    """Connect to the first server that can be reached, blocking.

    Args:
        addresses: in this order.

    Raises:
        OperationalError: none can; the error is the last one's.
    """
    for address in addresses[:-1]:
        with contextlib.suppress(OperationalError):
            return Link.connect(address), address
    return Link.connect(addresses[-1]), addresses[-1]
