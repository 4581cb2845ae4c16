"""``umbel events`` as people run it: in a terminal, and as lines; before real workers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pyte
import pytest

from chaos.servers import PrivateRedis, free_port
from system.conftest import ONE_BROKER
from system.processes import TESTS, WorkerProcess, environment, eventually
from system.workload import make_app

ROWS, COLUMNS = 24, 80


class TerminalOf:
    """A process on a terminal of its own, and what the terminal shows."""

    def __init__(self, env, *words):
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self._slave)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.sent = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "umbel", "-A", "system.workload", *words],
            stdin=self._slave, stdout=self._slave, stderr=self._slave, env={**env, "TERM": "xterm"}, cwd=TESTS, start_new_session=True,
        )  # fmt: skip

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self._screen.display)

    def pump(self, timeout=0.05):
        if select.select([self._master], [], [], timeout)[0]:
            data = os.read(self._master, 65536)
            self.sent += data
            self._stream.feed(data)

    def wait_for(self, pattern, timeout=30.0):
        """Wait until the screen shows something; returns the match."""
        deadline = time.monotonic() + timeout
        while (found := re.search(pattern, self.text, re.MULTILINE)) is None:
            assert time.monotonic() < deadline, f"no {pattern!r}:\n{self.text}"
            self.pump()
        return found

    def press(self, keys):
        os.write(self._master, keys.encode())

    def ended(self, timeout=30.0):
        """Wait for its end; returns the exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it runs on:\n{self.text}"
            self.pump()
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0)[0]:
                self.pump(0)
        return self.process.returncode

    @property
    def is_restored(self):
        entered, left = self.sent.count(b"\x1b[?1049h"), self.sent.count(b"\x1b[?1049l")
        is_shown = self.sent.rfind(b"\x1b[?25h") > self.sent.rfind(b"\x1b[?25l")
        return entered == left > 0 and is_shown and termios.tcgetattr(self._slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)
        os.close(self._slave)


@ONE_BROKER
def test_the_view_sees_tasks_and_revokes_one(stage):
    stage.worker("-c", "1", "-n", "one@host", "--heartbeat-interval", "0.2")
    terminal = TerminalOf(stage.environment(), "events")
    try:
        terminal.wait_for(r"^ +one@host +online +1 ")
        stage.send("mark", "untold").get(timeout=30)
        terminal.wait_for("Events are off: one@host")
        terminal.press("e")
        terminal.wait_for("enable_events: 1 worker did it")
        stage.send("fail", "value", "no <b>").get(timeout=30, propagate=False)
        terminal.wait_for(r"^> FAILURE +fail +one@host")
        gate = stage.gate()
        runs = stage.send("wait_for", gate)
        stage.await_runs(runs.id)
        terminal.wait_for(rf"^> STARTED +wait_for +one@host .* {runs.id[:8]}$")
        terminal.press("l5/m\r")
        terminal.wait_for("rate_limit: 1 worker did it")
        terminal.press("t")
        terminal.wait_for(r"and end it if it runs\? y/n")
        terminal.press("y")
        terminal.wait_for(rf"^> REVOKED +wait_for .* {runs.id[:8]}$")
        terminal.press("ji")
        terminal.wait_for(r"^ +exception +ValueError\('no <b>'\)")
        terminal.wait_for(r"^ +traceback +Traceback")
        terminal.press("\x1b")
        terminal.wait_for("^  WORKER ")
        terminal.press("q")
        assert (terminal.ended(), terminal.is_restored) == (0, True)
    finally:
        terminal.close()


@ONE_BROKER
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_the_terminal_is_restored_when_the_view_is_stopped(stage, number, code):
    terminal = TerminalOf(stage.environment(), "events")
    try:
        terminal.wait_for("No worker has been heard of")
        terminal.process.send_signal(number)
        assert (terminal.ended(), terminal.is_restored) == (code, True)
    finally:
        terminal.close()


@ONE_BROKER
def test_the_shell_gets_its_terminal_while_the_view_is_suspended(stage):
    terminal = TerminalOf(stage.environment(), "events")
    try:
        terminal.wait_for("No worker has been heard of")
        terminal.process.send_signal(signal.SIGTSTP)
        eventually(lambda: terminal.pump(0) or Path(f"/proc/{terminal.process.pid}/stat").read_text().split()[2] == "T")
        terminal.pump()
        assert terminal.is_restored
        terminal.process.send_signal(signal.SIGCONT)
        eventually(lambda: terminal.pump(0) or not terminal.is_restored)
        terminal.press("q")
        assert (terminal.ended(), terminal.is_restored) == (0, True)
    finally:
        terminal.close()


def test_a_broker_that_is_not_there_is_said(tmp_path):
    env = environment(f"redis://127.0.0.1:{free_port()}/0", None, tmp_path / "ledger", {})
    terminal = TerminalOf(env, "events")
    try:
        assert terminal.ended() == 69
        assert terminal.text.startswith("Error: cannot connect to redis://")
    finally:
        terminal.close()


def test_without_a_terminal_the_view_says_what_to_do(tmp_path):
    env = environment(f"sqlite:///{tmp_path}/umbel.db", None, tmp_path / "ledger", {})
    done = subprocess.run(
        [sys.executable, "-m", "umbel", "-A", "system.workload", "events"],
        env=env, cwd=TESTS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "Error: The view needs a terminal. Print events with --dump.\n")


CAMERA = """\
import os
from umbel.events.snapshot import Polaroid

class Camera(Polaroid):
    def on_shutter(self, state):
        print("shot", state.task_count, flush=True)
"""


@pytest.mark.redis
def test_lines_and_snapshots_go_on_when_the_broker_has_restarted(tmp_path):
    port = free_port()
    url, server = f"redis://127.0.0.1:{port}/0", PrivateRedis(port)
    (tmp_path / "camera_of_a_test.py").write_text(CAMERA)
    env = {**environment(url, None, tmp_path / "ledger", {}), "PYTHONPATH": f"{TESTS}{os.pathsep}{tmp_path}"}
    worker = WorkerProcess(env, "-c", "1", "-E")
    lines = subprocess.Popen(
        [sys.executable, "-m", "umbel", "-A", "system.workload", "events", "--dump", "--json"],
        env=env, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    camera = WorkerProcess(env, "-c", "camera_of_a_test.Camera", "-F", "0.2", "-r", "50/s", name="events")
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(json.loads(line) for line in lines.stdout))
    reader.start()
    app = make_app(url, None, {})
    try:
        worker.wait_ready()
        eventually(lambda: heard, 30, "a heartbeat")
        camera.wait_log("shot 0")
        server.close()
        server = PrivateRedis(port)

        def told():
            sent = app.tasks["mark"].apply_async(("x",))
            return eventually(lambda: [each for each in heard if each.get("uuid") == sent.id and each["type"] == "task-succeeded"], 3)

        def told_at_last():
            with contextlib.suppress(Exception):
                return told()

        eventually(told_at_last, 60, "events after the restart")
        camera.wait_log("shot [1-9]", 30)
        assert camera.stop() == 0
        lines.send_signal(signal.SIGINT)
        assert lines.wait(30) == 130
        assert worker.stop() == 0
    finally:
        app.close()
        lines.kill()
        lines.wait(10)
        reader.join(10)
        lines.stdout.close()
        camera.end()
        worker.end()
        server.close()
