"""The connection of a publisher: made anew where it was lost, and asked again where somebody was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from psycopg.pq.abc import PGresult

from umbel.brokers.postgresql import rows
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.clients.postgresql.refusals import TablesMissing
from umbel.clients.postgresql.values import Statement, texts_in
from umbel.errors import OperationalError
from umbel.runtime import process_hooks
from umbel.wire import kombu_json

#: Bytes that a message counts for besides its body and envelope.
_OVERHEAD: Final = 200
#: Seconds before a server that has refused for a passing reason is asked again.
_PAUSE: Final = 0.1


class Item(NamedTuple):
    """One message to one queue."""

    row: rows.Row
    #: An unknown queue is an error.
    is_mandatory: bool = True

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.row[3]) + len(self.row[4]) + _OVERHEAD


def names_in(item: Item) -> tuple[str, str]:
    """Find the task's name and id in a message.

    Args:
        item: the message.
    """
    headers = kombu_json.loads(item.row[3]).get("headers", {})
    return str(headers.get("task") or ""), str(headers.get("id") or "")


class Connect(Protocol):
    """Tries again and again."""

    def __call__(self, attempt: Callable[[], BlockingLink], deadline: float, /) -> BlockingLink:
        """Return what an attempt returns before a deadline, monotonic seconds."""


class Line:
    """One connection at a time, for one thread at a time.

    Args:
        database: connects.
        connect: tries that, with as many retries as the thread may make.
    """

    def __init__(self, database: Database, connect: Connect) -> None:
        self._database = database
        self._connect = connect
        self._link: BlockingLink | None = None
        self._asked = 0

    @property
    def is_open(self) -> bool:
        """Report whether there is a connection, as far as one can tell."""
        return self._link is not None and not self._link.is_closed

    @property
    def asked(self) -> int:
        """The number of messages that were sent by who was interrupted before the answer came."""
        return self._asked if self._link is not None and self._link.is_pending and not self._link.is_closed else 0

    def connected(self, deadline: float) -> BlockingLink:
        """Return the connection, made anew where it was lost.

        Args:
            deadline: monotonic seconds.

        Raises:
            OperationalError: the server cannot be reached.
        """
        if self._link is None or self._link.is_closed:
            process_hooks.hook_multiprocessing()
            self.drop()
            self._link = self._connect(self._database.open, deadline)
        return self._link

    def run(self, statement: Statement, deadline: float, asked: int = 0) -> PGresult:
        """Run a statement, again where the connection was lost.

        Args:
            statement: may be run twice.
            deadline: monotonic seconds.
            asked: the messages that it sends.

        Raises:
            OperationalError: the server cannot be reached or refuses.
        """
        may_lack_tables = True
        while True:
            link = self.connected(deadline)
            self._asked = asked
            try:
                return link.run(statement, max(0.1, deadline - time.monotonic()))
            except TablesMissing:
                if not may_lack_tables:
                    raise
                may_lack_tables = False
                self._database.forget()
                self.drop()
            except OperationalError as error:
                if error.is_permanent or time.monotonic() >= deadline:
                    raise
                if not link.is_closed:  # a server that only reads now, or has no room: perhaps another one is better
                    link.close()
                    time.sleep(_PAUSE)

    def publish(self, items: Sequence[Item], deadline: float) -> list[str]:
        """Send messages, or wait for the answer to those that were sent before; returns the queues that there are not.

        Args:
            items: as many as `asked` says, where it says so.
            deadline: monotonic seconds.

        Raises:
            OperationalError: the server cannot be reached or refuses.
        """
        if self.asked:
            assert self._link is not None
            try:
                result = self._link.finish(max(0.1, deadline - time.monotonic()))
            except OperationalError as error:
                if error.is_permanent or not self._link.is_closed:
                    raise
                result = self._ask(items, deadline)
        else:
            result = self._ask(items, deadline)
        self._asked = 0
        return texts_in(rows.one_value(result))

    def _ask(self, items: Sequence[Item], deadline: float) -> PGresult:
        return self.run(rows.publish([item.row for item in items]), deadline, asked=len(items))

    def drop(self) -> None:
        """Disconnect; in a forked child, leave the connection to the parent."""
        link, self._link = self._link, None
        self._asked = 0
        if link is not None:
            link.close()
