"""Resources of workers: never more than there are, nobody starves, and a killed child frees its share."""

from __future__ import annotations

import os
import signal

from system.conftest import ONE_BROKER

SHARES = {"nap": 0.5, "total": 0.3, "mark": 1.0}


def need(stage, **shares):
    """Give tasks of the workload shares of the GPU."""
    stage.settings["task_annotations"] = {task: {"resources": {"gpu": share}} for task, share in shares.items()}


def most_in_use(entries, shares):
    """The most of the GPU that was in use at a time, by the starts and ends that tasks have noted."""
    in_use = most = 0.0
    for entry in sorted(entries, key=lambda entry: (entry["t"], entry["kind"] == "start")):
        in_use += shares[entry["id"]] if entry["kind"] == "start" else -shares[entry["id"]]
        most = max(most, in_use)
    return round(most, 6)


@ONE_BROKER
def test_never_more_than_there_is_and_all_get_their_turn(stage):
    need(stage, **SHARES)
    workers = [stage.worker("-c", "4", "--resources", "gpu=1") for _ in range(2)]
    calls = [("nap", 0.03), ("total", [1, 2]), ("mark", "whole")]
    sent = [(name, stage.send(name, value)) for _ in range(20) for name, value in calls]
    assert stage.send("add", 1, 2).get(timeout=30) == 3
    for _, result in sent:
        result.get(timeout=60)
    shares = {result.id: SHARES[name] for name, result in sent}
    entries = [entry for entry in stage.watch.update() if entry["id"] in shares]
    for worker in workers:
        children = {member.pid if hasattr(member, "pid") else member for member in worker.members()}
        mine = [entry for entry in entries if entry["pid"] in children]
        assert mine, "both have had some"
        assert most_in_use(mine, shares) <= 1.0


@ONE_BROKER
def test_a_killed_child_frees_its_share_and_what_can_never_run_is_said(stage):
    need(stage, wait_for=1.0, mark=0.5, nap=2.0)
    stage.settings["task_reject_on_worker_lost"] = False
    worker = stage.worker("-c", "2", "--resources", "gpu=1")
    worker.wait_log(r"Task nap asks for more than this worker has \(gpu=2\)")
    gate = stage.gate()
    running = stage.send("wait_for", gate)
    (run,) = stage.await_runs(running.id)
    waiting = stage.send("mark", "after it")
    os.kill(run["pid"], signal.SIGKILL)
    assert waiting.get(timeout=30) == "after it"
    never = stage.send("nap", 0)
    stage.worker("-c", "1", "--resources", "gpu=2")
    assert never.get(timeout=30) == 0
