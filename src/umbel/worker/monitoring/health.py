"""A worker's health: whether it lives, is ready for tasks, and has started. Pure judgement over what the worker notes about itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final

from umbel.runtime.clock import SYSTEM, Clock
from umbel.worker.monitoring.http_server import Answer, Route

#: Seconds without a turn of the event loop after which the worker does not live any more. A probe that asks each five seconds is red within ten.
STILL: Final = 5.0


class Health:
    """Answers probes, from any thread.

    Args:
        is_connected: whether the broker's connection stands.
        is_staffed: whether a child takes jobs.
        is_stopping: whether a stop is requested.
        clock: of the machine.
    """

    def __init__(
        self, is_connected: Callable[[], bool], is_staffed: Callable[[], bool], is_stopping: Callable[[], bool], clock: Clock = SYSTEM
    ) -> None:
        self._is_connected = is_connected
        self._is_staffed = is_staffed
        self._is_stopping = is_stopping
        self._clock = clock
        #: When the event loop turned last, monotonic seconds.
        self.turned: float = clock.monotonic()
        #: The event loop, once it runs.
        self.loop: asyncio.AbstractEventLoop | None = None
        #: All services have started once.
        self.has_started = False

    def live(self) -> dict[str, bool]:
        """Check that the event loop turns. Nothing else: what a restart does not mend is no reason for one."""
        return {"event loop": self._clock.monotonic() - self.turned < STILL}

    def started(self) -> dict[str, bool]:
        """Check that the worker has come up."""
        return {"started": self.has_started}

    def ready(self) -> dict[str, bool]:
        """Check that a task that is sent now could be run now."""
        return {
            **self.live(),
            **self.started(),
            "broker": self._is_connected(),
            "children": self._is_staffed(),
            "not stopping": not self._is_stopping(),
        }

    def routes(self) -> dict[str, Route]:
        """Return the paths of the probes, as Kubernetes calls them."""
        return {"/livez": _route(self.live), "/readyz": _route(self.ready), "/startupz": _route(self.started)}


def _route(check: Callable[[], Mapping[str, bool]]) -> Route:
    def answer(_accept: str) -> Answer:
        checks = check()
        is_well = all(checks.values())
        body = {"status": "ok" if is_well else "failed", "checks": checks}
        return Answer(200 if is_well else 503, "application/json", json.dumps(body).encode() + b"\n")

    return answer
