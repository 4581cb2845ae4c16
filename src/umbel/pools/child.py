"""A child process: load the app, take jobs from the parent's socket, run them.

A child leaves signals to its parent. Ctrl-C and a group-wide SIGTERM reach it too; it ignores them, for the parent decides when a task
must end. SIGUSR1 means that the soft time limit of the job named on the board has passed. When the parent is gone the child is killed by the
kernel (Linux) or ends at the end of its input.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

from umbel.errors import SoftTimeLimitExceeded
from umbel.execution.execute import TaskRunner
from umbel.execution.model import SoftLimit
from umbel.hooks import worker_process_init, worker_process_shutdown
from umbel.pools import framing
from umbel.pools.base import ChildOptions, Outcome
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board, BoardRow
from umbel.pools.effects import AppEffects
from umbel.pools.executor import Executor
from umbel.pools.slot import JobTuple
from umbel.runtime import child_import

logger: logging.Logger = logging.getLogger("umbel.child")

_PR_SET_PDEATHSIG = 1
_CHUNK = 1 << 18


class SocketChannel:
    """The end of the socket to the parent, a ``line``, in a child with one slot."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._buffer = framing.FrameBuffer()
        self._quitting = False

    def receive(self, *, block: bool) -> Sequence[JobTuple] | None:
        """Receive jobs, and wait for them if ``block`` is set; see `executor.Channel`."""
        jobs: list[JobTuple] = []
        while not self._quitting:
            try:
                data = self._line.recv(_CHUNK, 0 if block else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return jobs
            except OSError:
                return None
            if not data:
                return None
            for kind, payload in self._buffer.feed(data):
                if kind == framing.JOBS:
                    jobs.extend(payload[1])
                elif kind == framing.QUIT:
                    self._quitting = True
            if jobs:
                return jobs
        return None

    def report(self, outcomes: list[Outcome]) -> None:
        """Send ``outcomes``."""
        self._line.sendall(framing.render(framing.OUTCOMES, [tuple(outcome) for outcome in outcomes]))


def main(line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    """Run the jobs of a child process with one slot.

    Args:
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """
    row, limit = Board(memory.map, lock).rows[0], SoftLimit()
    watch_soft_limit(row, limit)

    def make(app: Any, runner: TaskRunner) -> Executor:
        runner.soft_limit = limit
        return Executor(runner, row, SocketChannel(line), AppEffects(app))

    live(line, options, make)


class RunsJobs(Protocol):
    """An executor of any kind."""

    def run(self) -> None:
        """Run jobs until the parent says that there are no more, or is gone."""


def live(line: socket.socket, options: ChildOptions, make: Callable[[Any, TaskRunner], RunsJobs]) -> None:
    """Load the app, run jobs, and end.

    Args:
        line: the child's end of the socket pair.
        options: what to load and how to be called.
        make: makes the executor of an app and its runner.
    """
    die_with_parent()
    child_import.begin_for_child()
    leave_signals_to_parent()
    try:
        app = load(options)
        child_import.end_for_child()
        executor = make(app, app.runner(options.hostname))
    except Exception as error:
        logger.exception("the app cannot be loaded")
        line.sendall(framing.render(framing.FAILED, f"{type(error).__name__}: {error}"))
        line.shutdown(socket.SHUT_RDWR)
        return
    worker_process_init.send(sender=None)
    line.sendall(framing.render(framing.READY, os.getpid()))
    try:
        executor.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone: its messages come back by themselves
    finally:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # the parent replaces this child, however long it takes to end
        worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
        with contextlib.suppress(Exception):
            app.close()


def load(options: ChildOptions) -> Any:
    """The app of a child, with all its tasks, as ``options`` say."""
    for entry in reversed(options.path):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    try:
        app = options.recipe.load()
    finally:  # after the app's module, which may listen to setup_logging; also when that cannot be loaded, so that it is logged
        if options.initializer is not None:
            where, arguments = options.initializer
            module, _, name = where.partition(":")
            getattr(importlib.import_module(module), name)(*arguments)
    app.conf.update(options.changes)
    app.import_modules()
    app.finalize()
    return app


def leave_signals_to_parent() -> None:
    """Ignore what stops the parent; it decides when a task must end."""

    def nothing(_number: int, _frame: FrameType | None) -> None:
        """Not SIG_IGN, which programs started by tasks would inherit."""

    for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), nothing)


def watch_soft_limit(row: BoardRow, limit: SoftLimit) -> None:
    """Turn SIGUSR1 into SoftTimeLimitExceeded in the code of the job that the board names.

    Args:
        row: of the slot whose jobs run in the main thread.
        limit: says where it may be raised, and is told where it could not be.
    """

    def soft_limit(_number: int, frame: FrameType | None) -> None:
        target = row.soft_target
        if not target or target != row.current:
            return
        row.pass_soft_limit(0)
        if not limit.may_raise:
            limit.due = target
            return
        limit.may_raise = False  # once is enough: this may hit the runner's `finally` before it has done so
        coroutines = sys.modules.get("umbel.execution.running.coroutines")  # not loaded: no coroutine runs here
        if coroutines is None or not coroutines.interrupt(frame, SoftTimeLimitExceeded()):
            raise SoftTimeLimitExceeded

    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, soft_limit)


def die_with_parent() -> None:
    """Ask the kernel to end this process with the one that forked it, whatever it is doing.

    That one, the template, ends when the consumer process does: it sees the end of its socket.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
