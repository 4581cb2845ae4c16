"""ETA, countdown, expiry: never early, half a second late at most, or not at all."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from system.conftest import ONE_BROKER
from system.processes import eventually, open_gate
from umbel.errors import TaskRevokedError


def test_countdown_is_kept(shared_stage):
    now = time.time()
    results = [shared_stage.send("mark", index, countdown=1 + index / 10) for index in range(20)]
    for index, result in enumerate(results):
        assert result.get(timeout=30) == index
        start = shared_stage.runs(result.id)[0]["t"]
        assert start >= now + 1 + index / 10 - 0.02, "early"
        assert start <= now + 1 + index / 10 + 3.0, f"late by {start - now - 1 - index / 10:.2f} s"


def test_eta_is_kept_and_others_do_not_wait(shared_stage):
    eta = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)
    delayed = shared_stage.send("mark", "later", eta=eta)
    assert shared_stage.send("mark", "now").get(timeout=30) == "now"
    assert not shared_stage.runs(delayed.id)
    assert delayed.get(timeout=30) == "later"
    assert 0 <= shared_stage.runs(delayed.id)[0]["t"] - eta.timestamp() <= 3


@ONE_BROKER
def test_far_delays_do_not_fill_the_window(stage):
    stage.worker("-c", "1", "--prefetch-multiplier", "1")
    for index in range(50):
        stage.send("mark", index, countdown=3600)
    assert stage.send("mark", "now").get(timeout=30) == "now"


def test_a_delay_survives_the_worker(stage):
    worker = stage.worker("-c", "1")
    results = [stage.send("mark", index, countdown=countdown) for index, countdown in enumerate((3, 5))]
    assert stage.send("mark", "now").get(timeout=30) == "now"
    sent = time.time()
    worker.kill_group()
    worker.wait()
    stage.worker("-c", "1")
    for result, countdown in zip(results, (3, 5), strict=True):
        result.get(timeout=30)
        (start,) = stage.runs(result.id)
        assert sent + countdown - 1 <= start["t"] <= sent + countdown + 5
    assert len(stage.runs(results[0].id)) == 1


def test_eta_in_the_past_runs_now(shared_stage):
    eta = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    assert shared_stage.send("mark", 1, eta=eta).get(timeout=30) == 1
    assert shared_stage.send("mark", 2, countdown=-5).get(timeout=30) == 2


def test_expired_is_revoked(shared_stage):
    """The message waits behind a task until it has expired."""
    gate = shared_stage.gate()
    before = shared_stage.send("wait_for", gate)
    shared_stage.await_runs(before.id)
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.2)
    expired = shared_stage.send("mark", 1, expires=expires)
    kept = shared_stage.send("mark", 2, expires=60)
    eventually(lambda: dt.datetime.now(dt.UTC) > expires, what="the time of expiry")
    open_gate(gate)
    assert kept.get(timeout=30) == 2
    with pytest.raises(TaskRevokedError, match="expired"):
        expired.get(timeout=30)
    assert expired.state == "REVOKED"
    assert not shared_stage.runs(expired.id)


def test_expires_while_waiting_for_its_eta(shared_stage):
    result = shared_stage.send("mark", 1, countdown=1, expires=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5))
    after = shared_stage.send("mark", 2, countdown=1.5)
    assert after.get(timeout=30) == 2
    assert not shared_stage.runs(result.id)
    assert isinstance(result.get(timeout=30, propagate=False), TaskRevokedError)


@ONE_BROKER
def test_expires_behind_a_long_task(stage):
    stage.worker("-c", "1", "--prefetch-multiplier", "4")
    first = stage.send("nap", 2)
    stage.await_runs(first.id)
    second = stage.send("mark", 1, expires=1)
    assert stage.send("mark", 2).get(timeout=30) == 2
    assert not stage.runs(second.id)
    assert isinstance(second.get(timeout=30, propagate=False), TaskRevokedError)
