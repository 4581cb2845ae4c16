"""Remote control between Umbel and real Celery 5.7: each asks the other's workers, and gets what it would get from its own."""

from __future__ import annotations

import json
import subprocess

import pytest

from golden.captures import pidbox
from golden.shapes import differences
from interop.conftest import BOTH
from system.conftest import database
from system.processes import TESTS, eventually
from system.stage import Place

#: Every command, with the capture of its reply.
COMMANDS = {
    "ping": ("ping", {}),
    "active": ("active", {"safe": None}),
    "reserved": ("reserved", {}),
    "scheduled": ("scheduled", {}),
    "registered": ("registered", {"taskinfoitems": []}),
    "registered_with_attrs": ("registered", {"taskinfoitems": ["rate_limit", "max_retries"]}),
    "stats": ("stats", {}),
    "active_queues": ("active_queues", {}),
    "report": ("report", {}),
    "clock": ("clock", {}),
    "conf": ("conf", {"with_defaults": False}),
    "hello": ("hello", {"from_node": "w9@other", "revoked": {"rev-1": 12345.0}}),
    "rate_limit": ("rate_limit", {"task_name": "one_a_minute", "rate_limit": "100/m"}),
    "rate_limit_error": ("rate_limit", {"task_name": "no.task", "rate_limit": "abc"}),
    "time_limit": ("time_limit", {"task_name": "one_a_minute", "hard": 20, "soft": 10}),
    "pool_grow": ("pool_grow", {"n": 1}),
    "pool_shrink": ("pool_shrink", {"n": 1}),
    "autoscale_error": ("autoscale", {"max": 4, "min": 1}),
    "add_consumer": ("add_consumer", {"queue": "EXTRA", "exchange": None, "exchange_type": "direct", "routing_key": None}),
    "cancel_consumer": ("cancel_consumer", {"queue": "EXTRA"}),
    "revoke_reply": ("revoke", {"task_id": ["a-1", "a-2"], "terminate": False, "signal": "SIGTERM"}),
    "revoke_by_stamped_headers": ("revoke_by_stamped_headers", {"headers": {"tenant": ["acme"]}, "terminate": False, "signal": "SIGTERM"}),
    "revoked": ("revoked", {}),
    "pool_restart_error": ("pool_restart", {"modules": None, "reload": False, "reloader": None}),
    "unknown_command": ("no_such_cmd", {}),
    "memsample": ("memsample", {}),
}
#: Which say no word of their own: their replies are the very same.
SAME = {
    "ping", "pool_grow", "pool_shrink", "rate_limit", "time_limit", "autoscale_error", "pool_restart_error", "unknown_command",
    "revoke_by_stamped_headers",
}  # fmt: skip


@pytest.fixture(params=[pytest.param("rabbitmq", marks=BOTH), pytest.param("redis", marks=pytest.mark.redis)])
def place(request):
    broker = database(request, 5) if request.param == "redis" else request.getfixturevalue("rabbitmq_url")
    return Place(name=request.param, broker=broker, backend=database(request, 6))


def client(pair, module, *words, text=""):
    """Run something of the client's house."""
    house = pair.houses["client"]
    return subprocess.run(
        [pair._python(house), "-m", module, *words],
        input=text,
        env={**pair._environment(house), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=TESTS,
        check=False,
    )


def command_line(pair, *words):
    return client(pair, pair.houses["client"], "-A", "system.workload", *words)


def test_every_command_is_answered_as_by_a_worker_of_the_same_house(pair):
    pair.start_worker("-c", "1")
    extra = f"{pair.queue}-extra"
    asked = [(command, {**given, "queue": extra} if given.get("queue") else given) for command, given in COMMANDS.values()]
    done = client(pair, "interop.control_side", text=json.dumps(asked))
    assert done.returncode == 0, done.stderr[-3000:]
    wrong, captured = [], pidbox("redis")
    for name, line in zip(COMMANDS, done.stdout.splitlines(), strict=True):
        ((ours,),) = [reply.values() for reply in json.loads(line)]
        (theirs,) = json.loads(captured[name].reply.body).values()
        wrong += [f"{name}: {each}" for each in differences(ours, theirs, COMMANDS[name][0])]
        if name in SAME and ours != theirs:
            wrong.append(f"{name}: {ours}, not {theirs}")
    assert wrong == []


def test_each_command_line_knows_the_others_workers(pair):
    pair.start_worker("-c", "1", "-n", "one@host")
    listed = command_line(pair, "status")
    assert (listed.returncode, "one@host" in listed.stdout, "OK" in listed.stdout) == (0, True, True), listed.stderr
    assert json.loads(command_line(pair, "inspect", "ping", "-j").stdout) == {"one@host": {"ok": "pong"}}
    changed = command_line(pair, "control", "rate_limit", "add", "10/m", "--json")
    assert json.loads(changed.stdout) == [{"one@host": {"ok": "new rate limit set successfully"}}]
    nobody = command_line(pair, "inspect", "ping", "-d", "nobody@nowhere", "-t", "0.5")
    assert (nobody.returncode, nobody.stdout) == (69, "")


@pytest.mark.parametrize("pair", ["umbel"], indirect=True, ids=["fleet"])
def test_what_is_revoked_is_known_to_those_that_come_later_of_either_house(pair):
    """Each tells the next one; Celery's workers only by a word at the start, which they do not wait for long."""
    settings = {"result_backend": "disabled://"}

    def revoke(task_id, node):
        """Tell one worker. On Redis a worker of Celery's says that it is ready before it listens."""
        told = {"destination": [node], "reply": True, "timeout": 1}
        eventually(lambda: pair.app.control.broadcast("revoke", {"task_id": task_id}, **told), 20, f"a reply of {node}")

    def revoked(node):
        found = pair.app.control.inspect(node, timeout=5).revoked()
        return set(found or ())

    def start(house, node):
        pair.houses["worker"] = house
        pair.start_worker_that_mingles("-c", "1", "-n", node, settings=settings)

    start("celery", "c1@host")
    revoke("one", "c1@host")
    start("umbel", "u1@host")
    eventually(lambda: revoked("u1@host") >= {"one"}, 30, "told by Celery's worker")
    revoke("two", "u1@host")
    start("celery", "c2@host")
    eventually(lambda: revoked("c2@host") >= {"one", "two"}, 30, "told by both")
    start("umbel", "u2@host")
    eventually(lambda: revoked("u2@host") >= {"one", "two"}, 30, "told by all")
