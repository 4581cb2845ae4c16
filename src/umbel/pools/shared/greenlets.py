"""Jobs in greenlets of gevent or eventlet: what blocks lets the others run, for the interpreter was patched before anything was imported.

Where the pool `asyncio` has threads, this one has greenlets: for whatever is no coroutine. Coroutines share one event loop, which is a greenlet like the others. A greenlet that waits is
interrupted where it does so, by an exception that the hub raises in it; one that computes, by a signal. Only what is inside a library written in C cannot be: it keeps the hub, and with it
all greenlets, and its process is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import selectors
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, ClassVar

from umbel.errors import SoftTimeLimitExceeded
from umbel.execution.execute import TaskRunner
from umbel.pools.base import ChildOptions
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board
from umbel.pools.shared.coroutines import CoroutineExecutor, JobCoroutine
from umbel.pools.shared.eager import EagerLoop
from umbel.pools.shared.serving import JobEnded, JobSlot, serve
from umbel.pools.template.unpatched import original

#: Packages whose code, on top of a greenlet's stack, is between the task and its hub: nothing is raised there by a signal.
_BETWEEN = ("gevent", "eventlet", "greenlet", "umbel")


class Greens:
    """The two libraries, as far as they differ."""

    #: The package.
    name: ClassVar[str]

    def begin(self) -> None:
        """Begin, in a process that was forked."""
        raise NotImplementedError

    def call_in_hub(self, function: Callable[[], None]) -> None:
        """Have the hub call a ``function`` as soon as it has its turn."""
        raise NotImplementedError


class Gevent(Greens):
    """The library gevent."""

    name = "gevent"

    def begin(self) -> None:
        importlib.import_module("gevent").reinit()

    def call_in_hub(self, function: Callable[[], None]) -> None:
        importlib.import_module("gevent").get_hub().loop.run_callback_threadsafe(function)


class Eventlet(Greens):
    """The library eventlet."""

    name = "eventlet"

    def begin(self) -> None:
        importlib.import_module("eventlet.hubs").use_hub()

    def call_in_hub(self, function: Callable[[], None]) -> None:
        importlib.import_module("eventlet.hubs").get_hub().schedule_call_global(0, function)


class GreenLoop(EagerLoop):
    """An event loop among other greenlets: while it waits, they do not take it for theirs."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))


class _Selector(selectors.DefaultSelector):
    """Waits for files, and says meanwhile that no event loop runs in this thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._running = loop

    def select(self, timeout: float | None = None) -> Any:
        asyncio._set_running_loop(None)  # noqa: SLF001 - made for those who make event loops
        try:
            return super().select(timeout)
        finally:
            asyncio._set_running_loop(self._running)  # noqa: SLF001


class GreenletExecutor(CoroutineExecutor):
    """Runs each job in a greenlet, or as a coroutine on the event loop of one.

    Args:
        greens: the library.
        app: whose tasks run.
        runner: of the app.
        board: of the child.
        line: the child's end of the line to its parent.
    """

    make_loop = GreenLoop

    def __init__(self, greens: Greens, app: Any, runner: TaskRunner, board: Board, line: socket.socket) -> None:
        super().__init__(app, runner, board, line)
        self._greens = greens
        #: Finds the greenlet that runs now.
        self._current: Callable[[], Any] = importlib.import_module("greenlet").getcurrent
        #: The event loop's greenlet.
        self._main = self._current()
        #: Signals come in at the second one, also while the event loop's greenlet waits inside a task.
        self._told, self._teller = socket.socketpair()

    def here(self) -> Any:
        return self._current()

    def listen(self) -> None:
        own = original("socket", "socket")(fileno=self._teller.detach())  # what writes there is no greenlet
        own.setblocking(False)
        signal.set_wakeup_fd(own.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._hear_signals, name="umbel-signals", daemon=True).start()
        try:
            super().listen()
        finally:
            signal.set_wakeup_fd(-1)
            own.close()

    def _hear_signals(self) -> None:
        with contextlib.suppress(OSError):
            while self._told.recv(64):
                for slot in self.slots:
                    number = slot.number
                    if number and slot.row.end_target == number:
                        self._interrupt_soon(slot, number, ends=True)
                    elif number and slot.row.soft_target == number:
                        self._interrupt_soon(slot, number, ends=False)

    def interrupt(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        if isinstance(slot.thread, JobCoroutine):
            super().interrupt(slot, number, ends=ends)
        else:
            self._interrupt_soon(slot, number, ends=ends)

    def _interrupt_soon(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        self._greens.call_in_hub(partial(self._interrupt_waiting, slot, number, ends=ends))

    def _interrupt_waiting(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        """Raise in the greenlet of a job that waits. In the hub: no other greenlet runs now."""
        greenlet, error = self._greenlet_of(slot), self._error_for(slot, number, ends=ends)
        if error is not None and greenlet is not None and greenlet:
            greenlet.throw(error)

    def _greenlet_of(self, slot: JobSlot) -> Any:
        """The greenlet that a slot's job is in; ``None`` where that is a coroutine which awaits."""
        if not isinstance(slot.thread, JobCoroutine):
            return slot.thread
        return self._main if self._watch.current is slot.thread else None

    def _error_for(self, slot: JobSlot, number: int, *, ends: bool) -> BaseException | None:
        """Make the error that is to be raised in a slot's job, once; ``None`` where it has been, or may not be now."""
        limit = slot.runner.soft_limit
        if slot.number != number or (limit.ended if ends else slot.interrupted) == number:
            return None
        if not limit.may_raise:
            if not ends:
                limit.due = number
            return None
        if self._greenlet_of(slot) is None:
            return None
        if ends:
            limit.ended = number
            return JobEnded()
        slot.interrupted = number
        return SoftTimeLimitExceeded()

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        """Raise in the greenlet that runs now, if the board means it: nobody else has a turn before it waits."""
        here = self._current()
        module = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
        if module.partition(".")[0] in _BETWEEN:
            return
        for slot in self.slots:
            number = slot.number
            if number and self._greenlet_of(slot) is here:
                ends = slot.row.end_target == number
                error = self._error_for(slot, number, ends=ends) if ends or slot.row.soft_target == number else None
                if error is not None:
                    raise error


def gevent_main(line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    """Run the jobs of a child process in greenlets of gevent.

    Args:
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """
    _main(Gevent(), line, memory, lock, options)


def eventlet_main(line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    """Run the jobs of a child process in greenlets of eventlet.

    Args:
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """
    _main(Eventlet(), line, memory, lock, options)


def _main(greens: Greens, line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)  # until there is an executor
    greens.begin()
    serve(partial(GreenletExecutor, greens), line, memory, lock, options)
