"""The service that tells whoever watches that this worker is there, how busy it is, and, where that is wanted, what happens to its tasks."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from umbel._version import __version__
from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.topology import Exchange
from umbel.events.model import HEARTBEAT, OFFLINE, ONLINE, EventType
from umbel.events.rendering import EventRenderer, Routed
from umbel.runtime.service import Periodic
from umbel.worker.events.emitting import TaskEventEmitter
from umbel.worker.settings import HEARTBEAT_INTERVAL

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Messages that wait while the broker is away. With groups of the usual size this is some 50,000 events, and 25 MB at most.
WAITING: Final = 200
#: The part of every event of a worker that never changes.
SOFTWARE: Final = {"sw_ident": "umbel", "sw_ver": __version__, "sw_sys": platform.system()}


class Reporting(Periodic):
    """Sends events: online, heartbeats and offline of the worker, and those of its tasks while they are enabled.

    Args:
        buffer: sends messages, and never blocks.
        exchange: where events go.
        renderer: writes events.
        emitter: sends the events of tasks.
        load: says how busy the worker is: the values of ``active`` and ``processed``.
        interval: seconds between two heartbeats; ``None`` tells nothing of the worker.
        task_events: tell what happens to tasks, from the beginning.
    """

    def __init__(
        self,
        buffer: BroadcastBuffer,
        exchange: Exchange,
        renderer: EventRenderer,
        emitter: Callable[[Callable[[Iterable[Routed]], None]], TaskEventEmitter],
        load: Callable[[], Mapping[str, int]],
        *,
        interval: float | None,
        task_events: bool,
    ) -> None:
        super().__init__(interval or HEARTBEAT_INTERVAL)
        self._buffer = buffer
        self._exchange = exchange
        self._renderer = renderer
        self._emitter = emitter(self._send)
        self._load = load
        self._tells_of_worker = interval is not None
        self._task_events = task_events
        #: Events that were dropped and of which the log has been told.
        self._told_dropped = 0

    @property
    def is_enabled(self) -> bool:
        """Report whether events of tasks are sent."""
        return self._emitter.is_listening

    def enable(self) -> bool:
        """Send events of tasks from now on; returns whether that changes anything. To be called on the event loop."""
        changed = not self.is_enabled
        self._emitter.listen()
        return changed

    def disable(self) -> bool:
        """Send no events of tasks any more; returns whether that changes anything. To be called on the event loop."""
        changed = self.is_enabled
        self._emitter.stop()
        return changed

    def send_heartbeat(self) -> None:
        """Send a heartbeat now, whether or not they are sent regularly. To be called on the event loop."""
        self._tell(HEARTBEAT)

    @property
    def dropped(self) -> int:
        """Events that were dropped since the worker began, because the broker was away for too long."""
        return self._buffer.dropped

    async def begin(self) -> None:
        if self._tells_of_worker:
            self._tell(ONLINE)
        if self._task_events:
            self.enable()
        await super().begin()

    def look(self, now: float) -> None:  # noqa: ARG002 - each time is a heartbeat
        """Send a heartbeat.

        Args:
            now: monotonic seconds.
        """
        if self._tells_of_worker:
            self._tell(HEARTBEAT)
        dropped = self.dropped
        if dropped > self._told_dropped:
            logger.warning(
                "%s events could not be sent and were dropped: the broker is away, or too slow", f"{dropped - self._told_dropped:,}"
            )
            self._told_dropped = dropped

    async def end(self) -> None:
        await super().end()
        self.disable()
        if self._tells_of_worker:
            self._tell(OFFLINE)
        await self._buffer.aclose()

    def send(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Send an event of the worker.

        Args:
            kind: its type.
            fields: those of the type.

        Raises:
            EncodeError: a field cannot be written.
        """
        self._send([self._renderer.single(self._renderer.event(kind, fields))])

    def _tell(self, kind: EventType) -> None:
        self.send(kind.name, {"freq": float(self.interval), **self._load(), "loadavg": _load_average(), **SOFTWARE})

    def _send(self, messages: Iterable[Routed]) -> None:
        self._buffer.broadcast_many(self._exchange, list(messages))


def _load_average() -> list[float]:
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):  # not on every system
        return [0.0, 0.0, 0.0]
