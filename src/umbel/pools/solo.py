"""The solo pool: tasks run in the main thread of the worker's own process, so that a debugger works.

The consumer's loop is on another thread then, so heartbeats and leases go on while a task runs. There is nobody to kill: a hard time limit
cannot be enforced and is only logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import signal
import threading
from collections.abc import Sequence

from umbel.pools.base import JobTuple, Outcome, SeatListener
from umbel.pools.board import Board, private

logger = logging.getLogger("umbel.worker")


class SoloSeat:
    """A seat that is this process's main thread; also the executor's channel.

    Args:
        listener: told of outcomes, on the loop.
        loop: the consumer's event loop, running in another thread.
        interruptible: tasks run in the process's main thread, the only one that a signal can interrupt.
    """

    def __init__(self, listener: SeatListener, loop: asyncio.AbstractEventLoop, *, interruptible: bool = True) -> None:
        self.index = 1
        self.is_ready = True
        self.board = Board(private(), threading.Lock())
        self._listener = listener
        self._loop = loop
        self._interruptible = interruptible
        self._inbox: queue.SimpleQueue[Sequence[JobTuple] | None] = queue.SimpleQueue()

    # the consumer's side

    @property
    def pid(self) -> int | None:
        """The process id: our own."""
        return os.getpid()

    def send(self, jobs: Sequence[JobTuple]) -> None:
        """Give it jobs."""
        self._inbox.put(jobs)

    def current(self) -> tuple[int, float]:
        """(job number, monotonic start) of what runs now; number 0 when idle."""
        return self.board.current, self.board.since

    def started(self) -> int:
        """The highest job number that it has started."""
        return self.board.started

    def take_back(self, last: int) -> int | None:
        """Take back every job up to ``last`` that has not started."""
        return self.board.take_back(last)

    def interrupt(self, number: int) -> None:
        """Raise SoftTimeLimitExceeded in this job, if it still runs."""
        if not self._interruptible:
            logger.error("the solo pool cannot interrupt a task outside the main thread; use -P prefork for soft time limits")
            return
        self.board.pass_soft_limit(number)
        if hasattr(signal, "SIGUSR1"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def kill(self) -> None:
        """Cannot be done."""
        logger.error("the solo pool cannot end a running task; use -P prefork for hard time limits")

    def quit(self) -> None:
        """Let the main thread go when its jobs are done."""
        self.is_ready = False
        self._inbox.put(None)

    def close(self) -> None:
        """Nothing is held."""

    # the main thread's side: executor.Channel

    def receive(self, *, block: bool) -> Sequence[JobTuple] | None:
        """Jobs; see `executor.Channel`."""
        try:
            return self._inbox.get(block)
        except queue.Empty:
            return ()

    def report(self, outcomes: list[Outcome]) -> None:
        """Tell the consumer."""
        self._loop.call_soon_threadsafe(self._listener.on_outcomes, self, outcomes)

    def gone(self) -> None:
        """Tell the consumer that the main thread has left."""
        self._loop.call_soon_threadsafe(self._listener.on_death, self, "ended")
