"""Coroutines that run beside the worker's other work: settlements that wait for a broker or a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from umbel.runtime.service import Service

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds that a stop waits for those that are left.
_STOP_TIMEOUT = 30.0


class BackgroundTasks(Service):
    """Runs coroutines, keeps them from being collected, and logs their errors."""

    stop_timeout: float | None = None

    def __init__(self) -> None:
        super().__init__()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def end(self) -> None:
        """Wait for those that run, for a while."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_STOP_TIMEOUT)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "A message could not be settled: it stays unacknowledged, and comes again when its lease or connection ends",
                exc_info=task.exception(),
            )
