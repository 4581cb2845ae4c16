"""Fork and exit."""

from __future__ import annotations

import atexit
import gc
import os
import subprocess
import sys
import textwrap
import types

import pytest

from umbel import Umbel
from umbel.hooks import Signal
from umbel.runtime.process_hooks import _Hooks, attach, is_child_process


class Resident:
    def __init__(self, name, calls, error=None):
        self.name, self.calls, self.error = name, calls, error

    def act(self):
        self.calls.append(self.name)
        if self.error is not None:
            raise self.error

    def rest(self):
        pass


def test_the_newest_is_called_first():
    hooks, calls = _Hooks(), []
    residents = [Resident(name, calls) for name in "abc"]
    for resident in residents:
        hooks.add(resident.act)
    hooks.run()
    hooks.run()
    assert calls == [*"cba", *"cba"]


def test_nothing_is_left_of_what_is_gone():
    hooks, calls = _Hooks(), []
    kept = Resident("kept", calls)
    for resident in (kept, *(Resident("gone", calls) for _ in range(100))):
        hooks.add(resident.act)
    del resident
    gc.collect()
    assert len(hooks) == 1
    hooks.run()
    assert calls == ["kept"]


def test_one_that_fails_is_logged_and_the_next_is_called(caplog):
    hooks, calls = _Hooks(), []
    residents = [Resident("first", calls), Resident("second", calls, OSError("gone wrong"))]
    for resident in residents:
        hooks.add(resident.act)
    hooks.run()
    assert calls == ["second", "first"]
    (line,) = caplog.records
    assert line.getMessage() == "Resident.act failed; the hooks after it are called"
    assert str(line.exc_info[1]) == "gone wrong"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_and_the_parent_is_not():
    calls = []
    resident = Resident("x", calls)
    attach(after_fork=resident.act, before_exit=resident.rest)
    child = os.fork()
    if child == 0:
        os._exit(len(calls))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert not calls


def fork_as_uwsgi(tmp_path, has_decorators):
    """A program inside something like uWSGI, which forks with no word to Python; what its parent and child say."""
    if has_decorators:
        (tmp_path / "uwsgidecorators.py").write_text(
            "import uwsgi\npostfork_chain = []\nuwsgi.post_fork_hook = lambda: [function() for function in postfork_chain]\n"
        )
    program = """
        import ctypes, os, sys, types
        sys.modules["uwsgi"] = uwsgi = types.ModuleType("uwsgi")
        uwsgi.post_fork_hook = lambda: print("hook of before", flush=True)
        from umbel import Umbel
        app = Umbel("x", broker="memory://")
        app.on_after_fork.connect(lambda **_: print("told", flush=True), weak=False)
        try:
            import uwsgidecorators
        except Exception:  # the real one misses functions here
            pass
        pid = ctypes.PyDLL(None).fork()
        if not pid:
            uwsgi.post_fork_hook()
            os._exit(0)
        os.waitpid(pid, 0)
        print("parent", flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=True, env=environment
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_uwsgi_tells_of_its_forks(tmp_path):
    assert fork_as_uwsgi(tmp_path, has_decorators=False) == ["told", "hook of before", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_uwsgi_tells_of_its_forks_beside_its_decorators(tmp_path):
    assert fork_as_uwsgi(tmp_path, has_decorators=True) == ["told", "parent"]


def test_at_exit():
    program = """
        from umbel.runtime.process_hooks import attach

        class Resident:
            def say(self):
                print("the end", flush=True)

        resident, other = Resident(), Resident()
        for each in resident, other:
            attach(after_fork=each.say, before_exit=each.say)
        del other, each
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "the end\n"


@pytest.mark.parametrize(("broker", "backend"), [("amqp://", "rpc://"), ("redis://", "redis://"), ("sqlite:///{}/x.db", None)])
def test_the_interpreter_keeps_nothing_of_apps_that_are_gone(tmp_path, broker, backend):
    known = atexit._ncallbacks()
    for _ in range(10):
        app = Umbel("x", broker=broker.format(tmp_path), backend=backend, set_as_current=False)
        assert app.publisher is not None
        app.store
        app.close()
    assert atexit._ncallbacks() == known


def test_one_collection_may_take_an_object_and_its_class(monkeypatch):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    hooks, signal = _Hooks(), Signal("something")

    def live():
        class Owner:
            pass

        owner = Owner()

        def act(self, **_):
            pass

        Owner.act, owner.itself = act, owner  # the function is younger: a collection comes to it after the object
        hooks.add(owner.act)
        signal.connect(owner.act)

    live()
    gc.collect()
    assert not complaints
    assert (len(hooks), signal.receivers) == (0, ())


def test_a_worker_of_uwsgi_that_loads_the_app_itself_may_end_without_exit_functions(monkeypatch):
    assert not is_child_process()
    monkeypatch.setitem(sys.modules, "uwsgi", types.ModuleType("uwsgi"))
    assert is_child_process()
