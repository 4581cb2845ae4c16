"""A list for replies, read by one thread. kombu's workers find it by its binding, ours too."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.defaults import InboxDefaults
from umbel.brokers.fanout.private_queues import expires_of
from umbel.brokers.topology import Queue
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.clients.redis.replies import translate
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.wire.redis import envelope
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import Argument, ReplyError, pack
from umbel.wire.redis.scripts import Script, load

#: Replies read at once.
_BATCH = 500
#: Seconds that an inbox outlives its client, where its queue says nothing of it.
_EXPIRES = 86_400.0
#: Seconds between two renewals, at most; and that one wait of the server's lasts, at most.
_RENEW_EVERY, _BLOCK = 60.0, 5.0
#: Seconds after which kombu may sweep the bindings of an exchange: its own value, in milliseconds.
_KOMBU_TTL = 3_600_000
#: Seconds to wait for the server's reply when closing.
_CLOSE = 2.0


class RedisReplyInbox(InboxDefaults):
    """See `umbel.brokers.fanout.base.ReplyInbox`.

    Replies stay in the list until the next `receive`, so that a lost connection loses none. An inbox whose client died is removed when
    another one is opened.

    Args:
        options: of the broker.
        candidates: the servers, in order.
        keys: the names.
        queue: of its own.
    """

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys, queue: Queue) -> None:
        super().__init__(queue)
        self._options = options
        self._candidates = candidates
        self._list = keys.list_at(queue.name, keys.steps[0])
        exchange, routing_key = self.address
        member = keys.member(routing_key, "", queue.name) if exchange else ""
        self._keys = (keys.inboxes, keys.binding(exchange), keys.binding_deadlines)
        self._lists = keys.lists(queue.name)
        entry = json.dumps([self._list, keys.binding(exchange), member])
        expires = expires_of(queue, _EXPIRES)
        self._open_with = (entry, str(int(expires * 1000)), member, exchange, str(_KOMBU_TTL))
        self._close_with = (entry, member, exchange)
        self._renew_every = min(_RENEW_EVERY, expires / 3)
        self._renew_at = 0.0
        self._connection: BlockingConnection | None = None
        #: Replies that `receive` returned and that are in the list still.
        self._taken = 0
        self._known = False

    def open(self) -> None:
        self._check()
        with self._lock:
            self._opened()

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self._check()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        with self._lock:
            while not self._closed:
                connection = self._opened()
                try:
                    found = self._take(connection)
                    if found:
                        return [self._delivery(raw) for raw in found]
                    left = _BLOCK if deadline is None else min(_BLOCK, deadline - SYSTEM.monotonic())
                    if left <= 0:
                        break
                    self._wait(connection, left)
                except ReplyError as error:
                    self._drop()
                    raise translate(error, f"reading {self._list!r}") from error
                except OperationalError:
                    self._drop()
                    raise
        return []

    def close(self) -> None:
        if self._pid != os.getpid():
            self._drop()
            self._interrupt.close()
            return
        self._closed = True
        self._interrupt.set()
        with self._lock:
            if self._known:
                self._known = False
                with contextlib.suppress(OperationalError, ReplyError):
                    if self._connection is None:
                        self._connection = BlockingConnection.open_any(self._candidates, _CLOSE)
                    _run(self._connection, load("close_inbox"), (*self._keys, *self._lists), self._close_with, _CLOSE)
            self._drop()
            self._interrupt.close()

    def _opened(self) -> BlockingConnection:
        """A connection, on which the inbox was made known not long ago."""
        connection, now = self._connection, SYSTEM.monotonic()
        if connection is not None and now < self._renew_at:
            return connection
        try:
            if connection is None:
                connection = self._connection = BlockingConnection.open_any(self._candidates, self._options.publish_timeout)
            _run(connection, load("open_inbox"), self._keys, self._open_with)
        except ReplyError as error:
            self._drop()
            raise translate(error, f"a reply inbox {self._queue.name!r}") from error
        except OperationalError:
            self._drop()
            raise
        self._known = True
        self._renew_at = now + self._renew_every
        return connection

    def _take(self, connection: BlockingConnection) -> list[bytes]:
        """The oldest replies, after the last ones have been removed."""
        commands: list[tuple[Argument, ...]] = [("LRANGE", self._list, str(-_BATCH), "-1")]
        if self._taken:
            commands.insert(0, ("LTRIM", self._list, "0", str(-self._taken - 1)))
            self._taken = 0
        answer = connection.pipeline(commands)[-1]
        if isinstance(answer, ReplyError):
            raise answer
        found: list[bytes] = answer[::-1]
        self._taken = len(found)
        return found

    def _wait(self, connection: BlockingConnection, timeout: float) -> None:
        """Wait until the list is not empty. Moving its last entry to where it is changes nothing."""
        deadline = SYSTEM.monotonic() + timeout + self._options.publish_timeout
        connection.send(pack("BLMOVE", self._list, self._list, "RIGHT", "RIGHT", f"{max(timeout, 0.01):.3f}"), deadline)
        while not (replies := connection.receive_now()):
            if self._closed:
                self._drop()  # it is blocked for a while yet
                return
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                raise OperationalError(f"{connection.address.public()} does not answer")
            self._interrupt.wait(connection.sock, left)
        if isinstance(replies[0], ReplyError):
            raise replies[0]

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._taken = 0
        if connection is not None:
            connection.close()

    def _delivery(self, raw: bytes) -> Delivery:
        limits = self._options.limits
        found = envelope.parse(
            raw, body_limit=limits.body, header_bytes=limits.header_bytes, header_count=limits.header_count, depth=limits.depth
        )
        exchange, routing_key = self.address
        return Delivery(
            found.body,
            found.headers,
            found.content_type,
            found.content_encoding,
            found.properties,
            None,
            0,
            self._queue.name,
            found.exchange or exchange,
            found.routing_key or routing_key,
            found.redelivered,
            0,
            found.flaw,
        )


def _run(
    connection: BlockingConnection, script: Script, keys: Sequence[str], arguments: Sequence[str], timeout: float | None = None
) -> Any:
    connection.timeout = timeout or connection.timeout
    return connection.run(script, keys, arguments)
