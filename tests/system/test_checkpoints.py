"""What a task has kept comes back when it runs again."""

from __future__ import annotations

import os
import signal

from system.processes import eventually, open_gate


def test_a_checkpoint_survives_child_and_worker_and_is_dropped_at_the_end(stage):
    worker = stage.worker("-c", "1")
    gates = [stage.gate() for _ in range(3)]
    result = stage.send("step_by_step", *gates)
    stage.await_runs(result.id, kind="at")
    open_gate(gates[0])
    (_, second) = stage.await_runs(result.id, 2, kind="at")
    os.kill(second["pid"], signal.SIGKILL)
    stage.await_runs(result.id, 3, kind="at", timeout=30)
    open_gate(gates[1])
    stage.await_runs(result.id, 4, kind="at", timeout=30)
    worker.kill_group()
    worker.wait()
    stage.worker("-c", "1")
    places = [entry["place"] for entry in stage.await_runs(result.id, 5, kind="at", timeout=30)]
    assert places == [0, 1, 1, 2, 2]
    open_gate(gates[2])
    assert result.get(timeout=30) == 3, "what was not stored yet when it was tried again"
    eventually(lambda: not stage.app.store.fetch([f"{result.id}:checkpoint"]), what="no checkpoint after the end")
