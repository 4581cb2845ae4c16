"""A broker as another package would bring one: it knows Umbel's public contract alone, and keeps everything in this process."""

from __future__ import annotations

from umbel.brokers import memory
from umbel.brokers.base import BrokerOptions


class TinyBroker:
    """Somebody else's broker: another name in front of queues in memory."""

    def __init__(self, options: BrokerOptions) -> None:
        self._queues = memory.connect(options)
        self.options = options
        self.capabilities = self._queues.capabilities

    def publisher(self):
        return self._queues.publisher()

    def consumer(self, queues, *, window):
        return self._queues.consumer(queues, window=window)

    def queue_client(self):
        return self._queues.queue_client()

    def public_url(self):
        return self.options.urls[0]

    def close(self):
        self._queues.close()


class ForgetfulBroker(TinyBroker):
    """Does not keep the contract: its consumers drop what they should hand back."""

    def consumer(self, queues, *, window):
        made = super().consumer(queues, window=window)
        made.requeue = made.ack
        return made


def connect(options: BrokerOptions) -> TinyBroker:
    """The factory that an entry point names."""
    return TinyBroker(options)


def connect_forgetful(options: BrokerOptions) -> ForgetfulBroker:
    """A factory of brokers that lose messages."""
    return ForgetfulBroker(options)
