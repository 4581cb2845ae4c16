"""`Asking`: a thread that asks workers and queues again and again, for all pages, and notes how busy the fleet is."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from umbel.cli.events.fleet import Fleet
from umbel.cli.loading import LoadedApp
from umbel.cli.queues import figures
from umbel.cli.queues.figures import QueueRow
from umbel.dashboard.history.recorder import Recorder
from umbel.dashboard.live.changes import Changes
from umbel.errors import UmbelError
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.dashboard")

#: Seconds between two looks at the queues, at the workers, and two notes of how busy the fleet is.
_QUEUES_EVERY: Final = 2.0
_WORKERS_EVERY: Final = 10.0
_NOTE_EVERY: Final = 5.0
#: Seconds for which workers may take to reply.
_PATIENCE: Final = 1.0


class Asking(threading.Thread):
    """Asks until `stop`.

    Args:
        loaded: the app.
        fleet: learns slots.
        recorder: is told how busy the fleet is.
        changes: is told what has changed.
        enable_events: have workers tell of their tasks that do not.
        reconcile: asks the result store for what no event has told.
    """

    def __init__(
        self,
        loaded: LoadedApp,
        fleet: Fleet,
        recorder: Recorder,
        changes: Changes,
        *,
        enable_events: bool,
        reconcile: Callable[[], None],
    ) -> None:
        super().__init__(name="umbel-dashboard-asking", daemon=True)
        self._loaded = loaded
        self._fleet = fleet
        self._recorder = recorder
        self._changes = changes
        self._enable_events = enable_events
        self._reconcile = reconcile
        self._stop_asked = threading.Event()
        self._wanted = threading.Event()
        #: Name of a worker → what it has replied to ``stats`` and ``active_queues``.
        self.stats: Mapping[str, Mapping[str, Any]] = {}
        self.read: Mapping[str, list[str]] = {}
        self.queues: list[QueueRow] = []
        #: Why the queues cannot be seen; empty while they can.
        self.problem: str = ""
        #: Set when queues and workers were asked once.
        self.has_asked: threading.Event = threading.Event()

    def stop(self) -> None:
        """Have it end, and wait for it for a few seconds."""
        self._stop_asked.set()
        self._wanted.set()
        if self.is_alive():
            self.join(5.0)

    def hurry(self) -> None:
        """Ask at once: something was done."""
        self._wanted.set()

    def run(self) -> None:
        """Ask, for ever."""
        workers = noted = float("-inf")
        while not self._stop_asked.is_set():
            now = SYSTEM.monotonic()
            is_wanted = self._wanted.is_set()
            self._wanted.clear()
            try:
                self.look_at_queues()
                if is_wanted or now - workers >= _WORKERS_EVERY or self._has_news():
                    workers = now
                    self.look_at_workers()
            except Exception:
                logger.exception("Looking at queues and workers failed")
            self.has_asked.set()
            if now - noted >= _NOTE_EVERY:
                noted = now
                self._note()
                try:
                    self._reconcile()
                except UmbelError as error:
                    logger.debug("what no event has told cannot be read: %s", error)
            self._wanted.wait(_QUEUES_EVERY)

    def _has_news(self) -> bool:
        return {worker.hostname for worker in self._fleet.state.alive_workers()} != set(self.stats)

    def queue_names(self) -> list[str]:
        """List the queues of the app, and those that workers read."""
        own = [queue.name for queue in self._loaded.app.queues.consume_from if not queue.is_broadcast]
        return list(dict.fromkeys([*own, *(name for names in self.read.values() for name in names)]))

    def look_at_queues(self) -> None:
        """Ask the broker for the figures of the queues."""
        broker = self._loaded.app.broker
        try:
            with contextlib.closing(broker.queue_client()) as client:
                found = figures.read(client, self.queue_names(), oldest=broker.capabilities.peeks)
            problem = ""
        except UmbelError as error:
            found, problem = self.queues, str(error)
        changed = problem != self.problem or [row.cells() for row in found] != [row.cells() for row in self.queues]
        self.queues, self.problem = found, problem
        if changed:
            self._changes.tell("queues")

    def look_at_workers(self) -> None:
        """Ask the workers for their slots and queues; have the silent ones tell of their tasks."""
        control = self._loaded.app.control
        alive = self._fleet.alive
        try:
            stats = control.broadcast("stats", reply=True, timeout=_PATIENCE, limit=alive or None) or []
            queues = control.broadcast("active_queues", reply=True, timeout=_PATIENCE, limit=alive or None) or [] if stats else []
            if self._enable_events and stats:
                control.broadcast("enable_events")
        except UmbelError as error:
            logger.debug("workers cannot be asked: %s", error)
            return
        self._fleet.learn_slots(stats)
        self.stats = {node: reply for each in stats for node, reply in each.items() if isinstance(reply, Mapping)}
        self.read = {
            node: [str(queue["name"]) for queue in reply if isinstance(queue, Mapping) and "name" in queue]
            for each in queues
            for node, reply in each.items()
            if isinstance(reply, list)
        }
        self._changes.tell("workers")

    def _note(self) -> None:
        workers = list(self._fleet.state.alive_workers())
        slots = sum(self.slots_of(worker.hostname or "") or 0 for worker in workers)
        active = sum(worker.active or 0 for worker in workers)
        self._recorder.gauge(active, max(slots, active), sum(row.ready or 0 for row in self.queues))

    def slots_of(self, node: str) -> int | None:
        """Return how many tasks a worker can run at once; ``None`` where it has not said.

        Args:
            node: its name.
        """
        pool = self.stats.get(node, {}).get("pool")
        slots = pool.get("max-concurrency") if isinstance(pool, Mapping) else None
        return slots if isinstance(slots, int) else None
