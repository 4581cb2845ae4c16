"""Remote control of workers that run as processes: what they reply, what they do, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golden.captures import pidbox
from golden.shapes import differences
from system.conftest import BROKERS, ONE_BROKER
from system.processes import TESTS, eventually, open_gate
from umbel.contrib.abortable import AbortableAsyncResult
from umbel.errors import TaskRevokedError

#: Replies of a command and of its capture: name, capture, arguments.
SHAPES = [
    ("ping", "ping", {}),
    ("active", "active", {}),
    ("reserved", "reserved", {}),
    ("scheduled", "scheduled", {}),
    ("revoked", "revoked", {}),
    ("registered", "registered", {}),
    ("registered", "registered_with_attrs", {"taskinfoitems": ["max_retries"]}),
    ("stats", "stats", {}),
    ("active_queues", "active_queues", {}),
    ("report", "report", {}),
    ("clock", "clock", {}),
    ("conf", "conf", {}),
    ("hello", "hello", {"from_node": "w9@other", "revoked": {"rev-1": 12345.0}}),
    ("rate_limit", "rate_limit", {"task_name": "add", "rate_limit": "100000/s"}),
    ("rate_limit", "rate_limit_error", {"task_name": "no.task", "rate_limit": "abc"}),
    ("time_limit", "time_limit", {"task_name": "add", "hard": 20, "soft": 10}),
    ("autoscale", "autoscale_error", {"max": 4, "min": 1}),
    ("pool_restart", "pool_restart_error", {}),
    ("no_such_cmd", "unknown_command", {}),
    ("memsample", "memsample", {}),
]


def node_of(stage):
    (reply,) = stage.app.control.ping(limit=1, timeout=20)
    return next(iter(reply))


def ask(stage, command, **arguments):
    """The one worker's reply."""
    (reply,) = stage.app.control.broadcast(command, arguments, reply=True, limit=1, timeout=20)
    (answer,) = reply.values()
    return answer


@pytest.fixture
def busy(shared_stage):
    """A worker of which every slot is busy, and that holds a task for its time: with busy slots it would fetch none."""
    gate = shared_stage.gate()
    due = shared_stage.send("add", 1, 2, countdown=4)
    eventually(lambda: due.id in ask(shared_stage, "query_task", ids=[due.id]), 30, "a task that waits for its time")
    runs = shared_stage.send("wait_for", gate)
    shared_stage.await_runs(runs.id)
    yield shared_stage, runs, due
    open_gate(gate)
    runs.get(timeout=30)
    due.get(timeout=30)


def test_replies_have_celerys_structure_while_every_slot_is_busy(busy):
    stage, runs, due = busy
    found = ask(stage, "query_task", ids=[runs.id, due.id, "nope"])
    assert found[runs.id][0] == "active"
    assert set(found) == {runs.id, due.id}
    assert found[due.id][0] in {"scheduled", "reserved"}  # its time may have come by now
    captured = pidbox("redis")
    wrong = list(differences(found, json.loads(captured["query_task"].reply.body)["w1@golden"], "query_task"))
    for command, name, arguments in SHAPES:
        (theirs,) = json.loads(captured[name].reply.body).values()
        wrong += differences(ask(stage, command, **arguments), theirs, command)
    assert wrong == []


def leftovers(stage):
    """Keys or queues of remote control that are there."""
    namespace = stage.settings["control_exchange"]
    if stage.place.name == "redis":
        from redis import Redis

        keys = Redis.from_url(stage.place.broker).keys("*")
        return sorted(key.decode() for key in keys if f"{namespace}.pidbox".encode() in key)
    if stage.place.name == "rabbitmq":
        vhost = stage.place.broker.rpartition("/")[2]
        listed = subprocess.run(
            ["rabbitmqctl", "-q", "list_queues", "-p", vhost, "name"], capture_output=True, text=True, check=True
        ).stdout
        return sorted(name for name in listed.split() if f"{namespace}.pidbox" in name)
    import sqlite3

    with sqlite3.connect(stage.place.broker.removeprefix("sqlite:///")) as connection:
        return sorted(name for (name,) in connection.execute("SELECT name FROM umbel_queues WHERE name LIKE ?", (f"%{namespace}.pidbox",)))


def test_many_calls_leave_nothing_behind(shared_stage):
    stage, node = shared_stage, node_of(shared_stage)
    for _ in range(30):
        assert stage.app.control.ping([node], timeout=20) == [{node: {"ok": "pong"}}]
        stage.app.control.heartbeat()
        stage.app.control.ping(["nobody@nowhere"], timeout=0.001)
    assert node_of(stage) == node  # what was asked before has been answered
    eventually(
        lambda: all(name.startswith(f"{node}.") for name in leftovers(stage)), 10, f"nothing but the worker's own: {leftovers(stage)}"
    )


