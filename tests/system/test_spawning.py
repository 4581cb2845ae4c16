"""Children that start anew, where there is no fork (Windows) or nobody wants it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from system.conftest import ONE_BROKER
from system.processes import eventually
from umbel import chord


@ONE_BROKER
def test_spawned_children_do_what_forked_ones_do(stage):
    worker = stage.worker("-c", "2", env={"UMBEL_START_METHOD": "spawn"})
    child = int(stage.send("whoami").get(timeout=60)["pid"])
    assert b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    assert stage.send("soft", 60, soft_time_limit=0.2).get(timeout=60) == "soft"
    add, total = stage.app.tasks["add"], stage.app.tasks["total"]
    assert chord([add.s(n, n) for n in range(4)])(total.s()).get(timeout=60) == 12
    assert stage.send("retry_until", 1).get(timeout=60) is not None
    os.kill(child, signal.SIGKILL)
    eventually(lambda: int(stage.send("whoami").get(timeout=60)["pid"]) != child, 60, "another child")
    assert worker.stop(timeout=60) == 0
