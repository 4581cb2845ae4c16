"""The lease contract on every lease store."""

from __future__ import annotations

import pytest

from umbel.testing.lease_stores import LeaseKit, TestCounted, TestLeases, TestProcesses, TestTurns

__all__ = ["TestCounted", "TestLeases", "TestProcesses", "TestTurns"]

STORES = ("memory", "sqlite", "redis", "postgresql", "mariadb", "sqlalchemy-sqlite")
MARKS = {"redis": pytest.mark.redis, "postgresql": pytest.mark.postgresql, "mariadb": pytest.mark.mariadb}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        names = [name for name in STORES if name != "memory" or getattr(metafunc.cls, "needs", None) != "processes"]
        metafunc.parametrize("kit", [pytest.param(name, marks=MARKS.get(name, ())) for name in names], indirect=True)


@pytest.fixture
def kit(request, tmp_path, unique):
    name, options = request.param, {}
    if name == "memory":
        url = f"memory:///{tmp_path.name}"
    elif name == "sqlite":
        url = f"sqlite:///{tmp_path}/umbel.db"
    elif name == "sqlalchemy-sqlite":
        url = f"db+sqlite:///{tmp_path}/leases.db"
    elif name == "redis":
        url, options = request.getfixturevalue("redis_store_url"), {"prefix": unique("contract") + ":"}
    else:
        url = request.getfixturevalue(f"{name}_url")
    with LeaseKit(name, url, {"patience": 20.0, **options}) as made:
        yield made
