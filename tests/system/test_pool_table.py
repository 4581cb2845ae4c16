"""The table of pools in the guide, cell by cell."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from system.cells import make_app
from system.processes import eventually
from system.test_pool import Embedded
from umbel.errors import TaskRevokedError, TimeLimitExceeded, WorkerLostError
from umbel.pools.kinds import KINDS

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "pools.md"
COLUMNS = ("soft time limit", "hard time limit", "revoked with `terminate`", "`async def` tasks", "max tasks", "max memory", "child dies")
ONE = ("anywhere", "child killed", "child killed", "one at a time", "after its task", "after its task", "one task counted")
MANY = ("told, or child replaced", "told, or child replaced")
SHARED = ("successor at once", "successor at once", "all that ran counted")
#: Pool → what each column says. The guide has the same table; each cell is a test.
TABLE = {
    "prefork": ONE,
    "threads": ("between calls", *MANY, "one in each thread", *SHARED),
    "asyncio": ("at an await, between calls", *MANY, "all on one loop", *SHARED),
    "gevent": ("anywhere", *MANY, "all on one loop", *SHARED),
    "eventlet": ("anywhere", *MANY, "all on one loop", *SHARED),
    "solo": ("anywhere", "logged only", "no", "one at a time", "no", "no", "worker dies"),
}


def cells(column):
    """A test for each pool."""
    place = COLUMNS.index(column)
    return pytest.mark.parametrize(("pool", "word"), [(pool, words[place]) for pool, words in TABLE.items()])


class Stage:
    """A worker of one pool in this process, with four slots."""

    def __init__(self, folder, pool, **options):
        self.folder = folder
        self.app = make_app(f"sqlite:///{folder}/umbel.db")
        self.embedded = Embedded(self.app, pool=pool, concurrency=4, **options)
        self.embedded.thread.start()
        assert self.embedded.worker.is_ready.wait(30)
        self.runs = folder / "runs"
        self.runs.mkdir()

    def send(self, task, *args, **options):
        return self.app.tasks[f"cells.{task}"].apply_async(args, **options)

    def begin(self, task, *args, **options):
        """Send a task that says when it begins, and wait until it has."""
        beginning = self.folder / f"begun-{time.monotonic_ns()}"
        result = self.send(task, *args, str(beginning), **options)
        eventually(beginning.exists, 20, f"{task} begins")
        return result

    @contextlib.contextmanager
    def neighbour(self):
        """A task that runs beside the block. It must not run twice."""
        before = len(list(self.runs.iterdir()))
        gate = self.folder / f"gate-{time.monotonic_ns()}"
        result = self.send("wait_for", str(gate), str(self.runs))
        eventually(lambda: len(list(self.runs.iterdir())) == before + 1, 30, "the neighbour begins")
        yield
        gate.touch()
        result.get(timeout=30)
        assert len(list(self.runs.iterdir())) == before + 1

    def close(self):
        self.embedded.worker.request_stop(warm=False)
        self.embedded.thread.join(20)
        assert not self.embedded.thread.is_alive()
        self.app.close()


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """One worker for each pool, for all tests that leave it as it was."""
    made = {}

    def get(pool):
        if pool not in made:
            made[pool] = Stage(tmp_path_factory.mktemp(pool), pool)
        return made[pool]

    yield get
    for stage in made.values():
        stage.close()


@pytest.fixture
def own_stage(tmp_path):
    """A worker of this test's own."""
    made = []

    def make(pool, **options):
        made.append(Stage(tmp_path, pool, **options))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


