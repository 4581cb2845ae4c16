"""A thread for listeners of signals. They run one after the other, apart from the threads that store results, which must never wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from umbel.runtime.service import Service


class SignalThread(Service):
    """One thread, begun with the first call. It is a daemon, which an executor's is not: a listener that hangs must not hang the exit."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[None]] | None] = SimpleQueue()
        self._is_begun = False

    async def call(self, function: Callable[[], Any]) -> None:
        """Call a function on the thread, after those before it; returns when it has ended.

        Args:
            function: takes nothing; what it raises is raised here.
        """
        done: Future[None] = Future()
        self._calls.put((function, done))
        if not self._is_begun:
            self._is_begun = True
            threading.Thread(target=self._run, name="umbel-signals", daemon=True).start()
        await asyncio.wrap_future(done)

    async def end(self) -> None:
        """Let the thread end after the calls so far; waits for nothing."""
        self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            function, done = item
            if not done.set_running_or_notify_cancel():
                continue
            try:
                function()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)
