"""``rpc://``: results travel as messages to the client that sent the task (Celery's ``rpc`` backend).

Each client process has one reply queue, named by an id of its own; task messages carry that name in ``reply_to``, and workers publish
each state there, on the default exchange, with the task's id as correlation id and the task meta as body. One daemon thread per process
reads the queue for all waiters; what nobody waits for yet is kept, up to a limit. Only this process can read these results.

Three things differ from Celery, so that a lost connection loses no results: the queue is not deleted when its consumer goes (it is deleted
when the store is closed, and expires), what is read is acknowledged, and results are published with confirms.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import selectors
import socket
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from pamqp import commands

from umbel.brokers.amqp.broker import AmqpBroker
from umbel.brokers.amqp.topology import declare_queue
from umbel.brokers.base import BrokerOptions, Delivery, Publisher
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.clients import urls
from umbel.clients.amqp.addresses import addresses
from umbel.clients.amqp.channels import TOPOLOGY_CHANNEL
from umbel.clients.amqp.connection_blocking import BlockingConnection, connect_any
from umbel.errors import DecodeError, ImproperlyConfigured, MessageError, OperationalError
from umbel.results.base import StoreOptions
from umbel.results.group_store import GroupStore
from umbel.results.meta import from_meta, is_terminal, to_meta
from umbel.results.model import Record
from umbel.results.waiting import Waiting
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.rendering import render_ack
from umbel.wire.message import Message

logger = logging.getLogger("umbel.results.rpc")

_CHANNEL = 1
#: Records kept. Those that somebody has read are dropped first, then those nobody has asked for; of each the oldest.
_MOST_KEPT = 10_000
#: Bytes of results that wait to be read; and of those that were read, which somebody may ask for again by their id.
_MOST_BYTES, _MOST_READ_BYTES = 512 << 20, 4 << 20
_OWN_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Seconds to write an acknowledgement.
_WRITE = 10.0
#: Seconds without a broker after which waiters give up.
_PATIENCE = 30.0

#: Called with each state of a task, or with what went wrong.
Tell = Callable[[Record | BaseException], None]


class _Inbox:
    """The records that have come, and who waits for more. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._unread: OrderedDict[str, Record] = OrderedDict()
        #: What has ended and was told to somebody, who may ask again.
        self._read: OrderedDict[str, Record] = OrderedDict()
        self._watchers: dict[str, list[Tell]] = {}
        self._sizes: dict[str, int] = {}
        self._unread_bytes = self._read_bytes = 0

    def put(self, record: Record, size: int = 0) -> None:
        """A record has come, in so many bytes. What comes after the end is dropped."""
        with self._lock:
            task_id = record.task_id
            known = self._known(task_id)
            if known is not None and is_terminal(known):
                return
            self._unread_bytes += size - self._sizes.get(task_id, 0)
            self._sizes[task_id] = size
            self._unread[task_id] = record
            self._unread.move_to_end(task_id)
            watchers = self._watchers.get(task_id, ())
            for tell in watchers:
                tell(record)
            if watchers:
                self._mark_read(record)
            self._make_room()

    def _known(self, task_id: str) -> Record | None:
        return self._unread.get(task_id) or self._read.get(task_id)

    def _mark_read(self, record: Record) -> None:
        if is_terminal(record) and self._unread.pop(record.task_id, None) is not None:
            size = self._sizes[record.task_id]
            self._unread_bytes -= size
            self._read_bytes += size
            self._read[record.task_id] = record
            while self._read_bytes > _MOST_READ_BYTES:
                self._drop_read()

    def _make_room(self) -> None:
        while self._read and len(self._unread) + len(self._read) > _MOST_KEPT:
            self._drop_read()
        while len(self._unread) > _MOST_KEPT or (self._unread_bytes > _MOST_BYTES and len(self._unread) > 1):
            dropped, _ = self._unread.popitem(last=False)
            self._unread_bytes -= self._sizes.pop(dropped)
            what = f"{_MOST_KEPT} results" if len(self._unread) >= _MOST_KEPT else f"{_MOST_BYTES >> 20} MiB of results"
            logger.warning("more than %s wait to be read; that of task %s is dropped", what, dropped)

    def _drop_read(self) -> None:
        task_id, _ = self._read.popitem(last=False)
        self._read_bytes -= self._sizes.pop(task_id)

    def fail(self, error: OperationalError) -> None:
        """There is no broker to hear from."""
        with self._lock:
            for watchers in self._watchers.values():
                for tell in watchers:
                    tell(error)

    def find(self, task_ids: Sequence[str]) -> dict[str, Record]:
        """What has come of these."""
        with self._lock:
            found = {task_id: record for task_id in task_ids if (record := self._known(task_id)) is not None}
            for record in found.values():
                self._mark_read(record)
            return found

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop records."""
        with self._lock:
            for task_id in task_ids:
                if self._unread.pop(task_id, None) is not None:
                    self._unread_bytes -= self._sizes.pop(task_id)
                elif self._read.pop(task_id, None) is not None:
                    self._read_bytes -= self._sizes.pop(task_id)

    def add(self, task_id: str, tell: Tell) -> None:
        """Call back with each state of a task that has come or comes, and when there is no broker to hear from."""
        with self._lock:
            self._watchers.setdefault(task_id, []).append(tell)
            known = self._known(task_id)
            if known is not None:
                tell(known)
                self._mark_read(known)

    def remove(self, task_id: str, tell: Tell) -> None:
        """Call back no more."""
        with self._lock:
            watchers = self._watchers[task_id]
            watchers.remove(tell)
            if not watchers:
                del self._watchers[task_id]


class RpcStore:
    """Fulfils `umbel.results.base.ResultStore`."""

    shared = False
    groups: GroupStore | None = None

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._broker = AmqpBroker(_broker_options(options))
        self._nodes = addresses(self._broker.options, heartbeat=0)
        found = serializers.find(options.serializer)
        self._serializer = found.name
        self._accept = serializers.content_types(options.accept)
        self._reset()
        process_hooks.attach(after_fork=self.forget_connection, before_exit=self.close)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._name = str(uuid.uuid4())
        self._inbox = _Inbox()
        self._waiting: Waiting[Record] = Waiting(self._inbox, lambda record: record)
        self._reader: _Reader | None = None

    def forget_connection(self) -> None:
        """In a forked child: the reply queue and what comes from it belong to the parent."""
        reader = self._reader
        self._reset()
        if reader is not None:
            reader.drop()

    @property
    def reply_to(self) -> str | None:
        self._listen()
        return self._name

    def expect(self, task_id: str) -> None:  # noqa: ARG002 - all results come to the one queue
        self._listen()

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:
        """Nobody but this client could read it."""

    def store(self, records: Sequence[Record]) -> None:
        messages = [(self._message(record), Destination("", record.reply_to or "", mandatory=False)) for record in records]
        messages = [(message, to) for message, to in messages if _is_address(to.routing_key)]
        if messages:
            self._broker.publisher().publish_many(messages, confirm=True)

    def _message(self, record: Record) -> Message:
        try:
            content_type, content_encoding, body = serializers.dumps(to_meta(record), self._serializer)
        except MessageError as error:
            raise type(error)(f"the result of task {record.task_id} cannot be sent: {error}") from error
        properties = {
            "delivery_mode": 2 if self.options.persistent else 1,
            "priority": 0,
            "correlation_id": record.task_id if len(record.task_id.encode()) <= 255 else None,
        }
        return Message(body, {}, content_type, content_encoding, properties)

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        return self._inbox.find(task_ids)

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        self._listen()
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        if self._reader is None:
            await asyncio.to_thread(self._listen)
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        self._inbox.forget(task_ids)

    def cleanup(self) -> int:
        return 0

    def public_url(self) -> str:
        return "rpc" + self._broker.public_url().removeprefix("amqps").removeprefix("amqp")

    def close(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        self._broker.close()

    # receiving

    def _listen(self) -> None:
        """Have a reply queue and somebody who reads it.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        if self._reader is None:
            with self._lock:
                if self._reader is None:
                    self._reader = _Reader(self._open, self._on_delivery, self._inbox.fail)

    def _open(self) -> BlockingConnection:
        """A connection that consumes from the reply queue."""
        options = self._broker.options
        deadline = SYSTEM.monotonic() + options.connect_timeout * len(self._nodes)
        connection, _ = connect_any(
            self._nodes, options.limits, failover=options.failover, timeout=options.connect_timeout * len(self._nodes)
        )
        try:
            expires = {} if self.options.expires is None else {"x-expires": max(1, int(self.options.expires * 1000))}
            connection.declare(declare_queue(Queue(self._name, Exchange(""), arguments=expires)), TOPOLOGY_CHANNEL, deadline)
            connection.open_channel(_CHANNEL, deadline)
            connection.core.receiver.queues[b"umbel"] = self._name
            consume = method(commands.Basic.Consume, queue=self._name, consumer_tag="umbel")
            connection.call(consume, _CHANNEL, deadline)
        except BaseException:
            connection.drop("the reply queue cannot be opened")
            raise
        return connection

    def _on_delivery(self, delivery: Delivery) -> None:
        task_id = str(delivery.properties.get("correlation_id") or "")
        flaw: Exception | None = delivery.flaw
        if flaw is None:
            try:
                value = serializers.loads(delivery.body, delivery.content_type, delivery.content_encoding, self._accept)
                self._inbox.put(from_meta(value, task_id), len(delivery.body))
            except (MessageError, DecodeError) as error:
                flaw = error.with_traceback(None)
        if flaw is not None:
            logger.warning("a result of task %s cannot be read and is dropped: %s", task_id or "unknown", flaw)


