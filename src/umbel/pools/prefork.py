"""The parent's side of a child process: a socket, a board, and the news of its death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from multiprocessing.context import BaseContext
from typing import Any

from umbel.pools import framing
from umbel.pools.base import ChildOptions, JobTuple, Outcome, SeatListener
from umbel.pools.board import Board, Memory
from umbel.pools.child import main
from umbel.pools.lock import SharedLock

_CHUNK = 1 << 18
#: Seconds between two looks whether a child that is ending has ended.
_REAP = 0.005
#: Seconds that a child may take to end once it has said that it takes no more jobs; threads of its tasks may keep it from ending for ever.
_LEAVE = 5.0


class ChildSeat:
    """A seat that is a child process.

    Args:
        context: how processes are made.
        options: what the child loads.
        listener: told of readiness, outcomes and death, on the running loop.
    """

    def __init__(self, context: BaseContext, options: ChildOptions, listener: SeatListener) -> None:
        self.index = options.index
        self.is_ready = False
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._buffer = framing.FrameBuffer()
        self._backlog: deque[memoryview] = deque()
        self._failure = ""
        self._farewell: asyncio.TimerHandle | None = None
        with contextlib.ExitStack() as undo:
            self._ours, theirs = socket.socketpair()
            undo.callback(self._ours.close)
            with theirs:
                self._ours.setblocking(False)
                for line in (self._ours, theirs):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                self._memory = Memory()
                undo.callback(self._memory.close)
                self._lock = SharedLock(self._memory)
                undo.callback(self._lock.close)
                self._board = Board(self._memory.map, self._lock)
                undo.callback(self._board.close)
                # BaseContext does not declare what all its children have.
                self._process: Any = context.Process(  # type: ignore[attr-defined]
                    target=main, args=(theirs, self._memory, self._lock, options), name=f"umbel-child-{self.index}", daemon=True
                )
                self._process.start()
                self._memory.seal()
            undo.pop_all()
        self._loop.add_reader(self._ours.fileno(), self._on_readable)
        self._loop.add_reader(self._process.sentinel, self._on_exit)

    @property
    def pid(self) -> int | None:
        """The process id."""
        pid: int | None = self._process.pid
        return pid

    # what the parent does

    def send(self, jobs: Sequence[JobTuple]) -> None:
        """Give it jobs; never blocks."""
        self._write(framing.render(framing.JOBS, list(jobs)))

    def current(self) -> tuple[int, float]:
        """(job number, monotonic start) of what runs now; number 0 when idle."""
        return self._board.current, self._board.since

    def started(self) -> int:
        """The highest job number that it has started."""
        return self._board.started

    def take_back(self, last: int) -> int | None:
        """Take back every job up to ``last`` that has not started."""
        return self._board.take_back(last)

    def interrupt(self, number: int) -> None:
        """Raise SoftTimeLimitExceeded in this job, if it still runs."""
        self._board.pass_soft_limit(number)
        with contextlib.suppress(ProcessLookupError):  # it has just died
            if self._process.is_alive():
                os.kill(self._process.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def quit(self) -> None:
        """Let it end when its jobs are done."""
        self.is_ready = False
        self._write(framing.render(framing.QUIT, None))

    def close(self) -> None:
        """Free what it holds."""
        self._detach()
        self._ours.close()
        self._board.close()
        self._lock.close()
        self._memory.close()
        with contextlib.suppress(ValueError):
            self._process.close()

    # what the child does

    def _on_readable(self) -> None:
        try:
            data = self._ours.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._ours.fileno())
            self.is_ready = False
            self._farewell = self._loop.call_later(_LEAVE, self.kill)
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        for kind, payload in self._buffer.feed(data):
            if kind == framing.OUTCOMES:
                self._listener.on_outcomes(self, [Outcome(*fields) for fields in payload])
            elif kind == framing.READY:
                self.is_ready = True
                self._lock.forget_name()
                self._listener.on_ready(self)
            elif kind == framing.FAILED:
                self._failure = payload

    def _on_exit(self) -> None:
        # What it reported before it died counts.
        while True:
            try:
                data = self._ours.recv(_CHUNK)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        self._detach()
        self.is_ready = False
        self._bid_farewell()

    def _bid_farewell(self) -> None:
        """Report the death as soon as there is an exit code; `Process.join` would block the loop until then."""
        exitcode = self._process.exitcode
        if exitcode is None:
            # Its end of the sentinel closed a moment before it could be reaped; or its code closes what it did not open and it lives on,
            # unheard: then it may not go on beside its successor.
            self._process.kill()
            self._loop.call_later(_REAP, self._bid_farewell)
        else:
            self._listener.on_death(self, self._failure or cause(exitcode))

    def _detach(self) -> None:
        self._loop.remove_reader(self._ours.fileno())
        self._loop.remove_writer(self._ours.fileno())
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._process.sentinel)
        if self._farewell is not None:
            self._farewell.cancel()
        self._lock.forget_name()

    # writing without blocking

    def _write(self, data: bytes) -> None:
        if not self._backlog:
            try:
                sent = self._ours.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                return  # it is dead; _on_exit takes care of its jobs
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(self._ours.fileno(), self._on_writable)
        self._backlog.append(memoryview(data))

    def _on_writable(self) -> None:
        while self._backlog:
            data = self._backlog.popleft()
            try:
                sent = self._ours.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._backlog.clear()
                break
            if sent < len(data):
                self._backlog.appendleft(data[sent:])
                return
        self._loop.remove_writer(self._ours.fileno())


def cause(exitcode: int | None) -> str:
    """An exit code in words."""
    if exitcode is None:
        return "ended"
    if exitcode < 0:
        try:
            return f"signal {-exitcode} ({signal.Signals(-exitcode).name})"
        except ValueError:
            return f"signal {-exitcode}"
    return f"exit code {exitcode}"
