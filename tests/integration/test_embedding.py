"""A worker inside somebody else's program, and a program that is its own command line."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from umbel import Umbel

SCRIPT = """
import sys, threading
from umbel import Umbel

app = Umbel("script", broker="sqlite:///here.db")

@app.task
def add(x, y):
    return x + y

def in_a_thread(**options):
    worker = app.Worker(concurrency=1, hostname="guest", **options)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert worker.is_ready.wait(20)
        return add.delay(1, 2).get(timeout=20)
    finally:
        worker.request_stop()
        thread.join(20)
        assert not thread.is_alive()

if __name__ == "__main__":
    if sys.argv[1] == "threads":
        print(in_a_thread(queues="celery"), in_a_thread(pool="solo"))
        app.close()
        assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
    else:
        sys.exit(app.start())
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(*words):
        return subprocess.run(
            [sys.executable, "-W", "error", "script.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_a_worker_runs_in_a_thread_with_children_or_without(run):
    done = run("threads")
    assert (done.returncode, done.stdout) == (0, "3 3\n"), done.stderr


def test_a_script_is_the_command_line_of_its_app(run):
    done = run("queues", "--json")
    assert done.returncode == 0, done.stderr
    assert '"celery"' in done.stdout


def test_a_script_without_a_guard_runs_one_worker(tmp_path):
    (tmp_path / "bare.py").write_text(
        "from umbel import Umbel\n"
        "app = Umbel('bare', broker='sqlite:///here.db')\n"
        "@app.task\n"
        "def add(x, y):\n"
        "    return x + y\n"
        "print('imported', flush=True)\n"
        "app.worker_main(['worker', '-c', '1'])\n"
    )
    script = subprocess.Popen(
        [sys.executable, "bare.py"], cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        client = Umbel("client", broker=f"sqlite:///{tmp_path}/here.db", set_as_current=False)
        assert client.send_task("bare.add", (1, 2)).get(timeout=20) == 3
        client.close()
        script.terminate()
        out, _ = script.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
    assert script.returncode == 0, out
    assert out.count("imported") <= 4, out  # the main program, the template, the child, and the child's copy of the main program
    assert out.count("broker ") == 1, out


def test_worker_main_runs_workers_only():
    app = Umbel("proj", broker="memory://", set_as_current=False)
    with pytest.raises(ValueError, match="expected \\['worker', …\\], got \\['purge'\\]"):
        app.worker_main(["purge"])


def test_an_app_that_children_cannot_find_is_refused():
    app = Umbel("proj", broker="memory://", set_as_current=False)
    app.task(name="proj.inner")(lambda: None)
    with pytest.raises(Exception, match=r"children cannot find the app, and cannot make one like it: the function of the task proj\.inner"):
        app.Worker().run()


def test_options_of_an_embedded_worker():
    app = Umbel("proj", broker="memory://", set_as_current=False)
    assert [queue.name for queue in app.Worker(queues="a, b").queues()] == ["a", "b"]
    with pytest.raises(TypeError, match="queue"):
        app.Worker(queue="a")
