"""The store of ``rpc://``: results travel as messages to the client that sent the task (Celery's ``rpc`` backend).

Each client process has one reply inbox, named by an id of its own; task messages carry that name in ``reply_to``, and workers send each
state there, by the default exchange, with the task's id as correlation id and the task meta as body. One daemon thread per process reads the
inbox for all waiters; what nobody waits for yet is kept, up to a limit. Only this process can read these results.

Three things differ from Celery, so that a lost connection loses no results: the queue is not deleted when its consumer goes (it is deleted
when the store is closed, and expires), what is read is acknowledged, and results are sent with confirms.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeGuard

from umbel.brokers import registry as brokers
from umbel.brokers.base import BrokerOptions, Delivery, Publisher
from umbel.brokers.fanout import private_queues
from umbel.brokers.topology import Exchange
from umbel.clients import urls
from umbel.errors import DecodeError, ImproperlyConfigured, MessageError, OperationalError, PublishError
from umbel.results.base import StoreOptions
from umbel.results.group_store import GroupStore
from umbel.results.meta import from_meta, to_meta
from umbel.results.model import Record
from umbel.results.rpc.reader import Reader
from umbel.results.rpc.received import Received
from umbel.results.waiting import Waiting
from umbel.runtime import process_hooks
from umbel.wire import serializers
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.results.rpc")

_OWN_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Seconds that a result waits for its client where results are kept for ever, and the broker does not know whether the client is there.
_KEEP = 86_400.0


class RpcStore:
    """Fulfils `umbel.results.base.ResultStore`.

    Args:
        options: how to reach the store.
    """

    shared = False
    revocations = None
    groups: GroupStore | None = None

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._broker = brokers.connect(_broker_options(options))
        found = serializers.find(options.serializer)
        self._serializer = found.name
        self._accept = serializers.content_types(options.accept)
        self._reset()
        process_hooks.attach(after_fork=self.forget_connection, before_exit=self.close)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._name = str(uuid.uuid4())
        self._received = Received()
        self._waiting: Waiting[Record] = Waiting(self._received, lambda record: record)
        self._reader: Reader | None = None

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
        """Do nothing for ``task_ids`` (nor with the ``publisher``): nobody but this client could read what is announced."""

    def store(self, records: Sequence[Record]) -> None:
        messages = [(self._message(record), record.reply_to) for record in records if _is_address(record.reply_to)]
        if not messages:
            return
        keep = _KEEP if self.options.expires is None else self.options.expires
        try:
            self._broker.broadcaster().broadcast_many(Exchange(""), messages, keep=keep)
        except PublishError:
            raise
        except OperationalError as error:
            if error.is_permanent:
                raise
            # Once more over a new connection. What arrived already arrives twice, which a client does not mind: the first end counts.
            self._broker.broadcaster().broadcast_many(Exchange(""), messages, keep=keep)

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
        return self._received.find(task_ids)

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        self._listen()
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        if self._reader is None:
            await asyncio.to_thread(self._listen)
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        self._received.forget(task_ids)

    def cleanup(self) -> int:
        return 0

    def public_url(self) -> str:
        url = self._broker.public_url()
        return f"rpc+{url}" if not url.startswith("amqp") else "rpc" + url.removeprefix("amqps").removeprefix("amqp")

    def close(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        self._broker.close()

    def _listen(self) -> None:
        """Have a reply inbox, and a thread that reads it.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        if self._reader is None:
            with self._lock:
                if self._reader is None:
                    inbox = self._broker.reply_inbox(private_queues.result_queue(self._name, self.options.expires))
                    self._reader = Reader(inbox, self._on_delivery, self._received.fail)

    def _on_delivery(self, delivery: Delivery) -> None:
        task_id = str(delivery.properties.get("correlation_id") or "")
        flaw: Exception | None = delivery.flaw
        if flaw is None:
            try:
                value = serializers.loads(delivery.body, delivery.content_type, delivery.content_encoding, self._accept)
                self._received.put(from_meta(value, task_id), len(delivery.body))
            except (MessageError, DecodeError) as error:
                flaw = error.with_traceback(None)
        if flaw is not None:
            logger.warning("a result of task %s cannot be read and is dropped: %s", task_id or "unknown", flaw)


def _is_address(reply_to: str | None) -> TypeGuard[str]:
    """Return whether results may be sent there. It comes from a message, that is from anybody, who may name another program's queue: so nothing but a
    UUID will do, as Celery's clients (5.7, ``celery.app.base.Celery.oid``) and ours use.
    """
    if not reply_to:
        return False
    if _OWN_NAME.fullmatch(reply_to) is None:
        logger.warning("a result was not sent: reply_to %.60r is not the name of a client's queue", reply_to)
        return False
    return True


def _broker_options(options: StoreOptions) -> BrokerOptions:
    """The broker to use: that of the URL (``rpc://user:password@host/vhost``), else the one in the transport options.

    Raises:
        ImproperlyConfigured: neither names one.
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
    if not found:
        raise ImproperlyConfigured("rpc:// sends results through the broker, but none is named; use rpc://host or another result_backend")
    return replace(base, urls=found)


def connect(options: StoreOptions) -> RpcStore:
    """Make the store; it connects at first use.

    Args:
        options: how to reach it.
    """
    return RpcStore(options)
