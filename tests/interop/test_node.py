"""Clients and a worker in JavaScript, `celery-node` and `celery-ts` from npm, with a worker and a client of Umbel."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess

import pytest

from interop.conftest import BOTH
from system.conftest import database
from system.processes import TESTS
from system.stage import Place, Stage

HOME = TESTS.parent / ".build" / "node"
PACKAGES = ("celery-node@0.5.9", "celery-ts@1.2.3")
#: The exception of a failed task as it is stored, and what celery-node makes of it.
FORM = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
CELERY_NODE_FAILURE = {"error": "FAILURE"}
SIDE = TESTS / "interop" / "node_side.js"


@pytest.fixture(scope="session")
def node():
    """The node interpreter; installs the packages at first use."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no node and npm on the path: apt-get install nodejs npm")  # with CI=true this fails
    HOME.mkdir(parents=True, exist_ok=True)
    with HOME.with_name("node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = HOME / "ready"
        if not ready.exists() or ready.read_text() != "\n".join(PACKAGES):
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(HOME), *PACKAGES]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install {' and '.join(PACKAGES)} (no network?): {done.stderr.strip()[-300:]}")
            ready.write_text("\n".join(PACKAGES))
    return node


@pytest.fixture(params=[pytest.param("rabbitmq", marks=BOTH), pytest.param("redis", marks=pytest.mark.redis)])
def stage(request, unique):
    broker = database(request, 5) if request.param == "redis" else request.getfixturevalue("rabbitmq_url")
    stage = Stage(Place(name=request.param, broker=broker, backend=database(request, 6)), unique("node"))
    try:
        yield stage
    finally:
        stage.close()


def command(node, stage, role, library):
    return [node, str(SIDE), role, library, stage.place.broker, stage.place.backend, stage.queue]


def talk(node, stage, library, calls, **variables):
    done = subprocess.run(
        command(node, stage, "client", library),
        input=json.dumps(calls),
        env={**os.environ, "NODE_HOME": str(HOME), **variables},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, f"{library}:\n{done.stderr[-3000:]}\n{stage.logs()}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_clients(node, stage):
    stage.worker("-c", "1")
    calls = [["add", [1, 2]], ["add", ["é", "\U0001f642"]], ["fail", ["value", "no"]]]
    for library, variables in (("celery-node", {}), ("celery-node", {"PROTOCOL": "1"}), ("celery-ts", {})):
        number, text, failed = talk(node, stage, library, calls, **variables)
        assert (number, text) == ({"value": 3}, {"value": "é\U0001f642"}), (library, variables, stage.logs())
        # celery-ts does not look at the state: it hands out the exception's form as a value.
        assert failed == {"celery-node": CELERY_NODE_FAILURE, "celery-ts": {"value": FORM}}[library], (variables, stage.logs())


def test_worker(node, stage):
    variables = {**os.environ, "NODE_HOME": str(HOME)}
    with subprocess.Popen(command(node, stage, "worker", "celery-node"), env=variables, stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout.readline() == "ready\n"
            results = [stage.send("add", number, 1) for number in range(5)]
            failed = stage.send("fail", "value", "no")
            assert [result.get(timeout=30) for result in results] == [1, 2, 3, 4, 5]
            failed.get(timeout=30, propagate=False)
            assert failed.state == "FAILURE"
        finally:
            worker.kill()
