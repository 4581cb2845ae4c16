"""Warm and cold shutdown: what runs is finished or handed back at once, and nobody is blamed."""

from __future__ import annotations

import signal
import time

import pytest

from system.conftest import ONE_BROKER
from system.processes import READY, eventually, open_gate
from umbel.brokers.topology import Queue

LATE = {"task_acks_late": True}
STOPPING = r"\bStopping\b"


@ONE_BROKER
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_warm_finishes_what_runs(stage, number):
    worker = stage.worker("-c", "2")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    seen = len(worker.log)
    worker.send(number)
    worker.wait_log(STOPPING, since=seen)
    later = stage.send("mark", "later")
    open_gate(gate)
    assert worker.wait() == 0
    assert running.get(timeout=30) > 0
    assert not stage.runs(later.id)
    assert stage.length() == 1
    eventually(lambda: not worker.members(), 30)


@ONE_BROKER
@pytest.mark.parametrize("late", [False, True])
def test_reserved_go_back_uncounted_and_in_order(stage, late):
    stage.settings["task_acks_late"] = late
    worker = stage.worker("-c", "1", "--prefetch-multiplier", "8")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    results = [stage.send("mark", number) for number in range(20)]
    worker.wait_log(r"Task mark\[.*received")
    seen = len(worker.log)
    worker.send(signal.SIGTERM)
    worker.wait_log(STOPPING, since=seen)
    open_gate(gate)
    worker.wait_log(r"Stopped; [1-9]\d* tasks? handed back", since=seen)
    assert worker.wait() == 0
    assert stage.length() == 20
    stage.worker("-c", "1")
    assert [result.get(timeout=30) for result in results] == list(range(20))
    starts = [entry["id"] for entry in stage.watch.update() if entry["kind"] == "start" and entry["id"] != running.id]
    assert starts == [result.id for result in results]


@ONE_BROKER
def test_a_hang_up_starts_the_worker_again_in_the_same_process(stage):
    worker = stage.worker("-c", "1", "--pidfile", str(stage.folder / "pid"))
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    seen = len(worker.log)
    worker.send(signal.SIGHUP)
    worker.wait_log(r"Then the worker starts again", since=seen)
    open_gate(gate)
    worker.wait_log(r"Starting again", since=seen)
    worker.wait_log(READY, since=seen)
    assert running.get(timeout=30) > 0
    assert stage.send("mark", "later").get(timeout=30) == "later"
    assert int((stage.folder / "pid").read_text()) == worker.pid
    assert worker.stop() == 0


@ONE_BROKER
def test_a_soft_stop_gives_what_runs_its_time(stage):
    stage.settings.update(LATE, worker_soft_shutdown_timeout=60)
    worker = stage.worker("-c", "2")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    worker.send(signal.SIGQUIT)
    worker.wait_log(r"running tasks have 60 s")
    open_gate(gate)
    assert worker.wait() == 0
    assert running.get(timeout=30) > 0


@ONE_BROKER
def test_what_does_not_end_within_the_grace_goes_back_uncounted(stage):
    stage.settings.update(LATE, task_max_deliveries=1)
    worker = stage.worker("-c", "1", "--grace", "0.5")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    worker.send(signal.SIGTERM)
    worker.wait_log(r"Stopped; 1 task handed back")
    assert worker.wait() == 0
    stage.worker("-c", "1")
    stage.await_runs(running.id, 2)
    open_gate(gate)
    assert running.get(timeout=30) > 0


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGQUIT]])
def test_cold_hands_late_work_back_at_once(stage, signals):
    stage.settings.update(LATE, task_max_deliveries=1)
    worker = stage.worker("-c", "2")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    stage.await_runs(running.id)
    stage.worker("-c", "2")
    seen = len(worker.log)
    begun = time.monotonic()
    for number in signals:
        worker.send(number)
        worker.wait_log(STOPPING, since=seen)
        seen = len(worker.log)
    worker.wait(10)
    assert time.monotonic() - begun < 10
    again = stage.await_runs(running.id, 2, timeout=30)[1]
    open_gate(gate)
    assert running.get(timeout=30) == again["pid"]
    assert stage.length(stage.queue + ".dead") == 0


@ONE_BROKER
def test_cold_again_and_again_hands_one_message_back_once(stage):
    stage.settings.update(LATE)
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    for times in (1, 2, 3):
        worker = stage.worker("-c", "1")
        stage.await_runs(running.id, times)
        worker.stop(signal.SIGQUIT)
        assert stage.length() == 1
    worker = stage.worker("-c", "1")
    last = stage.await_runs(running.id, 4)[3]
    open_gate(gate)
    assert running.get(timeout=30) == last["pid"]
    worker.stop()
    assert (stage.length(), len(stage.runs(running.id))) == (0, 4)


