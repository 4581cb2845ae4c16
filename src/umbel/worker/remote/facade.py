"""`WorkerFacade`: what commands of remote control may see of a worker, and do to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from umbel.app.app import Umbel
from umbel.execution.policy import TaskPolicy
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logical_clock import LogicalClock
from umbel.worker.parts import WorkerParts
from umbel.worker.settings import WorkerSettings
from umbel.worker.slots.prefetch import Prefetch
from umbel.worker.stopping import StopRequest


class EventSwitch(Protocol):
    """The part of a worker that sends events, as far as remote control switches it."""

    def enable(self) -> bool:
        """Send events of tasks from now on; returns whether that is new."""

    def disable(self) -> bool:
        """Send none any more; returns whether that is new."""

    def send_heartbeat(self) -> None:
        """Send a heartbeat now."""


class Elections(Protocol):
    """The part of a worker that takes part in elections."""

    def election(self, id: str, topic: str, action: Any) -> None:
        """Stand in an election."""


class Autoscaler(Protocol):
    """The part of a worker that changes the number of its slots by itself."""

    def update(self, max: int | None, min: int | None) -> tuple[int, int]:
        """Set the bounds that are given; returns both."""

    def force_scale_up(self, n: int) -> None:
        """Have ``n`` slots more, and move the upper bound if need be."""

    def force_scale_down(self, n: int) -> None:
        """Have ``n`` slots fewer, and move the lower bound if need be."""

    def info(self) -> dict[str, Any]:
        """Figures for ``stats``."""


class WorkerFacade:
    """One worker, as commands see it. To be used on the worker's event loop; what a command's thread may use says so.

    Args:
        app: whose tasks it runs.
        settings: of the worker.
        parts: what it consists of.
        policies: of the tasks that it runs, by name; commands may replace one.
        prefetch: knows the window.
        stopping: whether a stop is requested.
        request_stop: begins one, a warm one.
    """

    def __init__(
        self,
        app: Umbel,
        settings: WorkerSettings,
        parts: WorkerParts,
        policies: dict[str, TaskPolicy],
        prefetch: Prefetch,
        stopping: StopRequest,
        request_stop: Callable[[], None],
    ) -> None:
        #: The app, its name as a node: these two may be used from any thread.
        self.app = app
        self.hostname: str = settings.hostname
        self.settings = settings
        self.parts = parts
        self.policies = policies
        self.prefetch = prefetch
        self.request_stop = request_stop
        self._stopping = stopping
        self.started_at: float = SYSTEM.monotonic()
        #: Memory at the times of `memsample`, KiB.
        self.memory_samples: list[int] = []
        #: `None` where the worker has no such part.
        self.events: EventSwitch | None = None
        self.gossip: Elections | None = None
        self.autoscaler: Autoscaler | None = None

    @property
    def clock(self) -> LogicalClock:
        """The worker's logical clock."""
        return self.app.clock

    @property
    def is_stopping(self) -> bool:
        """True when a stop was requested: nothing new is to be begun."""
        return self._stopping.is_requested or not self.parts.dispatcher.is_open

    def check_running(self) -> None:
        """Refuse what makes no sense any more.

        Raises:
            ValueError: the worker is stopping.
        """
        if self.is_stopping:
            raise ValueError("the worker is stopping")
