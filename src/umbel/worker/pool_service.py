"""The service that runs tasks: the pool's start, and the stop that hands back, drains and ends its children.

A warm stop hands back what has not started and waits for what runs. A cold stop hands back what runs, too, and ends the children.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from umbel.brokers.base import Consumer, Delivery
from umbel.errors import OperationalError
from umbel.pools.base import Pool
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.runtime.service import Service
from umbel.worker.intake import Intake
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.stopping import StopRequest
from umbel.worker.tasks.acknowledging import Acknowledger

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds that a stop waits for the broker to stop sending, so that what is handed back keeps its order.
_FLUSH_TIMEOUT = 2.0
#: Seconds for which a warm stop waits for results that cannot be stored, once no task runs any more.
_COMMIT_TIMEOUT = 30.0
#: Seconds that children have to leave, and to die after that.
_LEAVE_TIMEOUT, _DEATH_TIMEOUT = 5.0, 2.0


class NoChildStarts(Exception):
    """Child after child has failed to load the app; the text says why."""


class PoolParts(Protocol):
    """The parts that are stopped; see `umbel.worker.parts.WorkerParts`."""

    pool: Pool
    supervisor: Supervisor
    dispatcher: Dispatcher
    intake: Intake
    acknowledger: Acknowledger
    consumer: Consumer


class PoolService(Service):
    """Starts the children, and stops them without losing what they run.

    Args:
        parts: the children, and what holds messages.
        stop: what a stop waits for.
        grace: seconds after which a warm stop becomes cold; ``None`` is no limit.
    """

    stop_timeout: float | None = None  # tasks may run for hours

    def __init__(self, parts: PoolParts, stop: StopRequest, grace: float | None) -> None:
        super().__init__()
        self._pool = parts.pool
        self._supervisor = parts.supervisor
        self._dispatcher = parts.dispatcher
        self._intake = parts.intake
        self._acknowledger = parts.acknowledger
        self._consumer = parts.consumer
        self._stop = stop
        self._grace = grace
        #: Messages that the stop gave back to their queues.
        self.handed_back: int = 0

    async def begin(self) -> None:
        """Start the children; returns when one takes jobs.

        Raises:
            NoChildStarts: none can.
        """
        self._pool.open(self._supervisor)
        await self._supervisor.first_ready.wait()
        if self._supervisor.startup_error:
            raise NoChildStarts(self._supervisor.startup_error)

    async def end(self) -> None:
        """Hand back what has not started, wait for what runs (warm) or hand it back, too (cold), and end the children."""
        self._dispatcher.is_open = False
        self._consumer.set_window(0)
        with contextlib.suppress(TimeoutError, OperationalError):
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                await self._consumer.flush()
        waiting = self._dispatcher.reclaim_all()
        if ARMED:
            hit("during_shutdown_handback")
        self._give_back([entry.delivery for entry in waiting if not entry.lost] + self._intake.let_go() + self._acknowledger.aside.let_go())
        await self._drain()
        self._give_back([entry.delivery for entry in self._dispatcher.reclaim_all() if not entry.lost])
        if self._stop.is_cold:
            running = [entry for entry in self._dispatcher.running() if not entry.early and not entry.lost]
            for child in list(self._dispatcher.children):
                self._dispatcher.remove_child(child)
            self._pool.kill()
            self._give_back([entry.delivery for entry in running])
        else:
            self._pool.close()
        if not await self._is_empty_within(_LEAVE_TIMEOUT):
            self._pool.kill()
            await self._is_empty_within(_DEATH_TIMEOUT)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        self.handed_back += len(deliveries)
        self._consumer.requeue(deliveries)

    async def _drain(self) -> None:
        """Wait for what runs; time limits still hold. A result store or broker that is away is waited for a while only."""
        ran = SYSTEM.monotonic()
        if self._grace is not None and not self._stop.is_cold:
            self._stop.request(within=self._grace)
        while not self._dispatcher.is_done and not self._stop.is_cold:
            await self._stop.wait_for_change(LOOK)
            now = SYSTEM.monotonic()
            if self._stop.deadline is not None and now >= self._stop.deadline:
                self._stop.escalate()
            if self._dispatcher.is_running or not self._dispatcher.outstanding:
                ran = now
            elif now - ran >= _COMMIT_TIMEOUT:
                logger.error("%d tasks have ended, and their results cannot be stored: they go back", self._dispatcher.outstanding)
                self._stop.escalate()

    async def _is_empty_within(self, seconds: float) -> bool:
        if not self._pool.is_empty:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._supervisor.all_gone.wait()
        return self._pool.is_empty
