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
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any

from umbel.pools.base import Outcome, PoolListener, PoolOptions
from umbel.pools.board.rows import BoardRow, private
from umbel.pools.child import watch_soft_limit
from umbel.pools.effects import AppEffects
from umbel.pools.executor import Executor
from umbel.pools.kinds import PoolKind
from umbel.pools.slot import Child, JobTuple

logger: logging.Logger = logging.getLogger("umbel.worker")


class MainThread(Child):
    """The main thread of this process, as a child with one slot; also the executor's channel.

    Args:
        listener: told of outcomes, on the loop.
        loop: the consumer's event loop, running in another thread.
        interruptible: tasks run in the process's main thread, the only one that a signal can interrupt.
    """

    def __init__(self, listener: PoolListener, loop: asyncio.AbstractEventLoop, *, interruptible: bool = True) -> None:
        self.row: BoardRow = BoardRow(private(), threading.Lock())
        super().__init__(1, [self.row])
        self.is_ready: bool = True
        self._listener = listener
        self._loop = loop
        self._interruptible = interruptible
        self._inbox: queue.SimpleQueue[Sequence[JobTuple] | None] = queue.SimpleQueue()

    # the consumer's side

    @property
    def pid(self) -> int | None:
        """The process id: our own."""
        return os.getpid()

    def send(self, slot: int, jobs: Sequence[JobTuple]) -> None:  # noqa: ARG002 - there is only one
        self._inbox.put(jobs)

    def interrupt(self, slot: int, number: int) -> None:  # noqa: ARG002 - there is only one
        if not self._interruptible:
            logger.error("the solo pool cannot interrupt a task outside the main thread; use -P prefork for soft time limits")
            return
        self.row.pass_soft_limit(number)
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
        """Receive jobs, and wait for them if ``block`` is set; see `executor.Channel`."""
        try:
            return self._inbox.get(block)
        except queue.Empty:
            return ()

    def report(self, outcomes: list[Outcome]) -> None:
        """Tell the consumer of ``outcomes``."""
        self._loop.call_soon_threadsafe(self._listener.on_outcomes, self, outcomes)

    def gone(self) -> None:
        """Tell the consumer that the main thread has left."""
        self._loop.call_soon_threadsafe(self._listener.on_death, self, "ended")


class SoloPool:
    """One slot, made on the loop, served by the thread that calls `run`.

    Args:
        kind: of the pool.
        options: of the pool.
    """

    def __init__(self, kind: PoolKind, options: PoolOptions) -> None:  # noqa: ARG002 - as every pool is made
        self.slots = 1
        self.is_closing: bool = False
        self._options = options
        self._interruptible = False
        self._child: MainThread | None = None
        self._is_made = threading.Event()
        self._is_gone = False

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Run a worker's life, ``main``, in a thread of its own, and the tasks here."""
        in_main = self._interruptible = threading.current_thread() is threading.main_thread()
        code: Future[int] = Future()

        def serve() -> None:
            try:
                code.set_result(asyncio.run(main()))
            except BaseException as error:
                code.set_exception(error)
            finally:
                self._is_made.set()

        thread = threading.Thread(target=serve, name="umbel-consumer")
        thread.start()
        self._is_made.wait()
        child, app = self._child, self._options.app
        try:
            if child is not None:
                runner = app.runner(self._options.hostname)
                if in_main:
                    watch_soft_limit(child.row, runner.soft_limit)
                Executor(runner, child.row, child, AppEffects(app)).run()
        except BaseException:
            self._options.on_failure()
            raise
        finally:
            if child is not None and thread.is_alive():
                child.gone()
            thread.join()
        return code.result()

    def open(self, listener: PoolListener) -> None:
        """Make the slot; the ``listener`` hears of it."""
        self._child = MainThread(listener, asyncio.get_running_loop(), interruptible=self._interruptible)
        self._is_made.set()
        listener.on_ready(self._child)

    def resize(self, slots: int) -> None:
        """Refuse any number of ``slots`` but 1: there is only one main thread.

        Raises:
            ValueError: another number than 1 is wanted.
        """
        if slots != 1:
            raise ValueError(f"the solo pool has exactly 1 slot, got {slots}: use -P prefork for more")

    def recycle(self, child: Child) -> None:
        """Do nothing: the main thread, the only ``child``, goes on."""

    def restart(self) -> None:
        """Refuse: this process has loaded the app, and goes on.

        Raises:
            ValueError: always.
        """
        raise ValueError("the solo pool has no children that could load the app anew: use -P prefork, or restart the worker")

    def replace(self, child: Child) -> None:  # noqa: ARG002 - there is only one
        """Note that the main thread, the only ``child``, has left."""
        self._is_gone = True

    def close(self) -> None:
        """Let the main thread leave."""
        self.is_closing = True
        if self._child is not None:
            self._child.quit()

    def kill(self) -> None:
        """Let the main thread leave; what it runs cannot be ended."""
        self.close()

    @property
    def is_empty(self) -> bool:
        """True when the main thread has left, or never came."""
        return self._child is None or self._is_gone
