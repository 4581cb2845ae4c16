"""``rpc://`` over Redis, where Celery can do it, too: the reply inbox is a list that the other house's worker fills."""

from __future__ import annotations

import pytest

from interop.pairing import Pair
from system.conftest import database
from system.stage import Place


@pytest.fixture(params=["umbel", "celery"], ids=["umbel-client", "celery-client"])
def pair(request, unique):
    pair = Pair(Place(name="redis", broker=database(request, 5), backend="rpc://"), unique("rpc"), request.param)
    try:
        yield pair
    finally:
        pair.close()


@pytest.mark.redis
def test_results_come_back_over_redis(pair):
    pair.start_worker("-c", "1")
    calls = [{"task": "add", "args": [number, 1]} for number in range(20)] + [{"task": "fail", "args": ["own", 1, "x"]}]
    *sums, failed = pair.talk(calls)
    assert [answer.get("value", answer) for answer in sums] == list(range(1, 21))
    assert (failed["state"], failed["error"]) == ("FAILURE", ["system.workload", "Refused", [1, "x"]])
