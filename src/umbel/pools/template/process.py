"""The template process of a pool, as the consumer process sees it, and processes that are forked of it."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import reduction, util
from multiprocessing.context import BaseContext, set_spawning_popen
from multiprocessing.process import BaseProcess
from typing import IO, Any, ClassVar, cast

from umbel.errors import ImproperlyConfigured
from umbel.pools.recipe import AppRecipe

_STOP = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP") if hasattr(signal, name)]
_HAS_FORK = hasattr(os, "fork")
#: In the environment: ``spawn`` has each child start anew, as on Windows.
VARIABLE = "UMBEL_START_METHOD"

#: eventlet warns of itself whoever imports it; and its sockets cannot send descriptors, which is asked for as multiprocessing is imported.
_IMPORT_PATCH = "import multiprocessing.popen_forkserver, warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore'); import {module}"

#: In a child: the descriptors that came with its order.
INHERITED: list[int] = []


#: Templates that have been told to end; they are reaped when another one starts or ends.
_ending: list[int] = []


def forks() -> bool:
    """Report whether children are forked of a template. Else, where the system has no fork or ``UMBEL_START_METHOD=spawn`` is set, each starts anew.

    Raises:
        ImproperlyConfigured: the variable has another value.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "fork", "forkserver", "spawn"):
        raise ImproperlyConfigured(f"{VARIABLE} is {wanted!r}: expected fork or spawn")
    return _HAS_FORK and wanted != "spawn"


class Template:
    """A process that has loaded an app and forks children at request; started when it is needed first, and anew when it has died.

    Where children are spawned (`forks`) it is no process.

    Args:
        recipe: how it gets the app.
        patched: ``module:function`` that it calls first of all, to have blocking calls replaced; empty is none.
        spawns: its children are spawned, although they could be forked.
    """

    def __init__(self, recipe: AppRecipe, patched: str = "", *, spawns: bool = False) -> None:
        self._recipe = recipe
        self.patched = patched
        self._forks = not spawns and forks()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._line: socket.socket | None = None

    def warm_up(self) -> None:
        """Start the process, so that it loads the app. Returns at once; it loads while the caller goes on. Safe twice."""
        if self._forks:
            self.ensure_running()

    def context(self) -> BaseContext:
        """Make what makes its children: processes that are forked of it, or spawned.

        Raises:
            ImproperlyConfigured: they would have to be forked, because blocking calls are replaced in them before anything else happens.
        """
        if self._forks:
            return _Context(self)
        if self.patched:
            raise ImproperlyConfigured(
                "greenlets need children that are forked: use -P threads or -P asyncio, not UMBEL_START_METHOD or worker_pool_start_method"
            )
        return multiprocessing.get_context("spawn")

    def close(self) -> None:
        """Let it end. Its children, if there are any left, end with it. Safe twice."""
        with self._lock:
            if self._line is not None and self._pid is not None:
                self._line.close()
                self._line = None
                _ending.append(self._pid)
            _reap()

    def ensure_running(self) -> socket.socket:
        """Start it if there is none. Returns at once, it loads while the caller goes on; requests wait in the socket."""
        with self._lock:
            if self._line is not None:
                if self._is_alive():
                    return self._line
                self._line.close()
                self._line = None
            _reap()
            ours, theirs = socket.socketpair()
            with theirs, _file(pickle.dumps(self._recipe)) as recipe:
                try:
                    handed = [theirs.fileno(), recipe.fileno()]
                    with holding_stop_signals():
                        self._pid = util.spawnv_passfds(*_command(self.patched, *handed), handed)
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


def _file(data: bytes) -> IO[bytes]:
    """A file without a name, to be read from its beginning. A pipe would block if its reader were slow to start."""
    file: IO[bytes] = open(os.memfd_create("umbel-recipe"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()  # noqa: PTH123, SIM115
    file.write(data)
    file.seek(0)
    return file


def _command(patched: str, line: int, recipe: int) -> tuple[bytes, list[str]]:
    path = [os.fspath(entry) for entry in sys.path]
    module, _, function = patched.partition(":")
    lines = [
        f"import sys; sys.path[:] = {path!r}",
        *([_IMPORT_PATCH.format(module=module), f"{module}.{function}()"] if module else []),
        f"from umbel.pools.template.server import main; main({line}, {recipe})",
    ]
    program = "\n".join(lines)
    executable = os.fsencode(multiprocessing.spawn.get_executable())
    flags: list[str] = util._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - the same interpreter as here
    return executable, [os.fsdecode(executable), *flags, "-c", program]


def _reap() -> None:
    for pid in _ending[:]:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        except ChildProcessError:  # we are a copy of the process that started it
            pass
        _ending.remove(pid)


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
            self.sentinel, order = cast("_Process", process_obj).template.fork(self._fds)
            # The child takes the end of this duplicate for the end of its parent.
            self.finalizer = util.Finalize(self, _close, (os.dup(order), self.sentinel))
            with open(order, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(data.getbuffer())
            self.pid = forkserver.read_signed(self.sentinel)

    class _Process(BaseProcess):
        _start_method = "forkserver"
        template: Template

        @staticmethod
        def _Popen(process_obj: BaseProcess) -> _Popen:  # noqa: N802 - the name that `start` calls
            return _Popen(process_obj)

        def __getstate__(self) -> dict[str, Any]:
            return {name: value for name, value in vars(self).items() if name != "template"}

    class _Context(BaseContext):
        def __init__(self, template: Template) -> None:
            self._template = template

        def Process(self, **named: Any) -> BaseProcess:  # noqa: N802 - the standard library's name
            process = _Process(**named)
            process.template = self._template
            return process


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
