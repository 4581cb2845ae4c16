"""Every failpoint on every broker: something dies there, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos import failpoint_cases
from chaos.servers import PrivateRedis
from system.stage import Place
from umbel.runtime.failpoints import SITES

BROKERS = [
    pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.redis], id="rabbitmq"),
    pytest.param("redis", marks=pytest.mark.redis, id="redis"),
    pytest.param("sqlite", id="sqlite"),
]


@pytest.fixture
def private_redis() -> Iterator[PrivateRedis]:
    """Not shared: what is left in it at the end is counted."""
    server = PrivateRedis()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/umbel.db"
        return Place(name="sqlite", broker=url, backend=url, lease=2.0)
    server: PrivateRedis = request.getfixturevalue("private_redis")
    if request.param == "redis":
        return Place(name="redis", broker=server.url(), backend=server.url(database=1), lease=2.0)
    return Place(name="rabbitmq", broker=request.getfixturevalue("rabbitmq_url"), backend=server.url(database=1))


@pytest.mark.slow
@pytest.mark.parametrize("place", BROKERS, indirect=True)
@pytest.mark.parametrize("case", failpoint_cases.CASES, ids=str)
def test_nothing_is_lost(place, case):
    outcome = failpoint_cases.run(place, case)
    assert outcome.good, outcome.text()


def test_every_site_is_tried():
    assert {case.site for case in failpoint_cases.CASES} == SITES
