"""RabbitMQ and other AMQP 0-9-1 brokers: ``amqp://``, ``amqps://``."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import (
    Broadcaster,
    Broker,
    BrokerOptions,
    Capabilities,
    Consumer,
    Publisher,
    QueueClient,
    ReplyInbox,
    Subscriber,
)
from umbel.brokers.topology import Queue
from umbel.clients.finding import Finding


class AmqpBroker:
    """One RabbitMQ, or one failover list of its nodes."""

    def __init__(self, options: BrokerOptions) -> None:
        from umbel.clients.amqp.addresses import addresses

        self.options = options
        self.capabilities: Capabilities = Capabilities(higher_first=True)
        self._clients = addresses(options, heartbeat=0)
        self._publisher: Publisher | None = None
        self._broadcaster: Broadcaster | None = None

    def publisher(self) -> Publisher:
        from umbel.brokers.amqp.publisher import AmqpPublisher

        if self._publisher is None:
            self._publisher = AmqpPublisher(self._clients, self.options)
        return self._publisher

    def consumer(self, queues: Sequence[Queue], *, window: int) -> Consumer:
        from umbel.brokers.amqp.consumer import AmqpConsumer
        from umbel.clients.amqp.addresses import addresses

        return AmqpConsumer(addresses(self.options, heartbeat=self.options.heartbeat), self.options, queues, window=window)

    def queue_client(self) -> QueueClient:
        from umbel.brokers.amqp.queue_client import AmqpQueueClient

        return AmqpQueueClient(self._clients, self.options)

    def broadcaster(self) -> Broadcaster:
        from umbel.brokers.amqp.fanout.broadcaster import AmqpBroadcaster

        if self._broadcaster is None:
            self._broadcaster = AmqpBroadcaster(self._clients, self.options)
        return self._broadcaster

    def subscriber(self, queue: Queue) -> Subscriber:
        from umbel.brokers.amqp.fanout.subscriber import AmqpSubscriber
        from umbel.clients.amqp.addresses import addresses

        return AmqpSubscriber(addresses(self.options, heartbeat=self.options.heartbeat), self.options, queue)

    def reply_inbox(self, queue: Queue) -> ReplyInbox:
        from umbel.brokers.amqp.fanout.inbox import AmqpReplyInbox

        return AmqpReplyInbox(self._clients, self.options, queue)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the broker over (`umbel.clients.finding.HasCheckup`)."""
        from umbel.clients.amqp.checkup import check
        from umbel.clients.amqp.connection_blocking import connect_any

        options = self.options
        connection, _ = connect_any(self._clients, options.limits, failover=options.failover, timeout=options.connect_timeout)
        try:
            return list(check(connection.core.server, subject))
        finally:
            connection.close()

    def public_url(self) -> str:
        return self._clients[0].public

    def close(self) -> None:
        for each in (self._publisher, self._broadcaster):
            if each is not None:
                each.close()


def connect(options: BrokerOptions) -> Broker:
    """The broker of these options; connects at first use."""
    return AmqpBroker(options)