def test_the_guide_has_this_table():
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {pool: tuple(cell.strip() for cell in row.split("|")) for pool, row in rows} == TABLE
    (head,) = re.findall(r"^\| pool \|(.*)\|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(cell.strip() for cell in head.split("|")) == COLUMNS
    assert list(TABLE) == [kind.name for kind in KINDS]


def solo(tmp_path, program):
    """Run a worker of the solo pool in a process's main thread, and a program in another thread; returns what the latter prints."""
    script = f"""
import sys, threading
from system.cells import make_app
from system.processes import eventually
app = make_app("sqlite:///{tmp_path}/umbel.db")
worker = app.Worker(pool="solo")
def program():
    worker.is_ready.wait()
    send = lambda task, *args, **options: app.tasks["cells." + task].apply_async(args, **options)
    try:
        {program}
    finally:
        worker.request_stop()
threading.Thread(target=program).start()
worker.run()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout.strip(), done.stderr


@cells("soft time limit")
def test_soft_time_limit(stages, tmp_path, pool, word):
    if pool == "solo":
        assert solo(tmp_path, f"print(send('one_call', 30, '{tmp_path}/begun', soft_time_limit=0.5).get(timeout=30))")[1] == "soft"
        return
    stage = stages(pool)
    with stage.neighbour():
        started = time.monotonic()
        results = [stage.begin(task, 30, soft_time_limit=0.5) for task in ("steps", "waits", "spins")]
        assert [result.get(timeout=30) for result in results] == ["soft", "soft", "soft"]
        assert time.monotonic() - started < 25
    calls = [stage.send("one_call", 30 if word == "anywhere" else 2, str(tmp_path / "begun"), soft_time_limit=0.5)]
    if word != "between calls":  # a thread's loop is no main thread's
        calls.append(stage.send("blocks", 30, str(tmp_path / "begun"), soft_time_limit=0.5))
    assert {call.get(timeout=30) for call in calls} == {"soft"}


@cells("hard time limit")
def test_hard_time_limit(stages, tmp_path, pool, word):
    if word == "logged only":
        code, told, log = solo(tmp_path, f"print(send('one_call', 2, '{tmp_path}/begun', time_limit=0.5).get(timeout=30))")
        assert (code, told) == (0, "whole")
        assert "cannot end a running task" in log
        return
    stage = stages(pool)
    with stage.neighbour():
        for task, args in (("steps", (60,)), ("waits", (60,)), ("spins", (60,))):
            result = stage.begin(task, *args, time_limit=0.5)
            with pytest.raises(TimeLimitExceeded):
                result.get(timeout=30)
    for task in ("stubborn", "stuck", "stuck_on_loop"):
        result = stage.begin(task, time_limit=0.5)
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=30)
    assert stage.send("whoami").get(timeout=30)


@cells("hard time limit")
def test_neighbours_of_what_cannot_be_ended_end_first_or_run_again_uncounted(stages, tmp_path, pool, word):
    if word == "logged only":
        return
    stage = stages(pool)
    quick, slow = tmp_path / "quick", tmp_path / "slow"
    for folder in (quick, slow):
        folder.mkdir()
    ends = stage.send("wait_for", str(quick / "gate"), str(quick))
    again = stage.send("wait_for", str(slow / "gate"), str(slow))
    eventually(lambda: list(quick.iterdir()) and list(slow.iterdir()), 30, "both run")
    result = stage.begin("stubborn", time_limit=0.5)
    if word != "child killed":
        eventually(lambda: len(stage.embedded.children()) == 2, 30, "a successor takes over")
    (quick / "gate").touch()
    assert ends.get(timeout=30)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=30)
    if word != "child killed":
        eventually(lambda: len(list(slow.iterdir())) == 2, 30, "it runs again")
    (slow / "gate").touch()
    assert again.get(timeout=30)
    assert len(list(quick.iterdir())) == 2  # the gate, and one run


@cells("revoked with `terminate`")
def test_revoked_with_terminate(stages, tmp_path, pool, word):
    if word == "no":
        begun = f"eventually(__import__('pathlib').Path('{tmp_path}/begun').exists)"
        told = solo(
            tmp_path, f"r = send('one_call', 2, '{tmp_path}/begun'); {begun}; worker.revoke(r.id, terminate=True); print(r.get(timeout=30))"
        )
        assert told[:2] == (0, "whole")
        return
    stage = stages(pool)
    with stage.neighbour():
        for task, args in (("steps", (60,)), ("waits", (60,)), ("spins", (60,))):
            result = stage.begin(task, *args)
            stage.embedded.worker.revoke(result.id, terminate=True)
            with pytest.raises(TaskRevokedError, match="terminated"):
                result.get(timeout=30)
            assert result.state == "REVOKED"
    result = stage.begin("stubborn")
    stage.embedded.worker.revoke(result.id, terminate=True)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)


@cells("`async def` tasks")
def test_async_tasks(stages, tmp_path, pool, word):
    together = 1 if pool == "solo" else 4
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        if pool == "solo":
            code, told, log = solo(tmp_path, f"r = send('meets', 1, '{tmp_path}/{folder}'); print(r.get(timeout=30) == [r.id] * 3)")
            assert (code, told) == (0, "True"), log
            continue
        results = [stages(pool).send("meets", together, str(tmp_path / folder)) for _ in range(together)]
        for result in results:
            assert result.get(timeout=30) == [result.id] * 3


@cells("max tasks")
def test_max_tasks(own_stage, pool, word):
    stage = own_stage(pool, max_tasks_per_child=5)
    if word == "successor at once":
        with stage.neighbour():
            pids = [stage.send("whoami").get(timeout=30) for _ in range(12)]
    else:
        pids = [result.get(timeout=30) for result in [stage.send("whoami") for _ in range(40)]]
    most = {"no": 100, "after its task": 5, "successor at once": 5}[word]
    assert max(pids.count(pid) for pid in pids) <= most
    assert (len(set(pids)) == 1) == (word == "no")


@cells("max memory")
def test_max_memory(own_stage, pool, word):
    stage = own_stage(pool, max_memory_per_child=200_000)
    first = stage.send("keep", 250).get(timeout=30)
    if word == "no":
        assert stage.send("whoami").get(timeout=30) == first
        return
    eventually(lambda: first not in stage.embedded.children().values(), 30, "its child is replaced")
    assert stage.send("whoami").get(timeout=30) != first


@cells("child dies")
def test_child_dies(stages, tmp_path, pool, word):
    if word == "worker dies":
        code, _, _ = solo(tmp_path, "send('die').get(timeout=30)")
        assert code == -signal.SIGKILL
        return
    stage = stages(pool)
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    runs.mkdir()
    beside = stage.send("wait_for", str(gate), str(runs))
    eventually(lambda: list(runs.iterdir()), 30, "it runs beside")
    with pytest.raises(WorkerLostError):
        stage.send("die").get(timeout=30)
    if word == "one task counted":
        gate.touch()
        assert beside.get(timeout=30)
    else:  # it ran beside both deaths
        with pytest.raises(WorkerLostError):
            beside.get(timeout=30)
    assert stage.send("whoami").get(timeout=30)
