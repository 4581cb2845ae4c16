"""The service that listens to other workers: who is there, who has gone, and how far their logical clocks are."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from umbel.brokers.base import ConnectionState, Delivery, Subscriber
from umbel.brokers.fanout.defaults import ended
from umbel.errors import OperationalError
from umbel.events.parsing import parsed_or_refused
from umbel.events.state import State, Worker
from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.logical_clock import LogicalClock
from umbel.runtime.service import Periodic
from umbel.worker.events.elections import Elections, Won
from umbel.worker.tasks.task_log import clean

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between looks for workers that give no sign of life any more.
_LOOK: Final = 5.0
#: Seconds by which clocks may differ before the log says so (Celery's).
_DRIFT: Final = 16.0


class Gossip(Periodic):
    """Follows the events of other workers.

    Args:
        subscriber: to the events of workers.
        hostname: of this worker.
        clock: its logical clock, which follows those of the others.
        accept: content types that may be decoded.
        send: sends an event of this worker; never blocks.
        act: does what this worker was elected for: of a topic, an action.
        enabled: else it does nothing.
        time: tells the time.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        hostname: str,
        clock: LogicalClock,
        accept: frozenset[str],
        send: Callable[[str, Mapping[str, Any]], None],
        act: Callable[[str, Any], None],
        *,
        enabled: bool = True,
        time: Clock = SYSTEM,
    ) -> None:
        super().__init__(_LOOK)
        self._subscriber = subscriber
        self._hostname = hostname
        self._clock = clock
        self._accept = accept
        self._send = send
        self._act = act
        self._enabled = enabled
        self._time = time
        #: The other workers.
        self.state: State = State(on_node_join=self._joins, on_node_leave=self._leaves, clock=time)
        self._elections = Elections()
        self._starting: asyncio.Task[None] | None = None
        #: Names of workers, and ids of processes, of which the log has been told.
        self._told_drift: set[str] = set()
        self._told_namesakes: set[Any] = set()

    async def begin(self) -> None:
        if self._enabled:
            self._starting = asyncio.create_task(self._listen())
            await super().begin()

    async def end(self) -> None:
        await super().end()
        await ended(self._starting)
        await self._subscriber.aclose()

    async def _listen(self) -> None:
        try:
            await self._subscriber.start(self)
        except OperationalError as error:
            logger.warning("Other workers are not listened to: %s", error)

    # brokers.base.SubscriberSink

    def on_messages(self, messages: list[Delivery]) -> None:
        """Learn from events.

        Args:
            messages: of workers.
        """
        for message in messages:
            for event in parsed_or_refused(message, self._accept, self._time.now()).events:
                self._learn(event)

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """Log that the connection is in another ``state``, with its ``detail``: the one that brings tasks has said so more loudly."""
        del state
        logger.debug("gossip: %s", detail)

    def _learn(self, event: dict[str, Any]) -> None:
        self._clock.adjust(event.get("clock"))
        kind = event["type"]
        if kind == "worker-elect":
            if (id := self._elections.stands(event)) is not None:
                self._send("worker-elect-ack", {"id": id})
        elif kind == "worker-elect-ack":
            alive = [self._hostname, *(worker.hostname for worker in self.state.alive_workers() if worker.hostname)]
            if (won := self._elections.acknowledged(event, alive)) is not None:
                self._end(won)
        elif event["hostname"] == self._hostname:
            self._meet_namesake(event)
        else:
            event["local_received"] = self._time.now()
            self.state.event(event)
            self._look_at_clock(event["hostname"])

    def _meet_namesake(self, event: Mapping[str, Any]) -> None:
        pid = event.get("pid")
        if event["type"] == "worker-heartbeat" and pid != os.getpid() and type(pid) is int and len(self._told_namesakes) < 100:
            if pid not in self._told_namesakes:
                logger.warning("Another worker has the name %s, too (process %d): give each its own, with -n", self._hostname, pid)
            self._told_namesakes.add(pid)

    def _look_at_clock(self, hostname: str) -> None:
        worker = self.state.workers.get(hostname)
        if worker is not None and abs(worker.drift) > _DRIFT and hostname not in self._told_drift and len(self._told_drift) < 1000:
            self._told_drift.add(hostname)
            logger.warning("The clock of %s differs from ours by %.0f s", clean(hostname), abs(worker.drift))

    # who is there

    def look(self, now: float) -> None:  # noqa: ARG002 - heartbeats have a time of day
        """Look for workers that give no sign of life any more.

        Args:
            now: monotonic seconds.
        """
        for hostname, worker in list(self.state.workers.items()):
            if not worker.alive:
                logger.warning("No sign of life from %s any more", clean(hostname))
                del self.state.workers[hostname]

    def _joins(self, worker: Worker) -> None:
        logger.info("%s is there", clean(worker.hostname))

    def _leaves(self, worker: Worker) -> None:
        logger.info("%s has gone", clean(worker.hostname))

    # elections

    def election(self, id: str, topic: str, action: Any) -> None:
        """Stand in an election; the worker that has won acts. To be called on the event loop.

        Args:
            id: of the election.
            topic: ``task``, for which the action is a signature.
            action: what the one that has won does.
        """
        self._elections.hold(id, action)
        self._send("worker-elect", {"id": id, "topic": topic, "action": action, "cver": 1})

    def _end(self, won: Won) -> None:
        if won.leader != f"{self._hostname}.{os.getpid()}":
            logger.info("%s is elected for %s", clean(won.leader), clean(won.topic))
            return
        logger.info("This worker is elected for %s", clean(won.topic))
        self._act(won.topic, won.action)
