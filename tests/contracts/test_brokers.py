"""The broker contract on every broker."""

from __future__ import annotations

import pytest

from conftest import POSTGRESQL, sql_database
from contracts.fanout_contract import (
    TestBlockingSubscriber,
    TestBroadcast,
    TestBroadcastBetweenProcesses,
    TestBroadcastBuffer,
    TestReplyInbox,
    TestReplyInboxBetweenProcesses,
)
from contracts.own_kit import OwnKit
from umbel.brokers.topology import Exchange
from umbel.errors import ImproperlyConfigured
from umbel.testing.brokers import (
    TestBroadcastQueues,
    TestDeadLetters,
    TestDelay,
    TestExchanges,
    TestLeases,
    TestLooking,
    TestPausing,
    TestPriorities,
    TestProcesses,
    TestPublishing,
    TestQueues,
    TestRoundtrip,
    TestRouting,
    TestSettling,
    TestWindow,
)
from umbel.testing.coroutines import on_loop

__all__ = [
    "TestBlockingSubscriber",
    "TestBroadcast",
    "TestBroadcastBetweenProcesses",
    "TestBroadcastBuffer",
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
    "TestReplyInbox",
    "TestReplyInboxBetweenProcesses",
    "TestRoundtrip",
    "TestRouting",
    "TestSettling",
    "TestWindow",
]

#: Each broker, and what `needs` it answers.
BROKERS = {
    "memory": {"priorities", "exchanges", "rules", "fanout"},
    "sqlite": {"priorities", "exchanges", "processes", "leases", "rules", "fanout"},
    "redis": {"priorities", "exchanges", "processes", "leases", "rules", "fanout"},
    "postgresql": {"priorities", "exchanges", "processes", "leases", "rules", "fanout"},
    "mariadb": {"priorities", "exchanges", "processes", "leases", "rules", "fanout"},
    "rabbitmq-classic": {"priorities", "exchanges", "processes", "fanout"},
    "rabbitmq-quorum": {"exchanges", "processes"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        need = getattr(metafunc.cls, "needs", None)
        marks = {
            "redis": pytest.mark.redis,
            "postgresql": pytest.mark.postgresql,
            "mariadb": pytest.mark.mariadb,
            "rabbitmq-classic": pytest.mark.rabbitmq,
            "rabbitmq-quorum": pytest.mark.rabbitmq,
        }
        names = [name for name, offers in BROKERS.items() if need is None or offers.issuperset(need.split())]
        metafunc.parametrize("kit", [pytest.param(name, marks=marks.get(name, ())) for name in names], indirect=True)


#: A consumer that looks by itself hardly ever, so that it is seen to be woken.
RARELY = {
    "umbel.brokers.redis.consumer._SAFETY_POLL": 60.0,
    "umbel.brokers.sqlite.consumer._UPKEEP": 60.0,
    "umbel.brokers.postgresql.consumer._UPKEEP": 60.0,
}


@pytest.fixture(scope="module")
def own_database():
    """A database in which nobody else leaves anything."""
    with sql_database(POSTGRESQL) as url:
        yield url.removeprefix("db+").replace("+psycopg", "")


@pytest.fixture
def kit(request, tmp_path):
    name = request.param
    if name == "memory":
        made = OwnKit(name, f"memory:///{tmp_path.name}")
    elif name == "sqlite":
        made = OwnKit(name, f"sqlite:///{tmp_path}/umbel.db", without_polling=RARELY)
    elif name == "redis":
        made = OwnKit(name, request.getfixturevalue("redis_url"), without_polling=RARELY)
        made.transport = {"global_keyprefix": f"contract-{made.mark}:"}
    elif name == "postgresql":
        made = OwnKit(name, request.getfixturevalue("own_database"), without_polling=RARELY)
    elif name == "mariadb":
        made = OwnKit(name, request.getfixturevalue("mariadb_url").removeprefix("db+").replace("+pymysql", "").replace("+mysqldb", ""))
    elif name == "rabbitmq-classic":
        made = OwnKit(name, request.getfixturevalue("rabbitmq_url"), priority_arguments={"x-max-priority": 10})
    else:
        made = OwnKit(name, request.getfixturevalue("rabbitmq_url"), arguments={"x-queue-type": "quorum"}, requeues_first=False)
    with made:
        yield made
    if name == "redis":
        forget_prefix(made.url, made.transport["global_keyprefix"])


def forget_prefix(url: str, prefix: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(prefix + "*", count=1000):
            client.delete(key)


class TestRefusedQueues:
    needs = "rules"

    @on_loop
    async def test_a_refused_queue_is_not_asked_for_again(self, kit):
        """The next connection declares what the consumer knows of."""
        foreign = kit.queue("foreign", exchange=Exchange(f"contract-{kit.mark}", "x-random"))
        async with kit.consuming(kit.queue()) as sink:
            with pytest.raises(ImproperlyConfigured, match="x-random"):
                await sink.consumer.add_queue(foreign)
            assert foreign.name not in sink.consumer._queues