def test_a_revoke_while_no_worker_runs_is_honoured_by_the_next(stage):
    kept, gone, stamped = stage.send("mark", "kept"), stage.send("mark", "gone"), stage.send("mark", "stamped", headers={})
    stage.app.control.revoke(gone.id)
    stage.app.control.revoke(stamped.id)
    stage.worker("-c", "1")
    assert kept.get(timeout=30) == "kept"
    for result in (gone, stamped):
        with pytest.raises(TaskRevokedError):
            result.get(timeout=30)
        assert not stage.runs(result.id)
    assert set(ask(stage, "revoked")) >= {gone.id, stamped.id}


@ONE_BROKER
@pytest.mark.parametrize(("how", "expected"), [("SIGTERM", "REVOKED"), ("SIGUSR1", "FAILURE")])
def test_what_runs_is_terminated_by_the_signal_that_was_asked_for(stage, how, expected):
    stage.worker("-c", "1")
    result = stage.send("wait_for", stage.gate())
    stage.await_runs(result.id)
    (reply,) = result.revoke(terminate=True, signal=how, wait=True, timeout=1)
    assert list(reply.values()) == [{"ok": f"terminate: {result.id}"}]
    eventually(lambda: result.state == expected, 20, f"{expected} after {how}")
    assert stage.send("add", 1, 2).get(timeout=30) == 3


@ONE_BROKER
def test_the_pool_follows(stage):
    stage.worker("-c", "1", settings={"worker_pool_restarts": True, "include": ["system.remote_commands"]})

    def processes():
        return ask(stage, "stats")["pool"]["processes"]

    (first,) = processes()
    assert ask(stage, "pool_grow", n=2) == {"ok": "pool will grow"}
    eventually(lambda: len(processes()) == 3, 30, "three children")
    assert "10,000 slots" in ask(stage, "pool_grow", n=9_999)["error"]
    assert ask(stage, "pool_shrink", n=2) == {"ok": "pool will shrink"}
    eventually(lambda: len(processes()) == 1, 30, "one child")
    assert ask(stage, "pool_restart") == {"ok": "reload started"}
    eventually(lambda: processes() and not {first} & set(processes()), 30, "a new child")
    assert stage.send("add", 1, 2).get(timeout=30) == 3
    # a task that may be aborted
    path = stage.folder / "begun"
    aborted = AbortableAsyncResult(stage.app.send_task("until_aborted", (str(path),)).id, app=stage.app)
    eventually(path.exists, 20, "it runs")
    aborted.abort()
    assert aborted.get(timeout=30) == "aborted"
    # commands of the app's own
    node = node_of(stage)
    assert ask(stage, "double", n=21) == {"ok": 42, "node": node}
    assert ask(stage, "prefetched", words=["a"])["words"] == ["a"]
    stage.settings["include"] = ["system.remote_commands"]
    assert umbel(stage, "control", "double", "4", "-j").stdout == json.dumps([{node: {"ok": 8, "node": node}}]) + "\n"
    assert "double [N=1]" in umbel(stage, "control", "--list").stdout


@ONE_BROKER
def test_queues_come_and_go(stage):
    stage.worker("-c", "1")
    extra = f"{stage.queue}-extra"
    result = stage.send("add", 1, 2, queue=extra)
    assert ask(stage, "add_consumer", queue=extra) == {"ok": f"add consumer {extra}"}
    assert result.get(timeout=30) == 3
    assert [queue["name"] for queue in ask(stage, "active_queues")] == [stage.queue, extra]
    assert ask(stage, "cancel_consumer", queue=extra) == {"ok": f"no longer consuming from {extra}"}
    assert [queue["name"] for queue in ask(stage, "active_queues")] == [stage.queue]


@ONE_BROKER
def test_a_shutdown_waits_for_what_runs_however_often_it_is_asked_for(stage):
    worker = stage.worker("-c", "1")
    gate = stage.gate()
    runs = stage.send("wait_for", gate)
    stage.await_runs(runs.id)
    waits = stage.send("add", 1, 2)
    assert ask(stage, "shutdown") == {"ok": "shutting down"}
    assert ask(stage, "shutdown") == {"ok": "shutting down"}
    assert ask(stage, "pool_grow") == {"error": "ValueError('the worker is stopping')"}
    eventually(lambda: stage.length() == 1, 30, "what waits goes back")
    assert [task["id"] for task in ask(stage, "active")] == [runs.id]
    open_gate(gate)
    runs.get(timeout=30)
    assert worker.wait() == 0
    stage.worker("-c", "1")
    assert waits.get(timeout=30) == 3


