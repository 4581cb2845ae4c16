"""The blocking side: each `publish` is one committed transaction.

There is no window and no writer thread: a commit in WAL mode takes about 20 microseconds, less than handing the row to a thread that
would have to take turns for the interpreter lock. What `publish` returned from is in the database, so `flush` has nothing to wait for.
`publish_many` puts hundreds of messages in one transaction. ``confirm`` therefore changes nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from umbel.brokers.base import BrokerOptions
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.envelope import CompiledStencil, Encoded, encode
from umbel.brokers.sqlite import topology
from umbel.brokers.sqlite.rows import INSERT, Row
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.clients.sqlite.database import Database
from umbel.clients.sqlite.doorbell import MESSAGES, Bell
from umbel.errors import MessageReturned
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Call, Message, Stencil

#: Messages in one transaction: other writers wait for it, about 3 ms.
_CHUNK: Final = 500
#: Compiled stencils that are kept; a program has one for each task and route.
_MOST_STENCILS: Final = 4096

#: … and the headers, for a message whose exchange may look at them.
_Addressed = tuple[Encoded, Destination, Mapping[str, Any]]


class SqlitePublisher(PublisherDefaults):
    """`Publisher` over one connection, shared by all threads under its lock."""

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        super().__init__()
        self._database = database
        self._timeout = options.publish_timeout
        self._bell = Bell(database.path, MESSAGES)
        #: The queues that this publisher declared; and the names of those that are in the file of this generation.
        self._queues: dict[str, Queue] = {}
        self._declared: set[str] = set()
        self._generation = 0
        self._stencils: dict[Stencil, tuple[CompiledStencil, Destination]] = {}
        #: What each thread's next transaction takes along.
        self._carried = threading.local()

    @property
    def path(self) -> str:
        """The file."""
        return self._database.path

    def carry(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do this, too, in the transaction of the message that this thread publishes next."""
        self._carried.__dict__.setdefault("works", []).append(work)

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        self._insert([self._encoded((message, to))], self._timeout if timeout is None else timeout)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        self._insert([self._encoded((call, stencil))], self._timeout)

    def _filled(self, stencil: Stencil, call: Call) -> _Addressed:
        compiled = self._stencils.get(stencil)
        if compiled is None:
            if len(self._stencils) >= _MOST_STENCILS:
                self._stencils.clear()
            compiled = self._stencils[stencil] = CompiledStencil(stencil), Destination(stencil.exchange, stencil.routing_key)
        pieces, to = compiled
        return (pieces.priority, 0, pieces.fill(call), call.body), to, {}

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:  # noqa: ARG002
        source = iter(messages)
        count = 0
        while chunk := [self._encoded(outgoing) for outgoing in islice(source, _CHUNK)]:
            self._insert(chunk, self._timeout)
            count += len(chunk)
        return count

    def _encoded(self, outgoing: Outgoing) -> _Addressed:
        if type(outgoing[0]) is Call:
            call, stencil = outgoing
            if not stencil.exchange:
                return self._filled(stencil, call)
        message, to = whole(outgoing)  # its headers may decide where it goes
        return encode(message, to.exchange, to.routing_key), to, message.headers

    def declare(self, queue: Queue) -> None:
        if queue.name in self._declared and self._generation == self._database.generation:
            return
        self._database.write(lambda connection: self._declare(connection, queue), self._timeout)

    def close(self) -> None:
        self._database.close()
        self._bell.close()

    def _insert(self, messages: list[_Addressed], timeout: float) -> None:
        carried = self._carried.__dict__.pop("works", ())

        def insert(connection: sqlite3.Connection) -> None:
            for work in carried:
                work(connection)
            self._insert_in(connection, messages)

        self._database.write(insert, timeout)
        if ARMED:
            hit("after_write_before_confirm")
        self._bell.ring()

    def _insert_in(self, connection: sqlite3.Connection, messages: list[_Addressed]) -> None:
        if len(messages) == 1:
            row, to, headers = messages[0]
            for queue in self._route(connection, to, headers):
                connection.execute(INSERT, (queue, *row))
            return
        routes: dict[tuple[str, str], list[str]] = {}
        rows: list[Row] = []
        for row, to, headers in messages:
            address = to.exchange, to.routing_key
            found = None if to.exchange else routes.get(address)
            if found is None or (to.queue is not None and to.queue.name not in self._declared):
                found = routes[address] = self._route(connection, to, headers)
            rows += [(queue, *row) for queue in found]
        connection.executemany(INSERT, rows)

    def _route(self, connection: sqlite3.Connection, to: Destination, headers: Mapping[str, Any]) -> list[str]:
        queue = to.queue
        if self._generation != self._database.generation:
            self._declare_again(connection)
        if queue is not None and queue.name not in self._declared:
            self._declare(connection, queue)
        found = topology.route(connection, to.exchange, to.routing_key, headers)
        if not found and self._queues:  # somebody deleted it meanwhile, or the transaction that declared it failed
            self._declare_again(connection)
            found = topology.route(connection, to.exchange, to.routing_key, headers)
        if not found and to.mandatory:
            where = f"exchange {to.exchange!r} with routing key {to.routing_key!r}" if to.exchange else f"queue {to.routing_key!r}"
            raise MessageReturned(f"no queue for a message to {where} in {self._database.path}: declare the queue first")
        return found

    def _declare(self, connection: sqlite3.Connection, queue: Queue) -> None:
        if self._generation != self._database.generation:
            self._declare_again(connection)
        self._queues[queue.name] = queue
        if not queue.no_declare and not queue.is_broadcast:
            topology.declare(connection, queue)
        # If this transaction fails after all, `_route` finds no queue and declares it again.
        self._declared.add(queue.name)

    def _declare_again(self, connection: sqlite3.Connection) -> None:
        """Make known in another file, at the same place, what was declared in the one before."""
        self._declared.clear()
        self._generation = self._database.generation
        for queue in self._queues.values():
            self._declare(connection, queue)
