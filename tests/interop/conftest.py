"""Both directions, both brokers, results in Redis or by rpc://."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from interop.pairing import Pair
from system.conftest import database
from system.stage import Place

BOTH = [pytest.mark.rabbitmq, pytest.mark.redis]


@pytest.fixture(
    params=[
        pytest.param("rabbitmq", marks=BOTH),
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("rpc", marks=pytest.mark.rabbitmq),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    name = request.param
    broker = database(request, 5) if name == "redis" else request.getfixturevalue("rabbitmq_url")
    return Place(name=name, broker=broker, backend="rpc://" if name == "rpc" else database(request, 6))


@pytest.fixture(params=["umbel", "celery"], ids=["umbel-client", "celery-client"])
def pair(request: pytest.FixtureRequest, place: Place, unique: Callable[[str], str]) -> Iterator[Pair]:
    pair = Pair(place, unique("interop"), request.param)
    try:
        yield pair
    finally:
        pair.close()
