import os
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.forkserver import read_signed

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.pools.recipe import AppRecipe
from umbel.pools.template import process
from umbel.pools.template.process import Template, holding_stop_signals


def test_a_signal_that_comes_while_a_process_is_started_is_heard_afterwards():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("TERM"))
    try:
        with holding_stop_signals():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert heard == []
        assert heard == ["TERM"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_started_is_deaf_from_birth_and_passes_no_mask_on():
    code = (
        "import os, signal, sys\n"
        "sys.stdin.readline()\n"  # the signal has come by now
        "from umbel.pools.template.process import ignore_stop_signals\n"
        "ignore_stop_signals()\n"
        "assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('alive')"
    )
    with holding_stop_signals():
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate("\n", timeout=20)
    assert (process.returncode, said) == (0, "alive\n")


@pytest.fixture
def template(tmp_path, monkeypatch):
    """A template process of its own, which ends with the other side of its socket."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = Template(AppRecipe())
    yield made
    made.close()
    _wait_for_the_ending()


def _wait_for_the_ending():
    for pid in process._ending:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    process._reap()


def fork(template):
    """Request a child that is given nothing to run; returns its process id and how it ended."""
    report, order = template.fork([])
    try:
        pid = read_signed(report)
    finally:
        os.close(order)
    try:
        return pid, read_signed(report)
    finally:
        os.close(report)


def test_it_forks_at_request_and_has_no_address(template, tmp_path):
    pid, code = fork(template)
    assert pid not in (os.getpid(), template._pid)
    assert code == 1
    assert not list(tmp_path.iterdir())


def test_one_that_died_is_followed_by_another(template):
    fork(template)
    first = template._pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    fork(template)
    assert template._pid != first


def test_a_request_that_cannot_be_met_costs_nobody_else(template, tmp_path):
    """As when the machine has no process left: the children of a template that ended would end with it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "fork, failures = os.fork, [OSError(11, 'Resource temporarily unavailable')]\n"
        "def failing():\n"
        "    if failures: raise failures.pop()\n"
        "    return fork()\n"
        "os.fork = failing\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        template.ensure_running()
    with pytest.raises(EOFError):
        fork(template)
    first = template._pid
    assert fork(template)[1] == 1
    assert template._pid == first


def test_it_ends_when_it_is_closed_and_is_reaped(template):
    fork(template)
    pid = template._pid
    template.close()
    template.close()
    assert process._ending == [pid]
    _wait_for_the_ending()
    assert process._ending == []
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_each_recipe_has_a_process_of_its_own(template):
    other = Template(AppRecipe())
    fork(template)
    fork(other)
    assert other._pid != template._pid
    other.close()


def test_whatever_starts_it_has_it_be_deaf_to_a_stop(template, monkeypatch):
    """One that has just been killed may be found dead by `Process.start` only."""
    seen = []
    start = process.util.spawnv_passfds

    def watched(*arguments):
        seen.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return start(*arguments)

    monkeypatch.setattr(process.util, "spawnv_passfds", watched)
    fork(template)
    assert seen == [True]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_children_may_be_spawned(monkeypatch):
    def start_method(patched="", **given):
        return Template(AppRecipe(import_path="proj:app"), patched, **given).context().get_start_method()

    monkeypatch.delenv("UMBEL_START_METHOD", raising=False)
    assert start_method(spawns=True) == "spawn"
    monkeypatch.setenv("UMBEL_START_METHOD", "spawn")
    assert start_method() == "spawn"
    with pytest.raises(ImproperlyConfigured, match="greenlets need children that are forked"):
        start_method("gevent.monkey:patch_all")
    monkeypatch.setenv("UMBEL_START_METHOD", "spwan")
    with pytest.raises(ImproperlyConfigured, match="UMBEL_START_METHOD is 'spwan'"):
        start_method()
