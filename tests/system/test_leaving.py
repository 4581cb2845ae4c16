"""What a worker leaves behind that is killed with all its processes: nothing that the kernel does not free."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from system.conftest import LEASE
from system.processes import WorkerProcess, eventually, mapped, named_shared_memory
from system.stage import Place, Stage


@pytest.fixture
def stage(tmp_path):
    """Its database's path is too long for that of a socket."""
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    url = f"sqlite:///{folder}/umbel.db"
    made = Stage(Place(name="sqlite", broker=url, backend=url, lease=LEASE), "leaving")
    try:
        yield made
    finally:
        made.close()


def kill(worker: WorkerProcess) -> set[str]:
    """SIGKILL to the group; returns the names in shared memory that it had at that moment."""
    worker.kill_group(signal.SIGSTOP)
    names = named_shared_memory(worker.members())
    worker.end()
    return names


def has_board(worker: WorkerProcess) -> bool:
    return any("umbel-board" in path for path in mapped([worker.pid]))


def test_killed_groups_leave_nothing(stage, tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    env = {"TMPDIR": str(temp)}
    names = set()
    for options in (("-P", "solo"), ("-c", "2"), ("-c", "2")):
        names |= kill(stage.worker(*options, env=env))
    for _ in range(2):  # while their children start
        worker = stage.worker("-c", "2", env=env, ready=False)
        eventually(lambda: has_board(worker), what="the board of a child")
        names |= kill(worker)
    last = stage.worker("-c", "2", env=env)
    assert [path.name for path in temp.iterdir()] == []
    assert [name for name in names if Path(name).exists()] == []
    assert last.stop() == 0
