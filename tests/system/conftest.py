"""The stage on which tests of real processes play: RabbitMQ, Redis and SQLite in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from system.stage import Place, Stage

BROKERS = [
    pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.redis]),
    pytest.param("redis", marks=pytest.mark.redis),
    "sqlite",
]
#: Seconds; tests that wait for a dead worker's lease wait this long.
LEASE = 2.0


def database(request: pytest.FixtureRequest, number: int) -> str:
    """The Redis of this session, another database of it unless the environment names one."""
    url: str = request.getfixturevalue("redis_url")
    return f"{url.removesuffix('/3')}/{number}" if url.endswith("/3") else url


def make_place(name: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    if name == "rabbitmq":
        return Place(name=name, broker=request.getfixturevalue("rabbitmq_url"), backend=database(request, 6))
    if name == "redis":
        return Place(name=name, broker=database(request, 5), backend=database(request, 6), lease=LEASE)
    url = f"sqlite:///{folder}/umbel.db"
    return Place(name=name, broker=url, backend=url, lease=LEASE)


@pytest.fixture(params=BROKERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return make_place(request.param, request, tmp_path)


@pytest.fixture
def stage(place: Place, unique: Callable[[str], str]) -> Iterator[Stage]:
    stage = Stage(place, unique("system"))
    try:
        yield stage
    finally:
        stage.close()
