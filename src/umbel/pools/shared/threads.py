"""Jobs in threads: one for each that runs, at most as many as there are slots.

A thread is interrupted by an exception that the interpreter raises between two steps of its Python code. So it comes late where a thread is inside a call
of a library written in C (a sleep, a query, a read), and not at all where that never returns. A job that does not end so ends with its process, which its parent replaces.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any

from umbel.errors import SoftTimeLimitExceeded
from umbel.execution.execute import TaskRunner
from umbel.pools.base import ChildOptions
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board
from umbel.pools.shared.serving import CHUNK, JobEnded, JobSlot, SharedExecutor, serve

logger: logging.Logger = logging.getLogger("umbel.child")

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


def main(line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    """Run the jobs of a child process in threads.

    Args:
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """

    def nothing(_number: int, _frame: FrameType | None) -> None:
        """The parent says the same in a frame."""

    signal.signal(signal.SIGUSR1, nothing)
    serve(ThreadExecutor, line, memory, lock, options)


class ThreadExecutor(SharedExecutor):
    """Runs each job in a thread.

    Args:
        app: whose tasks run.
        runner: of the app.
        board: of the child.
        line: the child's end of the line to its parent.
    """

    def __init__(self, app: Any, runner: TaskRunner, board: Board, line: socket.socket) -> None:
        super().__init__(app, runner, board, line)
        #: Functions to call, for the next thread that is free.
        self._handed: SimpleQueue[Callable[[], None]] = SimpleQueue()
        #: Threads that there are, and those that have nothing to do.
        self._threads = self._free = 0

    def listen(self) -> None:
        while self.take(self.line.recv(CHUNK)):
            pass

    def wake(self) -> None:
        self.line.shutdown(socket.SHUT_RD)

    def start(self, slot: JobSlot) -> None:
        self.hand(partial(self.run_in_thread, slot))

    def hand(self, function: Callable[[], None]) -> None:
        """Have a thread call a ``function``, which raises nothing. Always from the same thread."""
        with self.lock:
            is_missing = self._free <= 0
            if not is_missing:
                self._free -= 1
        self._handed.put(function)
        if is_missing:
            self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"umbel-slot-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._threads:
                raise
            logger.error("No more than %d threads can be started (%s): tasks wait for one of them", self._threads, error)
            with self.lock:
                self._free -= 1  # the next that is free takes what would have been its
        else:
            self._threads += 1

    def _serve(self) -> None:
        while True:
            self._handed.get()()
            with self.lock:
                self._free += 1

    def here(self) -> Any:
        """The number of this thread."""
        return threading.get_ident()

    def run_in_thread(self, slot: JobSlot) -> None:
        """Run the jobs of a ``slot`` in this thread, until it has none."""
        slot.thread = self.here()
        while (fields := self.next_job(slot)) is not None:
            self.run_here(slot, fields)

    def interrupt(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        if number != slot.number or (slot.interrupted == number and not ends):
            return
        slot.interrupted = number
        error = JobEnded if ends else SoftTimeLimitExceeded
        loop = slot.runner.loop
        if loop is not None and loop.interrupt(sys._current_frames().get(slot.thread), error()):  # noqa: SLF001 - there is no other way
            return
        limit, thread, raised = slot.runner.soft_limit, ctypes.c_ulong(slot.thread), ctypes.py_object(error)
        # From here to the call no other thread runs: neither a function of Python is called nor a loop goes round.
        if limit.may_raise and slot.number == number:
            _set_async_exc(thread, raised)
        elif not ends:
            limit.due = number
