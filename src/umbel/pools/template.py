"""Where child processes come from: a clean process that has loaded the app once and forks at request.

The consumer process itself never forks: it has a running event loop, sockets and perhaps threads, none of which may be copied. Where there is
no fork (Windows) children are spawned.

This is what the standard library's fork server does, but that one listens at a socket in a folder ``pymp-…`` of the temporary directory, and
whoever kills a worker's whole process group leaves the folder behind. An abstract address would go with its process, but anybody on the machine
could have such a server run his code (CVE-2022-42919). A socket pair has neither fault. See `umbel.pools.forking` for the other side.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import reduction, util
from multiprocessing.context import BaseContext, set_spawning_popen
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

_STOP = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP") if hasattr(signal, name)]
_HAS_FORK = "forkserver" in multiprocessing.get_all_start_methods()

#: In a child: the descriptors that came with its order.
INHERITED: list[int] = []


class Template:
    """The template process of this process; started when it is needed first, and anew when it has died."""

    def __init__(self) -> None:
        #: ``module:attribute`` of the app that one started now loads.
        self.app_path = ""
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._line: socket.socket | None = None

    def ensure_running(self) -> socket.socket:
        """Start it if there is none. Returns at once, it loads while the caller goes on; requests wait in the socket."""
        with self._lock:
            if self._line is not None:
                if self._is_alive():
                    return self._line
                self._line.close()
                self._line = None
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    self._pid = util.spawnv_passfds(*self._command(theirs.fileno()), [theirs.fileno()])
                except BaseException:
                    ours.close()
                    raise
            # After multiprocessing has ended the children, of whose ends the template tells.
            util.Finalize(self, ours.close, exitpriority=-100)
            self._line = ours
            return ours

    def _is_alive(self) -> bool:
        assert self._pid is not None
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] == 0
        except ChildProcessError:  # not a child of ours: we are a copy of the process that started it
            return False

    def _command(self, descriptor: int) -> tuple[bytes, list[str]]:
        path = [os.fspath(entry) for entry in sys.path]
        program = f"import sys; sys.path[:] = {path!r}; from umbel.pools.forking import main; main({descriptor}, {self.app_path!r})"
        executable = os.fsencode(multiprocessing.spawn.get_executable())
        flags: list[str] = util._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - the same interpreter as here
        return executable, [os.fsdecode(executable), *flags, "-c", program]

    def fork(self, descriptors: Sequence[int]) -> tuple[int, int]:
        """Request a child.

        Args:
            descriptors: what it inherits.

        Returns:
            The pipe that tells its process id and, as its end comes, the exit code; the pipe that takes what it is to run.

        Raises:
            OSError: the template has just died, or there are no descriptors: for now.
        """
        line = self.ensure_running()
        report, their_report = os.pipe()
        try:
            their_order, order = os.pipe()
        except OSError:
            _close(report, their_report)
            raise
        handed = [their_order, their_report, *descriptors]
        try:
            socket.send_fds(line, [bytes([len(handed)])], handed)
        except BaseException:
            _close(report, order)
            raise
        finally:
            _close(their_order, their_report)
        return report, order


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


TEMPLATE = Template()


if _HAS_FORK:
    from multiprocessing import forkserver, popen_forkserver, spawn

    class _Inherited:
        """A descriptor on its way to a child: its place among those that go with the order."""

        def __init__(self, place: int) -> None:
            self.place = place

        def detach(self) -> int:
            return INHERITED[self.place]

    class _Popen(popen_forkserver.Popen):
        """The standard library's, but for whom it asks for a process."""

        DupFd: ClassVar[Any] = _Inherited
        _fds: list[int]

        def _launch(self, process_obj: BaseProcess) -> None:
            data = io.BytesIO()
            set_spawning_popen(self)
            try:
                reduction.dump(spawn.get_preparation_data(process_obj.name), data)
                reduction.dump(process_obj, data)
            finally:
                set_spawning_popen(None)
            self.sentinel, order = TEMPLATE.fork(self._fds)
            # The child takes the end of this duplicate for the end of its parent.
            self.finalizer = util.Finalize(self, _close, (os.dup(order), self.sentinel))
            with open(order, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(data.getbuffer())
            self.pid = forkserver.read_signed(self.sentinel)

    class _Process(BaseProcess):
        _start_method = "forkserver"

        @staticmethod
        def _Popen(process_obj: BaseProcess) -> _Popen:  # noqa: N802 - the name that `start` calls
            return _Popen(process_obj)

    class _Context(BaseContext):
        Process = _Process


def context() -> BaseContext:
    """The start method that fits this platform."""
    return _Context() if _HAS_FORK else multiprocessing.get_context("spawn")


def warm_up(app_path: str) -> None:
    """Start the template process and have it load this app. Returns at once; it loads while the caller goes on. Safe twice.

    Args:
        app_path: ``module`` or ``module:attribute``, as after ``-A``.
    """
    if _HAS_FORK:
        with starting(app_path):
            TEMPLATE.ensure_running()


@contextlib.contextmanager
def starting(app_path: str) -> Iterator[None]:
    """Have a template process that is started here load this app.

    `Process.start` starts one, too, where there is none or only then is found dead.

    Args:
        app_path: as for `warm_up`.
    """
    if not _HAS_FORK:
        yield
        return
    TEMPLATE.app_path = app_path
    with holding_stop_signals():
        yield


@contextlib.contextmanager
def holding_stop_signals() -> Iterator[None]:
    """Have a process that is started here be born deaf to what stops its parent, for its parent decides when it ends.

    A terminal's Ctrl-C and a container's SIGTERM reach the whole process group. Blocked, not ignored: what comes meanwhile waits for the
    parent to listen again, and does not get lost. The new process calls `ignore_stop_signals`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """Ignore them from now on, those that wait included, and do not leave them blocked for children."""
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
