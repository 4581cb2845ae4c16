"""`Broker` over one SQLite file."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, Capabilities
from umbel.brokers.sqlite.consumer import SqliteConsumer
from umbel.brokers.sqlite.fanout.broadcaster import SqliteBroadcaster
from umbel.brokers.sqlite.fanout.inbox import SqliteReplyInbox
from umbel.brokers.sqlite.fanout.subscriber import SqliteSubscriber
from umbel.brokers.sqlite.publisher import SqlitePublisher
from umbel.brokers.sqlite.queue_client import SqliteQueueClient
from umbel.brokers.topology import Queue
from umbel.clients.finding import Finding
from umbel.clients.sqlite.checkup import check
from umbel.clients.sqlite.database import Database, locate, synchronous_of
from umbel.errors import ImproperlyConfigured


class SqliteBroker:
    """The messages in one file. The publisher, each consumer and each client have connections of their own."""

    capabilities: Capabilities = Capabilities(higher_first=True, leases=True, peeks=True, embedded=True)

    def __init__(self, options: BrokerOptions) -> None:
        if len({locate(url) for url in options.urls}) > 1:
            raise ImproperlyConfigured("broker_url lists several SQLite files: there is no failover between files")
        self.options = options
        self.path: str = locate(options.urls[0])
        self._synchronous = synchronous_of(options.urls[0], options.transport)
        self._publisher = SqlitePublisher(self._database(), options)
        self._broadcaster = SqliteBroadcaster(self._database(), options)

    def publisher(self) -> SqlitePublisher:
        return self._publisher

    def consumer(self, queues: Sequence[Queue], *, window: int) -> SqliteConsumer:
        return SqliteConsumer(self._database(autocheckpoint=False), self.options, queues, window=window)

    def queue_client(self) -> SqliteQueueClient:
        return SqliteQueueClient(self._database(), self.options)

    def broadcaster(self) -> SqliteBroadcaster:
        return self._broadcaster

    def subscriber(self, queue: Queue) -> SqliteSubscriber:
        return SqliteSubscriber(self._database(), self.options, queue)

    def reply_inbox(self, queue: Queue) -> SqliteReplyInbox:
        return SqliteReplyInbox(self._database(), self.options, queue)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the file over (`umbel.clients.finding.HasCheckup`)."""
        return list(check(self.path, subject))

    def public_url(self) -> str:
        return f"sqlite:///{self.path}"

    def close(self) -> None:
        self._publisher.close()
        self._broadcaster.close()

    def _database(self, *, autocheckpoint: bool = True) -> Database:
        return Database(self.path, synchronous=self._synchronous, autocheckpoint=autocheckpoint)


def connect(options: BrokerOptions) -> SqliteBroker:
    """Make the broker; the file is opened, and made, when it is first used.

    Raises:
        ImproperlyConfigured: the URL names no file, or has an unknown option.
    """
    return SqliteBroker(options)