class _Reader:
    """The thread that reads the reply queue, and its connection."""

    def __init__(
        self,
        connect: Callable[[], BlockingConnection],
        on_delivery: Callable[[Delivery], None],
        on_silence: Callable[[OperationalError], None],
    ) -> None:
        self._connect = connect
        self._on_delivery = on_delivery
        self._on_silence = on_silence
        self._connection = connect()
        self._ear, self._voice = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-replies")
        self._thread.start()

    def close(self) -> None:
        """Delete the queue and end the thread."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._voice.send(b"x")
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)
        self._ear.close()
        self._voice.close()

    def drop(self) -> None:
        """After a fork: close our copies of the sockets."""
        self._connection.drop("the connection belongs to the parent process")
        self._ear.close()
        self._voice.close()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._read()
            except OperationalError as error:
                if not self._closing:
                    logger.warning("the reply queue is not read now: %s", error)
                    self._reconnect()
        with contextlib.suppress(OperationalError):
            queue = self._connection.core.receiver.queues.get(b"umbel", "")
            deadline = SYSTEM.monotonic() + 1.0
            self._connection.call(method(commands.Queue.Delete, queue=queue), _CHANNEL, deadline)
        self._connection.close()

    def _read(self) -> None:
        connection = self._connection
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            while not self._closing:
                connection.drain()
                deliveries = connection.core.receiver.take_deliveries()
                for delivery in deliveries:
                    self._on_delivery(delivery)
                if deliveries:
                    # Acknowledged, unlike Celery's: what was under way when a line broke comes again.
                    connection.write(render_ack(_CHANNEL, deliveries[-1].tag, multiple=True), _WRITE)
                selector.select()

    def _reconnect(self) -> None:
        """Connect again, however long it takes; waiters are told when it takes long."""
        lost = SYSTEM.monotonic()
        for pause in delays(0.05, 2.0, 2.0):
            time.sleep(pause)
            if self._closing:
                return
            try:
                self._connection = self._connect()
            except OperationalError as error:
                if SYSTEM.monotonic() - lost > _PATIENCE:
                    self._on_silence(error)
            else:
                return


def _is_address(reply_to: str) -> bool:
    """Whether results may be sent there. It comes from a message, that is from anybody, who may name another program's queue: so nothing but a
    UUID will do, as Celery's clients (5.7, ``celery.app.base.Celery.oid``) and ours use.
    """
    if not reply_to:
        return False
    if _OWN_NAME.fullmatch(reply_to) is None:
        logger.warning("a result was not sent: reply_to %.60r is not the name of a client's queue", reply_to)
        return False
    return True


def _broker_options(options: StoreOptions) -> BrokerOptions:
    """Which broker to use: that of the URL (``rpc://user:password@host/vhost``), else the one in the transport options.

    Raises:
        ImproperlyConfigured: neither names an AMQP broker.
    """
    given = options.transport.get("broker")
    base = (
        given if isinstance(given, BrokerOptions) else BrokerOptions(urls=(), connect_timeout=options.connect_timeout, name="umbel results")
    )
    scheme, _, rest = options.url.partition("://")
    if rest.strip("/"):
        prefix = scheme.removeprefix("rpc").removeprefix("+") or "amqp"
        found: tuple[str, ...] = tuple(f"{prefix}://{part.partition('://')[2] or part}" for part in urls.split(options.url))
    elif base.urls:
        found = base.urls
    else:
        found = urls.split(options.transport.get("broker_url") or ())
    wrong = [urls.parse(url).scheme for url in found if urls.parse(url).scheme not in ("amqp", "amqps", "pyamqp")]
    if wrong or not found:
        what = f"the broker is {wrong[0]}://" if wrong else "no broker is named"
        raise ImproperlyConfigured(f"rpc:// sends results through RabbitMQ, but {what}; use rpc://host or another result_backend")
    return replace(base, urls=found)


def connect(options: StoreOptions) -> RpcStore:
    """The store of these options; connects at first use."""
    return RpcStore(options)
