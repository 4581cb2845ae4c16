"""``umbel worker``: its options, its banner, its end. Real processes on a SQLite file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from umbel.cli.commands.worker import command


@pytest.fixture
def worker(module, tmp_path):
    """Starts ``umbel worker`` and returns it when it is ready, with what it has printed so far."""
    started = []

    def start(*arguments: str):
        process = subprocess.Popen(
            [sys.executable, "-m", "umbel", "-A", module, "worker", "-l", "info", "-c", "1", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if " ready." in line:
                break
        return process, "".join(lines)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def test_it_starts_works_and_stops(worker, umbel, module, tmp_path):
    process, said = worker("--pidfile", "%n.pid", "-n", "w1@%h", "--", "worker_prefetch_multiplier=2")
    assert "\x1b" not in said
    assert "prefork, 1 child" in said
    assert f"{module}.add" in said
    assert (tmp_path / "w1.pid").read_text().strip() == str(process.pid)
    ended = umbel("-A", module, "call", f"{module}.add", "-a", "[30, 42]", "--wait", "--timeout", "20")
    assert (ended.code, ended.out) == (0, "72\n")
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(20) == 0
    assert "succeeded in" in rest
    assert "Traceback" not in rest
    assert "nothing new is started. QUIT stops at once." in rest
    assert rest.splitlines()[-1].endswith("Stopped; 0 tasks handed back.")
    assert not (tmp_path / "w1.pid").exists()


def test_quiet_and_a_log_file(worker, tmp_path, module):
    process = subprocess.Popen(
        [sys.executable, "-m", "umbel", "worker", "-q", "-A", module, "-c", "1", "-l", "info", "-f", "%n.log", "-n", "w2@%h"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        log = tmp_path / "w2.log"
        _until(lambda: log.exists() and " ready." in log.read_text(), process)
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert said == b""
    assert process.returncode == 0


def _until(condition, process):
    import time

    deadline = time.monotonic() + 20
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-c", "0"), "1<=x"),
        (("-c", "nan"), "not a valid whole number"),
        (("--time-limit", "soon"), "not a valid number"),
        (("-P", "gevnt"), "Did you mean gevent or eventlet?"),
        (("-P", "pefork"), "Did you mean prefork?"),
        (("-l", "loud"), "log level"),
        (("--autoscale", "3,9"), "MAX,MIN"),
        (("--autoscale", "many"), "MAX,MIN"),
        (("--prefetch-multiplier", "-1"), "range"),
        (("--time-limit", "0"), "range"),
        (("--umask", "9"), "octal"),
        (("--", "foo"), "SETTING=VALUE"),
    ],
)
def test_refused(umbel, module, arguments, said):
    ended = umbel("-A", module, "worker", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_a_module_that_is_not_there_is_one_line(umbel, module):
    ended = umbel("-A", module, "worker", "-q", "-I", "nowhere")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "No module named 'nowhere'" in ended.err


def test_an_included_module_that_fails_shows_the_users_traceback_only(umbel, module, tmp_path):
    (tmp_path / "breaks.py").write_text("1 / 0\n")
    ended = umbel("-A", module, "worker", "-q", "-I", "breaks")
    assert ended.code == 2
    assert 'breaks.py", line 1' in ended.err
    assert "umbel/" not in ended.err.replace(str(tmp_path), "")


def test_a_worker_without_a_queue_is_refused(umbel, module):
    ended = umbel("-A", module, "worker", "-X", "celery")
    assert ended.code == 2
    assert "This app has: celery." in ended.err


def test_an_unknown_setting_gets_a_suggestion(umbel, module):
    ended = umbel("-A", module, "worker", "--", "worker_prefetch_multiplyer=1")
    assert ended.code == 1
    assert "worker_prefetch_multiplier" in ended.err


def test_a_broker_that_is_not_there(umbel, module, tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "umbel", "-A", module, "-b", "redis://:hunter2@127.0.0.1:1/0", "worker", "-q",
            "--", "broker_connection_max_retries=1",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 69
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_root_with_pickle_is_refused(umbel, module, monkeypatch):
    monkeypatch.delenv("C_FORCE_ROOT", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ended = umbel("-A", module, "worker", "--", "accept_content=(list)json,pickle")
    assert ended.code == 1
    assert "C_FORCE_ROOT" in ended.err


# Celery 5.7's options of `worker`, each long and short name.
CELERY = """
-A --app -b --broker --result-backend --loader --config --workdir -C --no-color -q --quiet --version
-n --hostname -D --detach -S --statedb -l --loglevel -O --optimization --prefetch-multiplier --disable-prefetch
-c --concurrency -P --pool -E --task-events --events --time-limit --soft-time-limit --max-tasks-per-child --max-memory-per-child
--maxtasksperchild --maxmemperchild --purge --discard -Q --queues -X --exclude-queues -I --include
--without-gossip --without-mingle --without-heartbeat --heartbeat-interval --autoscale -B --beat -s --schedule --schedule-filename --scheduler
-f --logfile --pidfile --uid --gid --umask --executable
""".split()


def test_every_option_of_celery_is_taken():
    known = {name for parameter in command.params for name in parameter.opts}
    assert not set(CELERY) - known
