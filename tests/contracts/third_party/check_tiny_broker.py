"""The contract on somebody else's broker, as its own package would run it."""

from __future__ import annotations

import os
import uuid

import pytest
import tiny_broker

from umbel.testing.brokers import (
    BrokerKit,
    TestDeadLetters,
    TestDelay,
    TestExchanges,
    TestPriorities,
    TestPublishing,
    TestQueues,
    TestRoundtrip,
    TestSettling,
    TestWindow,
)

__all__ = [
    "TestDeadLetters",
    "TestDelay",
    "TestExchanges",
    "TestPriorities",
    "TestPublishing",
    "TestQueues",
    "TestRoundtrip",
    "TestSettling",
    "TestWindow",
]


@pytest.fixture
def kit():
    with BrokerKit("tiny", f"memory:///{uuid.uuid4().hex}", getattr(tiny_broker, os.environ["CONNECT"])) as kit:
        yield kit
