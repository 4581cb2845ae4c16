"""Rate limits of tasks in a worker. Lower bounds only: a busy machine may be late, but never early."""

from __future__ import annotations

import time

import pytest

from system.processes import eventually, open_gate

pytestmark = pytest.mark.parametrize("place", ["sqlite", pytest.param("redis", marks=pytest.mark.redis)], indirect=True)
#: Seconds by which a start may be made up for (`umbel.worker.gates.rate_limits.SLACK`), and clocks may differ.
SLACK = 0.06


def starts(stage, results):
    """When tasks started, in order."""
    return sorted(stage.runs(result.id)[0]["t"] for result in results)


@pytest.mark.parametrize(("pool", "late"), [(("-c", "4"), True), (("-c", "4"), False), (("-P", "solo"), True)])
def test_no_start_comes_before_its_turn(stage, pool, late):
    stage.worker(*pool, settings={"task_acks_late": late})
    sent = time.time()
    results = [stage.send("ten_a_second") for _ in range(30)]
    for result in results:
        result.get(timeout=60)
    found = starts(stage, results)
    early = [round(start - sent - number / 10, 3) for number, start in enumerate(found) if start < sent + number / 10 - SLACK]
    assert not early
    assert found[-1] - sent >= 2.9 - SLACK


def test_a_limit_holds_where_slots_are_scarce(stage):
    """What may start, and finds no slot, does not start with the others in one burst when there is one."""
    stage.worker("-c", "1", "--prefetch-multiplier", "50")
    gate = stage.gate()
    blocker = stage.send("wait_for", gate)
    stage.await_runs(blocker.id)
    results = [stage.send("ten_a_second") for _ in range(10)]
    time.sleep(1.0)  # the very thing under test: tokens of this second are not saved up
    opened = time.time()
    open_gate(gate)
    for result in results:
        result.get(timeout=60)
    assert starts(stage, results)[-1] - opened >= 0.9 - SLACK


def test_others_of_the_queue_go_past_those_that_wait(stage):
    stage.worker("-c", "1", "--prefetch-multiplier", "1")
    limited = [stage.send("one_a_minute") for _ in range(50)]
    assert stage.send("mark", "quick").get(timeout=30) == "quick"
    assert sum(bool(stage.runs(result.id)) for result in limited) <= 1


def test_what_would_wait_for_long_waits_in_the_broker(stage):
    stage.worker("-c", "1", "--prefetch-multiplier", "1")
    for _ in range(20):
        stage.send("one_a_minute")
    client = stage.broker.queue_client()
    try:
        eventually(lambda: client.delayed(stage.queue) == 19, 30, "all but one in the delayed store")
    finally:
        client.close()


def test_a_rate_of_all_workers_holds_for_each_key(stage):
    stage.settings["task_annotations"] = {"nap": {"rate_limit": 10, "rate_limit_scope": "global", "rate_limit_key": "{0}"}}
    for _ in range(2):
        stage.worker("-c", "2")
    sent = time.time()
    results = {key: [stage.send("nap", key) for _ in range(20)] for key in (0.001, 0.002)}
    assert stage.send("mark", "goes past").get(timeout=20) == "goes past"
    for those in results.values():
        for result in those:
            result.get(timeout=60)
        found = starts(stage, those)
        assert not [start for number, start in enumerate(found) if start < sent + number / 10 - 2 * SLACK]


def test_limits_can_be_switched_off(stage):
    stage.worker("-c", "1", settings={"worker_disable_rate_limits": True})
    results = [stage.send("one_a_minute") for _ in range(3)]
    for result in results:
        result.get(timeout=30)
