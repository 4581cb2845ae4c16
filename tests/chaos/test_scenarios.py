"""The short tier: every kind of fault once or a few times, under a minute in all. `run.py` is the long one."""

from __future__ import annotations

import pytest

from chaos import (
    broker_restarts,
    connection_cuts,
    failover,
    fair_slots,
    frozen_workers,
    killed_beats,
    killed_starts,
    network_faults,
    process_kills,
    refused_writes,
    worker_kills,
)
from chaos.scenario import private_site

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
    outcome = worker_kills.run(site, tasks=500, kills=3, interval=1.5, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis"), indirect=True)
@pytest.mark.parametrize("store", ["redis", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_beats(site, store):
    run = killed_beats.run if store == "redis" else killed_beats.on_postgresql
    outcome = run(site, beats=3, entries=3, lease=2.0, seconds=7.0, every=3.0, freeze=0.0)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("sqlite"), indirect=True)
def test_leaving(site):
    outcome = killed_starts.run(site, kills=4, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_restart(site):
    outcome = broker_restarts.run(site, restarts=1, pause=0.5, seed=SEED)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_cuts(site):
    outcome = connection_cuts.run(site, step=101)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis", "sqlite"), indirect=True)
def test_fair(site):
    outcome = fair_slots.run(site, burst=100, most=2.0)  # other tests run beside it; behind the long task they would wait for ever
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis"), indirect=True)
def test_flush(site):
    outcome = network_faults.flush(site)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis"), indirect=True)
def test_mute(site):
    outcome = network_faults.mute(site, rounds=1, timeout=2.0)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis", "sqlite"), indirect=True)
def test_freeze(site):
    outcome = frozen_workers.run(site, rounds=1, tasks=50)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis", "sqlite"), indirect=True)
def test_orphans(site):
    outcome = process_kills.orphans(site, rounds=1)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("rabbitmq", "redis", "sqlite"), indirect=True)
def test_children(site):
    outcome = process_kills.children(site, kills=6)
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.redis
def test_failover():
    outcome = failover.run(ways=("kill",))
    assert outcome.good, outcome.text()


@pytest.mark.slow
@pytest.mark.parametrize("site", brokers("redis"), indirect=True)
def test_misconf(site):
    outcome = refused_writes.misconf(site)
    assert outcome.good, outcome.text()
