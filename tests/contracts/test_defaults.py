"""What a new broker has to write, counted; and the contract on a broker that writes nothing else."""

from __future__ import annotations

import inspect

import pytest

from contracts import minimal_broker
from umbel.brokers import base
from umbel.brokers.defaults.broker import BrokerDefaults
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.defaults.queue_client import QueueClientDefaults
from umbel.errors import ImproperlyConfigured
from umbel.testing.brokers import (
    BrokerKit,
    TestDeadLetters,
    TestDelay,
    TestLooking,
    TestPublishing,
    TestQueues,
    TestRoundtrip,
    TestSettling,
    TestWindow,
)

__all__ = ["TestDeadLetters", "TestDelay", "TestLooking", "TestPublishing", "TestQueues", "TestRoundtrip", "TestSettling", "TestWindow"]

#: The contract's protocol, what gives the rest of it, and the smallest thing that rests on that.
SIDES = [
    (base.Publisher, PublisherDefaults, minimal_broker.MinimalPublisher),
    (base.Consumer, ConsumerDefaults, minimal_broker.MinimalConsumer),
    (base.QueueClient, QueueClientDefaults, minimal_broker.MinimalQueueClient),
    (base.Broker, BrokerDefaults, minimal_broker.MinimalBroker),
]
MOST_METHODS = 16


class MinimalKit(BrokerKit):
    def broker(self, **options):
        made = minimal_broker.MinimalBroker(base.BrokerOptions(urls=(self.url,), **options), self.table)
        self.brokers.append(made)
        return made


@pytest.fixture
def kit():
    made = MinimalKit("minimal", "minimal://")
    made.table = minimal_broker.Table()
    yield made
    made.close()


def pytest_generate_tests(metafunc):
    """Nothing is parametrized: the kit is of one broker."""


def methods_of(kind):
    return {name for name, value in vars(kind).items() if inspect.isfunction(value) and not name.startswith("_")}


@pytest.mark.parametrize(("protocol", "defaults", "minimal"), SIDES, ids=lambda kind: kind.__name__)
def test_the_defaults_and_what_is_written_are_the_whole_contract(protocol, defaults, minimal):
    assert methods_of(protocol) <= methods_of(defaults)
    assert methods_of(minimal) == defaults.__abstractmethods__, "what is not asked for need not be there"


def test_a_broker_writes_few_methods():
    assert sum(len(defaults.__abstractmethods__) for _, defaults, _ in SIDES) <= MOST_METHODS


def test_a_broker_without_broadcasts_says_so(kit):
    for ask in (kit.main.broadcaster, lambda: kit.main.subscriber(kit.queue()), lambda: kit.main.reply_inbox(kit.queue())):
        with pytest.raises(ImproperlyConfigured, match="carries tasks alone"):
            ask()
