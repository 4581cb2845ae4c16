"""`Broker` over one PostgreSQL database."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, Capabilities
from umbel.brokers.postgresql.consumer import PostgresqlConsumer
from umbel.brokers.postgresql.fanout.broadcaster import PostgresqlBroadcaster
from umbel.brokers.postgresql.fanout.inbox import PostgresqlReplyInbox
from umbel.brokers.postgresql.fanout.subscriber import PostgresqlSubscriber
from umbel.brokers.postgresql.publisher import PostgresqlPublisher
from umbel.brokers.postgresql.queue_client import PostgresqlQueueClient
from umbel.brokers.topology import Queue
from umbel.clients.finding import Finding
from umbel.clients.postgresql.checkup import check
from umbel.clients.postgresql.database import Database


class PostgresqlBroker:
    """The messages in one table. The publisher, each consumer and each client have a connection of their own."""

    capabilities: Capabilities = Capabilities(higher_first=True, leases=True, peeks=True, transactions=True)

    def __init__(self, options: BrokerOptions) -> None:
        self.options = options
        self.database: Database = Database(options)
        self._publisher = PostgresqlPublisher(self.database, options)
        self._broadcaster = PostgresqlBroadcaster(self.database, options)

    def publisher(self) -> PostgresqlPublisher:
        return self._publisher

    def consumer(self, queues: Sequence[Queue], *, window: int) -> PostgresqlConsumer:
        return PostgresqlConsumer(self.database, self.options, queues, window=window)

    def queue_client(self) -> PostgresqlQueueClient:
        return PostgresqlQueueClient(self.database, self.options)

    def broadcaster(self) -> PostgresqlBroadcaster:
        return self._broadcaster

    def subscriber(self, queue: Queue) -> PostgresqlSubscriber:
        return PostgresqlSubscriber(self.database, self.options, queue)

    def reply_inbox(self, queue: Queue) -> PostgresqlReplyInbox:
        return PostgresqlReplyInbox(self.database, self.options, queue)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the server over (`umbel.clients.finding.HasCheckup`)."""
        with self.database.plain() as connection:
            return list(check(connection, subject))

    def public_url(self) -> str:
        return self.database.public()

    def close(self) -> None:
        self._publisher.close()
        self._broadcaster.close()


def connect(options: BrokerOptions) -> PostgresqlBroker:
    """Make the broker; connects when it is first used, and makes the tables then.

    Raises:
        ImproperlyConfigured: a URL or an option makes no sense.
    """
    return PostgresqlBroker(options)
