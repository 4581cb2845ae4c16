"""Broadcasts as PUBLISH, replies as LPUSH, over one connection."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence

from umbel.brokers.base import REPLY_TTL, BrokerOptions
from umbel.brokers.fanout.defaults import BroadcastDefaults
from umbel.brokers.redis.topology import Table
from umbel.brokers.topology import Exchange
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection, KeptConnection
from umbel.clients.redis.replies import translate
from umbel.errors import OperationalError
from umbel.runtime import process_hooks
from umbel.wire.message import Message
from umbel.wire.redis import envelope
from umbel.wire.redis.channels import Channels
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import Argument, ReplyError

_Command = tuple[Argument, ...]


class RedisBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`. Topic exchanges are channels, too, as Celery's ``celeryev`` is on Redis.

    Args:
        options: of the broker.
        candidates: the servers, in order.
        keys: the names.
    """

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys) -> None:
        self._timeout = options.publish_timeout
        self._keys = keys
        self._channels = Channels.of(options.transport, candidates[0].db)
        self._kept = KeptConnection(candidates, self._timeout)
        self._reset()
        process_hooks.attach(after_fork=self._reset)

    def _reset(self) -> None:
        self._lock = threading.RLock()

    def connect(self) -> None:
        with self._lock:
            self._kept.connection()

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:
        rendered = [
            (envelope.render(message, exchange.name, routing_key, str(uuid.uuid4())), routing_key) for message, routing_key in messages
        ]
        with self._lock:
            connection = self._kept.connection()
            try:
                if exchange.type == "direct":
                    commands = list(self._replies(connection, exchange.name, rendered, keep))
                else:
                    commands = [("PUBLISH", self._channels.name(exchange.name, routing_key), raw) for raw, routing_key in rendered]
                for answer in connection.pipeline(commands):
                    if isinstance(answer, ReplyError):
                        raise answer
            except ReplyError as error:
                raise translate(error, f"a broadcast to {exchange.name!r}") from error
            except OperationalError:  # never sent again: it may have arrived
                self._kept.close()
                raise

    def close(self) -> None:
        with self._lock:
            self._kept.close()

    def _replies(
        self, connection: BlockingConnection, exchange: str, rendered: Sequence[tuple[bytes, str]], keep: float
    ) -> Iterator[_Command]:
        """The commands for replies. Their lists end by themselves: nobody may be there any more who would take them."""
        table = Table.read(connection, self._keys, exchange) if exchange else None
        for raw, routing_key in rendered:
            for queue in [routing_key] if table is None else table.route(routing_key, {}):
                key = self._keys.list_at(queue, self._keys.steps[0])
                yield "LPUSH", key, raw
                yield "PEXPIRE", key, str(max(1, int(keep * 1000)))
