"""Jobs as coroutines on one event loop, which never waits for a store, a broker or a task that is no coroutine.

An ``async def`` task is an asyncio task in a context of its own. Any other task runs in a thread, as do the handlers of both. To interrupt a coroutine,
`SoftTimeLimitExceeded` is raised where it awaits; to end it, it is cancelled. One that blocks the loop is interrupted by a signal, wherever its code is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from functools import partial
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

from umbel.errors import SoftTimeLimitExceeded
from umbel.execution.execute import TaskRunner
from umbel.execution.model import Execution, Job
from umbel.execution.running.coroutines import Interruptible
from umbel.execution.running.drivers import run_async
from umbel.pools.base import ChildOptions, Outcome
from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import Board
from umbel.pools.executor import outcome_of
from umbel.pools.shared.blocking import SLOW, StepWatch
from umbel.pools.shared.eager import EagerLoop
from umbel.pools.shared.serving import CHUNK, JobEnded, JobSlot, cut_off, serve
from umbel.pools.shared.threads import ThreadExecutor
from umbel.pools.slot import JobTuple, part

#: Seconds in which jobs are begun, one after the other, before the loop has its turn.
_TURN = 0.002
#: Seconds that what tasks have left on the loop has to end, when the child does.
_LEAVE = 1.0


def main(line: socket.socket, memory: Memory, lock: Any, options: ChildOptions) -> None:
    """Run the jobs of a child process as coroutines.

    Args:
        line: the child's end of the socket pair.
        memory: of the slot board.
        lock: the board's lock.
        options: what to load and how to be called.
    """
    signal.signal(signal.SIGUSR1, lambda *_: None)  # until there is an executor
    serve(CoroutineExecutor, line, memory, lock, options)


class JobCoroutine(Interruptible):
    """The coroutine of one job; its steps are watched.

    Args:
        inner: the coroutine.
        slot: that runs it.
        headers: of the job.
        watch: knows the step that runs now.
    """

    __slots__ = ("_send", "_watch", "headers", "slot")

    def __init__(self, inner: Coroutine[Any, Any, Any], slot: JobSlot, headers: Mapping[str, Any], watch: StepWatch) -> None:
        self._inner = inner
        self._error = None
        self.task = None
        self.slot: JobSlot = slot
        self.headers = headers
        self._watch = watch
        self._send = inner.send

    def send(self, value: Any) -> Any:
        watch = self._watch
        since = watch.since = monotonic()
        watch.current = self
        try:
            return self._send(value)
        finally:
            watch.current = None
            if monotonic() - since > SLOW:
                watch.slow(self, monotonic() - since)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        watch = self._watch
        watch.since = monotonic()
        watch.current = self
        try:
            return super().throw(typ, val, tb)
        finally:
            watch.current = None


#: Where the loop comes in.
_STEPS = (JobCoroutine.send.__code__, JobCoroutine.throw.__code__)


class CoroutineExecutor(ThreadExecutor):
    """Runs each job as a coroutine, or in a thread where its task is none.

    Args:
        app: whose tasks run.
        runner: of the app.
        board: of the child.
        line: the child's end of the line to its parent.
    """

    make_loop: Callable[[], EagerLoop] = EagerLoop

    def __init__(self, app: Any, runner: TaskRunner, board: Board, line: socket.socket) -> None:
        super().__init__(app, runner, board, line)
        self._runner = runner
        self._loop = self.make_loop()
        self._watch = StepWatch()
        #: How tasks have ended that leave nothing to commit; told together.
        self._done: list[Outcome] = []
        #: Slots whose next job is to begin.
        self._turns: deque[JobSlot] = deque()
        #: Set when there is nothing more to listen to.
        self._end = asyncio.Event()

    def listen(self) -> None:
        signal.signal(signal.SIGUSR1, self._on_signal)
        self._watch.start()
        self._loop.add_reader(self.line, self._on_readable)
        try:
            self._loop.run_until_complete(self._end.wait())
        finally:
            self._watch.close()
            self._loop.remove_reader(self.line)
            self._report_done()
            _empty(self._loop)

    def _on_readable(self) -> None:
        try:
            data = self.line.recv(CHUNK, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not self.take(data):
            self._end.set()

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    # jobs, each in its slot's turn: some on the loop, others in threads

    def start(self, slot: JobSlot) -> None:
        if not self._turns:
            self._loop.call_soon(self._take_turns)
        self._turns.append(slot)

    def _take_turns(self) -> None:
        """Run what does not wait, for a while; whatever else is on the loop has its turn then."""
        turns, until = self._turns, monotonic() + _TURN
        while turns:
            if not self._run_next(turns[0]):
                turns.popleft()
            if monotonic() > until and turns:
                self._loop.call_soon(self._take_turns)
                return

    def _run_next(self, slot: JobSlot) -> bool:
        """Run the next job of a slot, or begin to; whether it has ended, and the next may follow."""
        fields = self.next_job(slot)
        if fields is None:
            return False
        if not self._runs_on_loop(fields):
            slot.inbox.appendleft(fields)
            super().start(slot)
            return False
        job = self.claim(slot, fields)
        if job is None:
            return True
        context = self.context.copy()
        coroutine = slot.thread = JobCoroutine(self._run(slot, job, context), slot, job.headers, self._watch)
        task = self._loop.begin(coroutine, job.headers.get("id"), context)
        if task.done():
            return True
        coroutine.task = task
        return False

    def run_in_thread(self, slot: JobSlot) -> None:
        slot.thread = self.here()
        while (fields := self.next_job(slot)) is not None:
            if self._runs_on_loop(fields):
                slot.inbox.appendleft(fields)
                self._loop.call_soon_threadsafe(self.start, slot)
                return
            self.run_here(slot, fields)

    def _runs_on_loop(self, fields: JobTuple) -> bool:
        """Report whether a job is a coroutine beside others. Calls that run together are one in a thread, on the thread's own loop."""
        return self._runner.is_async(fields[1]) and part(fields) is None

    async def _run(self, slot: JobSlot, job: Job, context: Context) -> None:
        aside, started = partial(self._aside, context), slot.runner.started_record(job)
        try:
            if started is not None:
                await aside(partial(self.store_started, slot, started))
            execution = await slot.runner.execute_async(job, aside)
        except BaseException as error:
            execution = cut_off(job, error)
            self.check_copy()
        coroutine, slot.thread = slot.thread, None
        if not self.finish(slot, execution):
            await self._aside(Context(), partial(self.commit_alone, slot, execution, context))
        if coroutine.task is not None:  # it has waited; else whoever has begun it goes on
            coroutine.task = None  # a circle
            self.start(slot)

    async def _aside(self, context: Context, function: Callable[[], Any]) -> Any:
        """Call a function that may block, in a thread, and in a context that nobody is in by then."""
        future: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()

        def end(value: Any, error: BaseException | None) -> None:
            if not future.done():
                future.set_result((value, error))

        def call() -> None:
            try:
                value = context.run(function)
            except BaseException as error:
                self._loop.call_soon_threadsafe(end, None, error)
            else:
                self._loop.call_soon_threadsafe(end, value, None)

        # Not at once: this coroutine is in its context until it has come to its await.
        self._loop.call_soon(self.hand, call)
        value, error = await future
        if error is not None:
            raise error
        return value

    def settle(self, slot: int, execution: Execution) -> None:
        if execution.effects or execution.has_sent or threading.get_ident() != self._watch.thread:
            self.group.put(slot, execution)
            return
        if not self._done:
            self._loop.call_soon(self._report_done)
        self._done.append(outcome_of(execution, slot))

    def _report_done(self) -> None:
        done, self._done = self._done, []
        self.report(done)

    # interrupting

    def interrupt(self, slot: JobSlot, number: int, *, ends: bool) -> None:
        coroutine, limit = slot.thread, slot.runner.soft_limit
        if not isinstance(coroutine, JobCoroutine):
            super().interrupt(slot, number, ends=ends)
        elif slot.number == number and coroutine.task is not None:
            if ends:
                limit.ended = number
                coroutine.task.cancel()
            elif slot.interrupted != number:
                slot.interrupted = number
                if limit.may_raise:
                    coroutine.interrupt(SoftTimeLimitExceeded())
                else:
                    limit.due = number

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        """Raise in the code that runs now, if the board means it: it may block the loop, and then nobody hears what the parent says."""
        coroutine = self._watch.current
        slot = coroutine.slot if coroutine is not None else None
        if slot is None or not slot.runner.soft_limit.may_raise or not _is_in_task(frame):
            return
        number, row = slot.number, slot.row
        if row.end_target == number:
            slot.runner.soft_limit.ended = number
            raise JobEnded
        if row.soft_target == number != slot.interrupted:
            slot.interrupted = number
            raise SoftTimeLimitExceeded


def _is_in_task(frame: FrameType | None) -> bool:
    """True where a task's own code is on top: in a function that `run_async` has called, however far down, and not in that itself."""
    caller = frame.f_back if frame is not None else None
    while caller is not None and caller.f_code not in _STEPS:
        if caller.f_code is run_async.__code__:
            return True
        caller = caller.f_back
    return False


def _empty(loop: asyncio.AbstractEventLoop) -> None:
    """End what tasks have left on a loop, and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(Exception):
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_LEAVE))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
