"""Redis and Valkey as a broker: kombu's lists and envelopes, our leases. Needs Redis 6.2; no client library."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, Capabilities
from umbel.brokers.redis.consumer import RedisConsumer
from umbel.brokers.redis.fanout.broadcaster import RedisBroadcaster
from umbel.brokers.redis.fanout.inbox import RedisReplyInbox
from umbel.brokers.redis.fanout.subscriber import RedisSubscriber
from umbel.brokers.redis.publisher import RedisPublisher
from umbel.brokers.redis.queue_client import RedisQueueClient
from umbel.brokers.topology import Queue
from umbel.clients.finding import Finding
from umbel.clients.redis.addresses import addresses
from umbel.clients.redis.checkup import check
from umbel.clients.redis.connection_blocking import KeptConnection
from umbel.errors import ImproperlyConfigured
from umbel.wire.redis.keys import Keys


class RedisBroker:
    """Fulfils `umbel.brokers.base.Broker`."""

    capabilities: Capabilities = Capabilities(higher_first=False, leases=True, peeks=True)

    def __init__(self, options: BrokerOptions) -> None:
        if not options.urls:
            raise ImproperlyConfigured("a Redis broker needs a URL, e.g. redis://localhost:6379/0")
        self.options = options
        self._keys = Keys.of(options.transport)
        self._candidates = addresses(
            options.urls, tls=options.ssl, transport=options.transport, connect_timeout=options.connect_timeout, client_name=options.name
        )
        self._publisher: RedisPublisher | None = None
        self._broadcaster: RedisBroadcaster | None = None

    def publisher(self) -> RedisPublisher:
        if self._publisher is None:
            self._publisher = RedisPublisher(self.options, self._candidates, self._keys)
        return self._publisher

    def consumer(self, queues: Sequence[Queue], *, window: int) -> RedisConsumer:
        return RedisConsumer(self.options, self._candidates, self._keys, queues, window)

    def queue_client(self) -> RedisQueueClient:
        return RedisQueueClient(self._candidates, self._keys)

    def broadcaster(self) -> RedisBroadcaster:
        if self._broadcaster is None:
            self._broadcaster = RedisBroadcaster(self.options, self._candidates, self._keys)
        return self._broadcaster

    def subscriber(self, queue: Queue) -> RedisSubscriber:
        return RedisSubscriber(self.options, self._candidates, queue)

    def reply_inbox(self, queue: Queue) -> RedisReplyInbox:
        return RedisReplyInbox(self.options, self._candidates, self._keys, queue)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the server over (`umbel.clients.finding.HasCheckup`)."""
        found: list[Finding] = KeptConnection(self._candidates).use(lambda each: list(check(each, subject, keeps_messages=True)))
        return found

    def public_url(self) -> str:
        return ";".join(address.public() for address in self._candidates)

    def close(self) -> None:
        for each in (self._publisher, self._broadcaster):
            if each is not None:
                each.close()


def connect(options: BrokerOptions) -> RedisBroker:
    """Make the broker for Redis URLs; connects when first used.

    Raises:
        ImproperlyConfigured: a URL or an option cannot be used.
    """
    return RedisBroker(options)
