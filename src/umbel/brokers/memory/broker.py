"""A broker inside one process, for tests: ``memory://`` and ``memory:///name``.

The reference of what the contract means: no network, no leases, no file. Publishers may be in any thread, consumers on any event loop.
Brokers of the same name share their queues as long as one of them exists.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, Capabilities
from umbel.brokers.defaults.broker import BrokerDefaults
from umbel.brokers.memory.consumer import MemoryConsumer
from umbel.brokers.memory.fanout import MemoryBroadcaster, MemoryReplyInbox, MemorySubscriber
from umbel.brokers.memory.hub import Hub
from umbel.brokers.memory.publisher import MemoryPublisher
from umbel.brokers.memory.queue_client import MemoryQueueClient
from umbel.brokers.topology import Queue
from umbel.clients import urls


class MemoryBroker(BrokerDefaults[MemoryPublisher]):
    """`Broker` over the hub of one name.

    Args:
        options: as they were given.
        hub: its queues.
        name: of the hub, for the URL.
    """

    capabilities: Capabilities = Capabilities(higher_first=True, in_process=True, peeks=True, embedded=True)

    def __init__(self, options: BrokerOptions, hub: Hub, name: str) -> None:
        super().__init__(options, MemoryPublisher(hub))
        self._hub = hub
        self._name = name
        self._broadcaster = MemoryBroadcaster(hub)

    def consumer(self, queues: Sequence[Queue], *, window: int) -> MemoryConsumer:
        return MemoryConsumer(self._hub, self.options.limits, self._publisher, queues, window=window)

    def queue_client(self) -> MemoryQueueClient:
        return MemoryQueueClient(self._hub, self._publisher)

    def broadcaster(self) -> MemoryBroadcaster:
        return self._broadcaster

    def subscriber(self, queue: Queue) -> MemorySubscriber:
        return MemorySubscriber(self._hub, self.options.limits, queue)

    def reply_inbox(self, queue: Queue) -> MemoryReplyInbox:
        return MemoryReplyInbox(self._hub, self.options.limits, queue)

    def public_url(self) -> str:
        return f"memory:///{self._name}" if self._name else "memory://"


#: One hub per name, for as long as a broker has it: in one process, a name is all that brokers have in common.
_HUBS: weakref.WeakValueDictionary[str, Hub] = weakref.WeakValueDictionary()
_HUBS_LOCK = threading.Lock()


def connect(options: BrokerOptions) -> MemoryBroker:
    """Make the broker of the name in the URL's path.

    Args:
        options: with one URL.
    """
    url = urls.parse(options.urls[0])
    name = url.path or url.host or ""
    with _HUBS_LOCK:
        hub = _HUBS.get(name)
        if hub is None:
            hub = _HUBS[name] = Hub()
    return MemoryBroker(options, hub, name)
