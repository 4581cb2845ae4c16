"""`Broker` over one database of MariaDB (10.6 or newer) or MySQL (8 or newer)."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, Capabilities
from umbel.brokers.defaults.broker import BrokerDefaults
from umbel.brokers.mysql.consumer import MysqlConsumer
from umbel.brokers.mysql.fanout.broadcaster import MysqlBroadcaster
from umbel.brokers.mysql.fanout.inbox import MysqlReplyInbox
from umbel.brokers.mysql.fanout.subscriber import MysqlSubscriber
from umbel.brokers.mysql.publisher import MysqlPublisher
from umbel.brokers.mysql.queue_client import MysqlQueueClient
from umbel.brokers.mysql.tables import make
from umbel.brokers.topology import Queue
from umbel.clients.finding import Finding
from umbel.clients.sql.addresses import public, url_of
from umbel.clients.sql.checkup import check
from umbel.clients.sql.engine import Database
from umbel.errors import ImproperlyConfigured


class MysqlBroker(BrokerDefaults[MysqlPublisher]):
    """The messages in one database, whose connections all parts share.

    Args:
        options: with one URL.

    Raises:
        ImproperlyConfigured: there are several, or it cannot be used.
    """

    capabilities: Capabilities = Capabilities(higher_first=True, leases=True, peeks=True)

    def __init__(self, options: BrokerOptions) -> None:
        if len(set(options.urls)) > 1:
            raise ImproperlyConfigured("broker_url lists several databases: there is no failover between databases")
        self._database = Database(
            url_of(options.urls[0], "broker"), dict(options.transport.get("engine_options", {})), None, make, "broker"
        )
        super().__init__(options, MysqlPublisher(self._database, options))
        self._broadcaster = MysqlBroadcaster(self._database, options)

    def consumer(self, queues: Sequence[Queue], *, window: int) -> MysqlConsumer:
        return MysqlConsumer(self._database, self._publisher, self.options, queues, window=window)

    def queue_client(self) -> MysqlQueueClient:
        return MysqlQueueClient(self._database, self.options)

    def broadcaster(self) -> MysqlBroadcaster:
        return self._broadcaster

    def subscriber(self, queue: Queue) -> MysqlSubscriber:
        return MysqlSubscriber(self._database, self.options, queue)

    def reply_inbox(self, queue: Queue) -> MysqlReplyInbox:
        return MysqlReplyInbox(self._database, self.options, queue)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the server over (`umbel.clients.finding.HasCheckup`).

        Args:
            subject: of the findings.
        """
        return self._database.run(lambda connection: list(check(connection, subject)), self.options.connect_timeout)

    def public_url(self) -> str:
        return public(self._database.url)

    def close(self) -> None:
        super().close()
        self._database.close()


def connect(options: BrokerOptions) -> MysqlBroker:
    """Make the broker; it connects, and makes its tables, when it is first used.

    Args:
        options: of the connection.

    Raises:
        ImproperlyConfigured: the URL cannot be used.
    """
    return MysqlBroker(options)
