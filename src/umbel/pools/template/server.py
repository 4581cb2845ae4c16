"""The program of the template process: load the app and all its tasks once, then fork a child for each request.

Requests come from the consumer process over a socket pair, so there is no address that anybody else could reach and no file that a kill would
leave. A request is one byte, the number of descriptors that come with it: a pipe with what the child is to run, the pipe on which its process id
and later its exit code are told, and what the child inherits. The end of the socket is the end of the consumer, and of this process.

Where blocking calls are replaced by those of gevent or eventlet, this program makes the system's own: no hub runs here, which a child could inherit.

What goes wrong while the app is loaded is passed over: each child loads the app itself and reports the trouble.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver, spawn, util
from types import FrameType

from umbel.pools.template import process
from umbel.pools.template.unpatched import original
from umbel.runtime import child_import
from umbel.runtime.host.machine import return_large_blocks

_MOST_DESCRIPTORS = 64
_CHUNK = 1 << 16


def main(descriptor: int, recipe: int) -> None:
    """Serve until the consumer process is gone.

    Args:
        descriptor: our end of the socket pair.
        recipe: descriptor of a file with the pickled recipe of the app.
    """
    process.ignore_stop_signals()
    line = original("socket", "socket")(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    importlib.import_module("umbel.pools.child")
    _load(recipe)
    # Programs that tasks start, and children, read nothing of the consumer's.
    util._close_stdin()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does in each of its processes
    Server(line).run()


def _load(recipe: int) -> None:
    child_import.begin_for_child()
    return_large_blocks()
    with contextlib.suppress(Exception, SystemExit), open(recipe, "rb") as file:
        app = pickle.load(file).load()  # noqa: S301 - of our parent
        app.import_modules()
        app.finalize()
        # What every child imports at its first task is imported once, here. Nothing connects.
        app.runner()
        _ = app.store
    # What lives now lives as long as the children: their collectors need not touch it, so its pages stay shared.
    gc.collect()
    gc.freeze()


class Server:
    """Forks at request and tells how its children ended.

    Args:
        line: our end of the socket pair.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        #: pid → where its exit code is told.
        self._reports: dict[int, int] = {}
        self._woken, self._waker = (original("socket", "socket")(fileno=end.detach()) for end in socket.socketpair())
        self._poll = original("select", "poll")()

    def run(self) -> None:
        """Serve until the other end is closed."""

        def nothing(_number: int, _frame: FrameType | None) -> None:
            """With a handler, SIGCHLD writes to the wake-up socket."""

        for end in (self._woken, self._waker):
            end.setblocking(False)
        original("signal", "signal")(signal.SIGCHLD, nothing)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        line, woken = self._line.fileno(), self._woken.fileno()
        for descriptor in (line, woken):
            self._poll.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in self._poll.poll()]
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(_CHUNK)
                self._reap()
            if line in ready and not self._answer():
                return

    def _answer(self) -> bool:
        """Read a request and fork; whether there will be more."""
        try:
            count, descriptors, _, _ = socket.recv_fds(self._line, 1, _MOST_DESCRIPTORS)
        except OSError:
            return False
        if not count:
            return False
        if len(descriptors) != count[0]:  # no room for them: the other side sees the pipes close
            _close(descriptors)
            return True
        order, report, *inherited = descriptors
        try:
            pid = original("os", "fork")()
        except OSError:  # no processes, no memory: for now. The children that live do not pay for it.
            _close(descriptors)
            return True
        if pid == 0:
            self._be_child(order, report, inherited)
        _close([order, *inherited])
        self._reports[pid] = report
        _tell(report, pid)
        return True

    def _be_child(self, order: int, report: int, inherited: Sequence[int]) -> None:
        """Run what was ordered; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            original("signal", "signal")(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._line, self._woken, self._waker):
                end.close()
            _close([report, *self._reports.values()])
            for each in (order, *inherited):
                os.set_inheritable(each, False)
            process.INHERITED[:] = inherited
            code = spawn._main(order, os.dup(order))  # noqa: SLF001 - what the standard library's fork server calls, too
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for pid, status in _ended():
            report = self._reports.pop(pid, None)
            if report is not None:  # else: started by the app's module
                _tell(report, os.waitstatus_to_exitcode(status))
                os.close(report)


def _ended() -> Iterator[tuple[int, int]]:
    """Process id and status of each child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (found := original("os", "waitpid")(-1, os.WNOHANG))[0]:
            yield found


def _tell(report: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        forkserver.write_signed(report, number)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
