"""The contract of brokers in `umbel.brokers.base`, as classes of tests for pytest.

A package that brings a broker imports into a test file the classes that hold for it, and gives them a fixture ``kit``: a `BrokerKit`.
For the assertions to say what differs, ``umbel.testing.plugin`` stands among ``pytest_plugins`` in its conftest.

Some classes ask what not every broker can do, and have an attribute ``needs``: `TestPriorities`, `TestRouting` and `TestBroadcastQueues`
(``exchanges``), `TestExchanges` (``rules``: a type of exchange that is unknown is refused), `TestProcesses` (messages leave the process) and
`TestLeases`.
"""

from __future__ import annotations

from umbel.testing.brokers.dead_letters import TestDeadLetters
from umbel.testing.brokers.delaying import TestDelay
from umbel.testing.brokers.exchanges import TestBroadcastQueues, TestExchanges, TestRouting
from umbel.testing.brokers.kit import SOON, BrokerKit, Sink
from umbel.testing.brokers.looking import TestLooking, TestPausing
from umbel.testing.brokers.processes import TestLeases, TestProcesses
from umbel.testing.brokers.publishing import TestPublishing
from umbel.testing.brokers.queues import TestPriorities, TestQueues
from umbel.testing.brokers.roundtrip import TestRoundtrip
from umbel.testing.brokers.settling import TestSettling, TestWindow

__all__ = [
    "SOON",
    "BrokerKit",
    "Sink",
    "TestBroadcastQueues",
    "TestDeadLetters",
    "TestDelay",
    "TestExchanges",
    "TestLeases",
    "TestLooking",
    "TestPausing",
    "TestPriorities",
    "TestProcesses",
    "TestPublishing",
    "TestQueues",
    "TestRoundtrip",
    "TestRouting",
    "TestSettling",
    "TestWindow",
]
