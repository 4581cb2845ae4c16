"""What is stored, and what the client sees of it."""

from __future__ import annotations

import pytest
import redis

from system.conftest import ONE_BROKER
from system.processes import eventually, open_gate
from system.stage import Place
from system.workload import Refused


def test_values_and_errors_come_back(shared_stage):
    assert shared_stage.send("add", 30, 42).get(timeout=30) == 72
    assert shared_stage.send("echo", "é\0", None, 1.5, [1, {"a": True}]).get(timeout=30) == ["é\0", None, 1.5, [1, {"a": True}]]
    with pytest.raises(Refused) as caught:
        shared_stage.send("fail", "own", 5, "five").get(timeout=30)
    assert caught.value.args == (5, "five")
    with pytest.raises(KeyError, match="k"):
        shared_stage.send("fail", "key", "k").get(timeout=30)
    failed = shared_stage.send("fail", "value", "no")
    assert isinstance(failed.get(timeout=30, propagate=False), ValueError)
    assert failed.traceback.rstrip().endswith("ValueError: no")
    assert "workload.py" in failed.traceback


def test_custom_state_and_progress(shared_stage):
    gate = shared_stage.gate()
    result = shared_stage.send("progress", 3, gate)
    eventually(lambda: result.info == {"current": 3, "total": 3})
    assert result.state == "PROGRESS"
    assert not result.ready()
    open_gate(gate)
    assert result.get(timeout=30) == 3
    assert result.state == "SUCCESS"


@ONE_BROKER
def test_started_is_tracked_when_asked(stage):
    stage.settings["task_track_started"] = True
    stage.worker("-c", "1")
    gate = stage.gate()
    result = stage.send("wait_for", gate)
    start = stage.await_runs(result.id)[0]
    assert result.state == "STARTED"
    assert result.info["pid"] == start["pid"]
    open_gate(gate)
    assert result.get(timeout=30) == start["pid"]


def test_ignore_result_stores_nothing(shared_stage):
    ignored = [shared_stage.send("quiet", 1), shared_stage.send("mark", 2, ignore_result=True)]
    for result in ignored:
        shared_stage.await_runs(result.id, kind="end")
    assert shared_stage.send("mark", 3).get(timeout=30) == 3
    assert [result.state for result in ignored] == ["PENDING", "PENDING"]


def test_a_failure_that_is_ignored_stores_nothing(shared_stage):
    result = shared_stage.send("fail", "value", "x", ignore_result=True)
    shared_stage.await_runs(result.id)
    assert shared_stage.send("mark", 3).get(timeout=30) == 3
    assert result.state == "PENDING"


def test_what_cannot_be_stored_is_a_failure(shared_stage):
    result = shared_stage.send("unserializable")
    error = result.get(timeout=30, propagate=False)
    assert result.state == "FAILURE"
    assert type(error).__name__ == "EncodeError"
    assert shared_stage.send("mark", 1).get(timeout=30) == 1


def test_a_large_result(shared_stage):
    assert len(shared_stage.send("big", 3_000_000).get(timeout=30)) == 3_000_000


def test_retrieved_by_id_alone(shared_stage):
    result = shared_stage.send("add", 1, 2)
    assert result.get(timeout=30) == 3
    again = shared_stage.app.AsyncResult(result.id)
    assert (again.state, again.result, again.ready(), again.successful()) == ("SUCCESS", 3, True, True)
    again.forget()
    assert shared_stage.app.AsyncResult(result.id).state == "PENDING"


def test_request_knows_itself(shared_stage):
    result = shared_stage.send("about")
    told = result.get(timeout=30)
    assert told == {
        "id": result.id,
        "root_id": result.id,
        "parent_id": None,
        "retries": 0,
        "correlation_id": result.id,
        "eta": None,
        "expires": None,
    }


@ONE_BROKER
def test_eager(stage):
    stage.settings["task_always_eager"] = True
    assert stage.send("add", 1, 2).get() == 3
    assert stage.app.tasks["add"].apply((1, 2)).get() == 3
    failed = stage.app.tasks["add"].apply((1, "2"))
    assert failed.state == "FAILURE"
    with pytest.raises(TypeError):
        failed.get()
    assert stage.length() == 0


@pytest.mark.rabbitmq
class TestReplies:
    """rpc://: results travel as messages to the client that asked."""

    @pytest.fixture
    def stage(self, rabbitmq_url, shared_stages):
        return shared_stages.get(lambda _: Place(name="rabbitmq", broker=rabbitmq_url, backend="rpc://"), "rpc")

    def test_values_errors_and_order(self, stage):
        results = [stage.send("add", number, 1) for number in range(100)]
        failed = stage.send("fail", "own", 5, "five")
        assert [result.get(timeout=30) for result in reversed(results)] == list(range(100, 0, -1))
        with pytest.raises(Refused):
            failed.get(timeout=30)
        assert results[0].get(timeout=1) == 1

    def test_polling_leaves_no_messages(self, stage):
        gate = stage.gate()
        result = stage.send("progress", 5, gate)
        stage.await_runs(result.id)
        for _ in range(20):
            assert result.state in ("PENDING", "PROGRESS")
        open_gate(gate)
        assert result.get(timeout=30) == 5
        assert result.state == "SUCCESS"


@pytest.mark.redis
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_a_result_that_the_store_refuses_for_good_holds_nobody_up(stage, unique):
    task_id = unique("refused")
    with redis.Redis.from_url(stage.place.backend) as client:
        client.rpush(f"celery-task-meta-{task_id}", "not a result")
        try:
            worker = stage.worker("-c", "1")
            stage.send("mark", 1, task_id=task_id)
            assert stage.send("mark", 2).get(timeout=30) == 2
            worker.wait_log(rf"result of task {task_id} \(SUCCESS\) is lost")
            assert worker.stop() == 0
        finally:
            client.delete(f"celery-task-meta-{task_id}")
    assert stage.length() == 0
