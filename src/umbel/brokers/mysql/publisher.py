"""The blocking side: callers share transactions. Whoever finds nobody at work commits for all who wait, then lets the next one lead."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy.engine import Connection

from umbel.brokers.base import BrokerOptions
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.envelope import Encoded, encode
from umbel.brokers.mysql import rows, topology
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.clients.sql.engine import Database
from umbel.errors import MessageReturned, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Message

#: Messages of `MysqlPublisher.publish_many` in one transaction.
_CHUNK: Final = 500

_Addressed = tuple[Encoded, Destination, Mapping[str, Any]]


class _Request:
    """Messages of one caller, to be committed, and the outcome."""

    __slots__ = ("error", "leads", "messages", "woken")

    def __init__(self, messages: Sequence[_Addressed]) -> None:
        self.messages = messages
        #: Its caller commits, for all who wait.
        self.leads = False
        #: Its caller need not wait any more: it is settled, or leads.
        self.woken = threading.Event()
        self.error: BaseException | None = None


class MysqlPublisher(PublisherDefaults):
    """See `umbel.brokers.base.Publisher`.

    Args:
        database: where the messages are.
        options: of the broker.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        super().__init__()
        self._database = database
        self._timeout = options.publish_timeout
        #: The queues that were declared here.
        self._queues: dict[str, Queue] = {}
        self._declared: set[str] = set()
        self._forget_callers()
        process_hooks.attach(after_fork=self._forget_callers)

    def _forget_callers(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._is_led = False

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        self._commit([_addressed((message, to))], self._timeout if timeout is None else timeout)

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:  # noqa: ARG002
        source = iter(messages)
        count = 0
        while chunk := [_addressed(outgoing) for outgoing in islice(source, _CHUNK)]:
            self._commit(chunk, self._timeout)
            count += len(chunk)
        return count

    def declare(self, queue: Queue) -> None:
        if queue.name not in self._declared:
            self._database.run(lambda connection: self._declare(connection, queue), self._timeout)
            self._declared.add(queue.name)

    def close(self) -> None:
        self._declared.clear()

    def _commit(self, messages: Sequence[_Addressed], timeout: float) -> None:
        request = _Request(messages)
        with self._lock:
            self._waiting.append(request)
            request.leads, self._is_led = not self._is_led, True
        try:
            if not request.leads:
                request.woken.wait()
            if request.leads:
                self._lead(request, timeout)
        except BaseException:  # somebody interrupts this thread: nobody must wait for it
            with self._lock:
                if request in self._waiting:
                    self._waiting.remove(request)
                if request.leads:
                    self._pass_on()
            raise
        if request.error is not None:
            raise request.error

    def _lead(self, request: _Request, timeout: float) -> None:
        """Commit what waits, once: whoever came meanwhile leads next, so that nobody commits for others for ever."""
        requests: list[_Request] = []
        try:
            with self._lock:
                requests, self._waiting = self._waiting, []
            self._commit_all(requests, timeout)
        finally:
            for each in requests:
                if each is not request and not each.woken.is_set():
                    each.error = OperationalError("the thread that was publishing was interrupted")
                    each.woken.set()
            with self._lock:
                request.leads = False
                self._pass_on()

    def _pass_on(self) -> None:
        """Let the first that waits lead. The lock is held."""
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].woken.set()
        else:
            self._is_led = False

    def _commit_all(self, requests: Sequence[_Request], timeout: float) -> None:
        """Commit what some callers want, in one transaction; each learns of its own."""
        if len(requests) > 1 and sum(len(request.messages) for request in requests) > _CHUNK:
            for request in requests:
                self._commit_all([request], timeout)
            return
        refused: dict[_Request, BaseException] = {}

        def insert(connection: Connection) -> None:
            refused.clear()
            found: list[tuple[str, Encoded]] = []
            for request in requests:
                try:
                    found += self._routed(connection, request.messages)
                except MessageReturned as error:
                    refused[request] = error
            if found:
                rows.insert(connection, found)

        try:
            self._database.run(insert, timeout)
        except OperationalError as error:
            self._declared.clear()
            refused = {request: _copy(error) for request in requests}
        if ARMED:
            hit("after_write_before_confirm")
        for request in requests:
            request.error = refused.get(request)
            request.woken.set()

    def _routed(self, connection: Connection, messages: Sequence[_Addressed]) -> list[tuple[str, Encoded]]:
        direct: dict[str, bool] = {}
        found: list[tuple[str, Encoded]] = []
        for row, to, headers in messages:
            if to.queue is not None and to.queue.name not in self._queues:
                self._declare(connection, to.queue)
            if not to.exchange and direct.get(to.routing_key):
                names = [to.routing_key]
            else:
                names = self._route(connection, to, headers)
                direct[to.routing_key] = bool(names) and not to.exchange
            if not names and to.mandatory:
                where = f"exchange {to.exchange!r} with routing key {to.routing_key!r}" if to.exchange else f"queue {to.routing_key!r}"
                raise MessageReturned(f"no queue for a message to {where}: declare the queue first")
            found += [(name, row) for name in names]
        return found

    def _route(self, connection: Connection, to: Destination, headers: Mapping[str, Any]) -> list[str]:
        found = topology.route(connection, to.exchange, to.routing_key, headers)
        if not found and self._queues:  # somebody deleted it meanwhile, or the transaction that declared it failed
            for queue in list(self._queues.values()):
                self._declare(connection, queue)
            found = topology.route(connection, to.exchange, to.routing_key, headers)
        return found

    def _declare(self, connection: Connection, queue: Queue) -> None:
        if not queue.no_declare and not queue.is_broadcast:
            topology.declare(connection, queue)
        self._queues[queue.name] = queue


def _addressed(outgoing: Outgoing) -> _Addressed:
    message, to = whole(outgoing)
    return encode(message, to.exchange, to.routing_key), to, message.headers


def _copy(error: OperationalError) -> OperationalError:
    """One for each caller: an error that several threads raise would gather their tracebacks."""
    copy = type(error)(*error.args)
    copy.__dict__.update(error.__dict__)
    return copy
