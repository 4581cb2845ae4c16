"""The store contract on every result store."""

from __future__ import annotations

import pytest

from umbel.brokers.base import BrokerOptions
from umbel.testing.result_stores import (
    StoreKit,
    TestCheckpoints,
    TestClaims,
    TestCounting,
    TestExpiry,
    TestProcesses,
    TestPushing,
    TestRecords,
    TestRevocations,
    TestShared,
    TestTrees,
    TestWaiting,
)

__all__ = [
    "TestCheckpoints",
    "TestClaims",
    "TestCounting",
    "TestExpiry",
    "TestProcesses",
    "TestPushing",
    "TestRecords",
    "TestRevocations",
    "TestShared",
    "TestTrees",
    "TestWaiting",
]

#: Each store, and what `needs` it answers.
STORES = {
    "memory": {"shared", "groups", "push", "expiry", "revocations"},
    "sqlite": {"shared", "processes", "groups", "push", "expiry", "revocations"},
    "redis": {"shared", "processes", "groups", "push", "expiry", "revocations"},
    "rpc": {"push"},
    "rpc-redis": {"push"},
    "rpc-sqlite": {"push"},
    "rpc-memory": {"push"},
    "postgresql": {"shared", "processes", "groups", "revocations"},
    "mariadb": {"shared", "processes", "groups", "revocations"},
    "sqlalchemy-sqlite": {"shared", "processes", "groups", "revocations"},
    "filesystem": {"shared", "processes", "groups", "revocations"},
    "memcached": {"shared", "processes", "groups"},
    "mongodb": {"shared", "processes", "groups", "expiry", "revocations"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        need = getattr(metafunc.cls, "needs", None)
        marks = {
            "redis": pytest.mark.redis,
            "rpc": pytest.mark.rabbitmq,
            "rpc-redis": pytest.mark.redis,
            "postgresql": pytest.mark.postgresql,
            "mariadb": pytest.mark.mariadb,
            "memcached": pytest.mark.memcached,
            "mongodb": pytest.mark.mongodb,
        }
        names = [name for name, offers in STORES.items() if need is None or need in offers]
        metafunc.parametrize("kit", [pytest.param(name, marks=marks.get(name, ())) for name in names], indirect=True)


@pytest.fixture
def kit(request, tmp_path, unique):
    name = request.param
    options = {}
    if name == "memory":
        url = f"memory:///{tmp_path.name}"
    elif name == "sqlite":
        url = f"sqlite:///{tmp_path}/umbel.db"
    elif name == "redis":
        url = request.getfixturevalue("redis_store_url")
        options = {"expires": 60.0, "transport": {"global_keyprefix": unique("contract") + ":"}}
    elif name.startswith("rpc-"):
        url = "rpc://"
        brokers = {"rpc-sqlite": f"sqlite:///{tmp_path}/umbel.db", "rpc-memory": f"memory:///{tmp_path.name}"}
        broker = brokers.get(name) or request.getfixturevalue("redis_url")
        prefix = {"global_keyprefix": unique("contract") + ":"} if name == "rpc-redis" else {}
        options = {"expires": 60.0, "transport": {"broker": BrokerOptions(urls=(broker,), transport=prefix)}}
    elif name == "sqlalchemy-sqlite":
        url = f"db+sqlite:///{tmp_path}/results.db"
    elif name == "filesystem":
        url = f"file://{tmp_path}"
    elif name == "memcached":
        url = request.getfixturevalue("memcached_url")
        options = {"expires": 60.0, "transport": {"global_keyprefix": unique("contract") + ":"}}
    elif name in ("postgresql", "mariadb", "mongodb"):
        url = request.getfixturevalue(f"{name}_url")
    else:
        url = request.getfixturevalue("rabbitmq_url").replace("amqp://", "rpc://")
    with StoreKit(name, url, options) as made:
        yield made