@ONE_BROKER
def test_a_state_file_keeps_what_was_revoked(stage):
    """Where no result store does: here the worker of another file knows nothing of it."""
    path = stage.folder / "%n.state"
    settings = {"result_backend": "disabled"}
    first = stage.worker("-c", "1", "-n", "one@host", "-S", str(path), settings=settings)
    assert ask(stage, "revoke", task_id=["gone"]) == {"ok": "tasks {'gone'} flagged as revoked"}
    assert first.stop() == 0
    assert (stage.folder / "one.state").exists()
    second = stage.worker("-c", "1", "-n", "one@host", "--statedb", str(path), settings=settings)
    assert ask(stage, "revoked") == ["gone"]
    third = stage.worker("-c", "1", "-n", "two@host", "-S", str(path), settings=settings)
    eventually(lambda: stage.app.control.inspect("two@host", timeout=5).revoked() == ["gone"], 30, "told by the first")
    assert [worker.stop() for worker in (second, third)] == [0, 0]


@ONE_BROKER
def test_a_file_of_another_form_is_no_state_file(stage):
    path = stage.folder / "state"
    path.write_bytes(b"\x13\x57\x9a\xce" * 10)
    worker = stage.worker("-S", str(path), ready=False)
    assert worker.wait(30) == 1
    assert "is no state file of Umbel" in worker.text()


def umbel(stage, *words):
    command = [sys.executable, "-m", "umbel", "-A", "system.workload", *words]
    return subprocess.run(command, env=stage.environment(), capture_output=True, text=True, timeout=60, check=False, cwd=TESTS)


@pytest.mark.parametrize("shared_stage", ["sqlite"], indirect=True)
def test_the_command_line(busy):
    stage, runs, _ = busy
    node = node_of(stage)
    listed = umbel(stage, "status")
    assert (listed.returncode, listed.stdout.split()[:2], node in listed.stdout) == (0, ["NODE", "STATUS"], True)
    active = umbel(stage, "inspect", "active", "-d", node)
    assert runs.id in active.stdout
    assert active.stderr == "1 worker replied.\n"
    assert list(json.loads(umbel(stage, "inspect", "active_queues", "-j").stdout)) == [node]
    nobody = umbel(stage, "inspect", "ping", "-d", "nobody@nowhere", "-t", "0.1")
    assert (nobody.returncode, nobody.stdout) == (69, "")
    assert nobody.stderr.startswith("Error: nobody@nowhere has not replied within 0.1 s.")
    assert umbel(stage, "control", "rate_limit", "no.task", "1/m").returncode == 0


@pytest.mark.parametrize("place", [each for each in BROKERS if each != "sqlite"], indirect=True)
def test_a_worker_answers_again_after_its_connections_were_cut(stage):
    worker = stage.worker("-c", "1")
    node_of(stage)
    cut(stage, worker)
    deadline = time.monotonic() + 20
    while not (replies := stage.app.control.ping(limit=1, timeout=1)):
        assert time.monotonic() < deadline, stage.logs()
    assert replies[0].popitem()[1] == {"ok": "pong"}


def cut(stage, worker):
    """Close the worker's connections to the broker, from the broker's side."""
    if stage.place.name == "redis":
        from redis import Redis

        client = Redis.from_url(stage.place.broker)
        for each in client.client_list():
            if each["addr"] in addresses(worker.pid):
                client.client_kill(each["addr"])
        return
    listed = subprocess.run(
        ["rabbitmqctl", "-q", "list_connections", "pid", "peer_port"], capture_output=True, text=True, check=True
    ).stdout
    mine = {address.rpartition(":")[2] for address in addresses(worker.pid)}
    for line in listed.splitlines():
        pid, _, port = line.partition("\t")
        if port in mine:
            subprocess.run(["rabbitmqctl", "-q", "close_connection", pid, "a test"], capture_output=True, check=True)


def addresses(pid):
    """The local ends of a process's TCP connections, as ``127.0.0.1:port``."""
    inodes, found = set(sockets(pid)), set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                found.add(f"127.0.0.1:{int(fields[1].rpartition(':')[2], 16)}")
    return found


def sockets(pid):
    """The inodes of a process's sockets."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