def test_cold_hands_back_what_is_reserved(stage):
    stage.settings.update(LATE)
    worker = stage.worker("-c", "1", "--prefetch-multiplier", "8")
    running = stage.send("wait_for", stage.gate())
    stage.await_runs(running.id)
    results = [stage.send("mark", number) for number in range(10)]
    eventually(lambda: stage.length() <= 3, what="reserved")
    worker.stop(signal.SIGQUIT)
    assert stage.length() == 11
    assert not any(stage.runs(result.id) for result in results)


@ONE_BROKER
def test_many_signals_are_one(stage):
    worker = stage.worker("-c", "1")
    result = stage.send("nap", 2)
    stage.await_runs(result.id)
    for _ in range(20):
        worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert result.get(timeout=30) == 2


@ONE_BROKER
@pytest.mark.parametrize("late", [False, True])
def test_rolling_restart_loses_and_doubles_nothing(stage, late):
    stage.settings["task_acks_late"] = late
    results = [stage.send("nap", 0.01) for _ in range(400)]
    worker = stage.worker("-c", "2")
    for place in (10, 80, 150, 220):
        stage.await_runs(results[place].id)
        following = stage.worker("-c", "2")
        assert worker.stop() == 0
        worker = following
    assert [result.get(timeout=30) for result in results] == [0.01] * 400
    assert all(len(stage.runs(result.id)) == 1 for result in results)


@ONE_BROKER
def test_signal_during_start(stage):
    for delay in (0.05, 0.2, 0.4):
        worker = stage.worker("-c", "1", ready=False)
        time.sleep(delay)  # any moment of the start will do
        worker.send(signal.SIGTERM)
        assert worker.wait(10) in (0, -signal.SIGTERM), worker.text()
        eventually(lambda worker=worker: not worker.members(), 3)


LIMITED = {"x-queue-type": "quorum", "x-delivery-limit": 2}


@pytest.mark.rabbitmq
@pytest.mark.redis
@pytest.mark.parametrize("place", ["rabbitmq"], indirect=True)
class TestDeliveryLimit:
    """RabbitMQ drops a message of a quorum queue that came back too often; what is handed back does not come back."""

    @pytest.fixture(params=[{"task_default_queue_type": "quorum"}, {}], ids=["declared", "unknown"])
    def limited(self, stage, request):
        client = stage.broker.queue_client()
        client.declare(Queue(stage.queue, arguments=LIMITED))
        client.close()
        stage.settings.update(request.param, **LATE)
        return stage

    def test_warm_stops_do_not_use_it_up(self, limited):
        stage = limited
        gates = {stage.send("wait_for", gate).id: gate for gate in [stage.gate() for _ in range(6)]}
        left = dict(gates)
        for _ in range(5):
            worker = stage.worker("-c", "1", "--prefetch-multiplier", "8")
            for task_id in left:
                worker.wait_log(rf"Task wait_for\[{task_id}\] received")
            running = next(entry["id"] for entry in stage.watch.wait(lambda entries: [each for each in entries if each["id"] in left], 10))
            seen = len(worker.log)
            worker.send(signal.SIGTERM)
            worker.wait_log(STOPPING, since=seen)
            open_gate(left.pop(running))
            assert worker.wait() == 0
            assert f"{len(left)} task" in worker.text()
            eventually(lambda: stage.length() == len(left), 30, "what was handed back")
        stage.worker("-c", "1")
        ((last, gate),) = left.items()
        stage.await_runs(last)
        open_gate(gate)
        stage.await_runs(last, kind="end")
        assert [len(stage.runs(task_id)) for task_id in gates] == [1] * 6

    def test_cold_stops_do_not_use_it_up(self, limited):
        stage = limited
        stage.settings.update(task_max_deliveries=1)
        gate = stage.gate()
        running = stage.send("wait_for", gate)
        for times in range(1, 6):
            worker = stage.worker("-c", "1")
            stage.await_runs(running.id, times)
            worker.stop(signal.SIGQUIT)
            eventually(lambda: stage.length() == 1, 30, "what was handed back")
        stage.worker("-c", "1")
        last = stage.await_runs(running.id, 6)[5]
        open_gate(gate)
        assert running.get(timeout=30) == last["pid"]
        assert stage.length(stage.queue + ".dead") == 0
