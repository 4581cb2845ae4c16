"""The parent's side of a child process: a socket, a board with a row for each of its slots, and the news of its death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.context import BaseContext
from typing import Any

from umbel.pools import framing
from umbel.pools.base import ChildOptions, Outcome, PoolListener
from umbel.pools.board.lock import SharedLock
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board
from umbel.pools.child import main
from umbel.pools.slot import Child, JobTuple

_CHUNK = 1 << 18
#: Seconds between two looks whether a child that is ending has ended.
_REAP = 0.005
#: Seconds that a child may take to end once it has said that it takes no more jobs; threads of its tasks may keep it from ending for ever.
_LEAVE_TIMEOUT = 5.0


class ChildProcess(Child):
    """A child that is a process.

    Args:
        context: how processes are made.
        options: what it loads, and how many slots it has.
        listener: told of readiness, outcomes and death, on the running loop.
        target: what it runs; see `umbel.pools.child.main`.
        is_shared: its slots run jobs side by side.
        start_timeout: seconds after which it is killed if it is not ready; ``None`` is no limit.
    """

    def __init__(
        self,
        context: BaseContext,
        options: ChildOptions,
        listener: PoolListener,
        target: Callable[..., None] = main,
        *,
        is_shared: bool = False,
        start_timeout: float | None = None,
    ) -> None:
        self.is_shared = is_shared
        #: Frames that are written together, as soon as the loop comes round.
        self._frames: list[bytes] = []
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._buffer = framing.FrameBuffer()
        self._backlog: deque[memoryview] = deque()
        self._failure = ""
        self._overdue: asyncio.TimerHandle | None = None
        with contextlib.ExitStack() as undo:
            self._ours, theirs = socket.socketpair()
            undo.callback(self._ours.close)
            with theirs:
                self._ours.setblocking(False)
                for line in (self._ours, theirs):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                self._memory = Memory(options.slots)
                undo.callback(self._memory.close)
                self._lock = SharedLock(self._memory)
                undo.callback(self._lock.close)
                self._board = Board(self._memory.map, self._lock, options.slots)
                undo.callback(self._board.close)
                super().__init__(options.index, self._board.rows)
                # BaseContext does not declare what all its children have.
                self._process: Any = context.Process(  # type: ignore[attr-defined]
                    target=target, args=(theirs, self._memory, self._lock, options), name=f"umbel-child-{self.index}", daemon=True
                )
                self._process.start()
                self._memory.seal()
            undo.pop_all()
        self._loop.add_reader(self._ours.fileno(), self._on_readable)
        self._loop.add_reader(self._process.sentinel, self._on_exit)
        if start_timeout is not None:
            self._overdue = self._loop.call_later(start_timeout, self._give_up, start_timeout)

    def _give_up(self, seconds: float) -> None:
        """It has not come up: it hangs, or what it loads does."""
        self._failure = f"it was not ready within {seconds:g} s (worker_proc_alive_timeout)"
        self.kill()

    @property
    def pid(self) -> int | None:
        """The process id."""
        pid: int | None = self._process.pid
        return pid

    # what the parent does

    def send(self, slot: int, jobs: Sequence[JobTuple]) -> None:
        frame = framing.render(framing.JOBS, (slot, list(jobs)))
        if not self.is_shared:
            self._write(frame)
            return
        if not self._frames:
            self._loop.call_soon(self._write_frames)
        self._frames.append(frame)

    def _write_frames(self) -> None:
        data = b"".join(self._frames)
        self._frames.clear()
        self._write(data)

    def interrupt(self, slot: int, number: int) -> None:
        self._board.rows[slot].pass_soft_limit(number)
        self._tell(slot, number, ends=False)

    def end(self, slot: int, number: int) -> None:
        if self.is_shared:
            self._board.rows[slot].ask_to_end(number)
            self._tell(slot, number, ends=True)
        else:
            self.kill()

    def _tell(self, slot: int, number: int, *, ends: bool) -> None:
        """Say that the board says something: by a frame to whoever listens beside the jobs, by a signal to what runs in the main thread."""
        if self.is_shared:
            self._write_frames()
            self._write(framing.render(framing.INTERRUPT, (slot, number, ends)))
        with contextlib.suppress(ProcessLookupError):  # it has just died
            if self._process.is_alive():
                os.kill(self._process.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def quit(self) -> None:
        """Let it end when its jobs are done."""
        self.is_ready = False
        self._write_frames()
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
            if self._overdue is not None:
                self._overdue.cancel()
            self._overdue = self._loop.call_later(_LEAVE_TIMEOUT, self.kill)
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        for kind, payload in self._buffer.feed(data):
            if kind == framing.OUTCOMES:
                self._listener.on_outcomes(self, [Outcome(*fields) for fields in payload])
            elif kind == framing.READY:
                self.is_ready = self.came_up = True
                if self._overdue is not None:
                    self._overdue.cancel()
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
        self._tell_death()

    def _tell_death(self) -> None:
        """Report the death as soon as there is an exit code; `Process.join` would block the loop until then."""
        exitcode = self._process.exitcode
        if exitcode is None:
            # Its end of the sentinel closed a moment before it could be reaped; or its code closes what it did not open and it lives on,
            # unheard: then it may not go on beside its successor.
            self._process.kill()
            self._loop.call_later(_REAP, self._tell_death)
        else:
            self._listener.on_death(self, self._failure or cause(exitcode))

    def _detach(self) -> None:
        self._loop.remove_reader(self._ours.fileno())
        self._loop.remove_writer(self._ours.fileno())
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._process.sentinel)
        if self._overdue is not None:
            self._overdue.cancel()
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
    """An ``exitcode`` in words."""
    if exitcode is None:
        return "ended"
    if exitcode < 0:
        try:
            return f"signal {-exitcode} ({signal.Signals(-exitcode).name})"
        except ValueError:
            return f"signal {-exitcode}"
    return f"exit code {exitcode}"
