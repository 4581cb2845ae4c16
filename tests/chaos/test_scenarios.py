"""The short tier: every kind of fault once or a few times, under a minute in all. `run.py` is the long one."""

from __future__ import annotations

import pytest

from chaos import breaking, cutting, failover, fairness, freezing, killing, leaving, orphaning, refusing, restarting
from chaos.arena import private_site

SEED = 20261120
NEEDS = {"rabbitmq": [pytest.mark.rabbitmq, pytest.mark.redis], "redis": [pytest.mark.redis], "sqlite": []}


def brokers(*names):
    return [pytest.param(name, marks=NEEDS[name], id=name) for name in names]


@pytest.fixture
def site(request):
    site = private_site(request.param, lease=2.0)
    try:
        yield site
    finally:
        site.close()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis", "sqlite"), indirect=True)
def test_kill(site):
    outcome = killing.run(site, tasks=500, kills=3, interval=1.5, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("sqlite"), indirect=True)
def test_leaving(site):
    outcome = leaving.run(site, kills=4, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_restart(site):
    outcome = restarting.run(site, restarts=1, pause=0.5, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_cuts(site):
    outcome = cutting.run(site, step=101)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis", "sqlite"), indirect=True)
def test_fair(site):
    outcome = fairness.run(site, burst=100, most=2.0)  # other tests run beside it; behind the long task they would wait for ever
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis"), indirect=True)
def test_flush(site):
    outcome = breaking.flush(site)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_mute(site):
    outcome = breaking.mute(site, rounds=1, timeout=2.0)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis", "sqlite"), indirect=True)
def test_freeze(site):
    outcome = freezing.run(site, rounds=1, tasks=50)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis", "sqlite"), indirect=True)
def test_orphans(site):
    outcome = orphaning.orphans(site, rounds=1)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis", "sqlite"), indirect=True)
def test_children(site):
    outcome = orphaning.children(site, kills=6)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.redis
def test_failover():
    outcome = failover.run(ways=("kill",))
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis"), indirect=True)
def test_misconf(site):
    outcome = refusing.misconf(site)
    assert outcome.good, outcome.text()
