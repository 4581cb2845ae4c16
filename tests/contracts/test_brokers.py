"""The broker contract on every broker."""

from __future__ import annotations

import pytest

from contracts.broker_contract import (
    TestDeadLetters,
    TestDelay,
    TestExchanges,
    TestLeases,
    TestPriorities,
    TestProcesses,
    TestPublishing,
    TestQueues,
    TestRoundtrip,
    TestSettling,
    TestWindow,
)
from contracts.fanout_contract import (
    TestBlockingSubscriber,
    TestBroadcast,
    TestBroadcastBetweenProcesses,
    TestBroadcastBuffer,
    TestReplyInbox,
    TestReplyInboxBetweenProcesses,
)
from contracts.kit import Kit

__all__ = [
    "TestBlockingSubscriber",
    "TestBroadcast",
    "TestBroadcastBetweenProcesses",
    "TestBroadcastBuffer",
    "TestDeadLetters",
    "TestDelay",
    "TestExchanges",
    "TestLeases",
    "TestPriorities",
    "TestProcesses",
    "TestPublishing",
    "TestQueues",
    "TestReplyInbox",
    "TestReplyInboxBetweenProcesses",
    "TestRoundtrip",
    "TestSettling",
    "TestWindow",
]

#: Each broker, and what `needs` it answers.
BROKERS = {
    "memory": {"priorities", "rules", "fanout"},
    "sqlite": {"priorities", "processes", "leases", "rules", "fanout"},
    "redis": {"priorities", "processes", "leases", "rules", "fanout"},
    "rabbitmq-classic": {"priorities", "processes", "fanout"},
    "rabbitmq-quorum": {"processes"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        need = getattr(metafunc.cls, "needs", None)
        marks = {"redis": pytest.mark.redis, "rabbitmq-classic": pytest.mark.rabbitmq, "rabbitmq-quorum": pytest.mark.rabbitmq}
        names = [name for name, offers in BROKERS.items() if need is None or offers.issuperset(need.split())]
        metafunc.parametrize("kit", [pytest.param(name, marks=marks.get(name, ())) for name in names], indirect=True)


@pytest.fixture
def kit(request, tmp_path):
    name = request.param
    if name == "memory":
        made = Kit(name, f"memory:///{tmp_path.name}")
    elif name == "sqlite":
        made = Kit(name, f"sqlite:///{tmp_path}/umbel.db")
    elif name == "redis":
        made = Kit(name, request.getfixturevalue("redis_url"))
        made.transport = {"global_keyprefix": f"contract-{made.mark}:"}
    elif name == "rabbitmq-classic":
        made = Kit(name, request.getfixturevalue("rabbitmq_url"), priority_arguments={"x-max-priority": 10})
    else:
        made = Kit(name, request.getfixturevalue("rabbitmq_url"), arguments={"x-queue-type": "quorum"}, requeues_first=False)
    yield made
    made.close()
    if name == "redis":
        forget_prefix(made.url, made.transport["global_keyprefix"])


def forget_prefix(url: str, prefix: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(prefix + "*", count=1000):
            client.delete(key)
