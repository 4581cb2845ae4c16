"""`Worker`: what is known of one worker by its events. Time is asked of a clock that tests set."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from typing import Any, Final

from umbel.events import fields
from umbel.events.parsing import is_clock, is_time
from umbel.runtime.clock import SYSTEM, Clock

#: Per cent of the time between two heartbeats after which a worker counts as gone.
EXPIRE_WINDOW: Final = 200
#: Seconds between heartbeats where a worker does not say (Celery's).
USUAL_FREQ: Final = 60.0
#: Seconds between two signs of life that are worth remembering.
_ENOUGH: Final = 0.5
#: Heartbeats that are remembered.
HEARTBEATS: Final = 60


def heartbeat_expires(timestamp: float, freq: float | None = USUAL_FREQ, expire_window: float = EXPIRE_WINDOW) -> float:
    """Return when a worker counts as gone, in seconds since the epoch.

    Args:
        timestamp: of its last heartbeat.
        freq: seconds between two.
        expire_window: per cent of that.
    """
    return timestamp + (freq or USUAL_FREQ) * (expire_window / 100)


class Worker:
    """One worker, as its events tell of it.

    Args:
        hostname: its name.
        clock: tells the time.
        known: fields that are known already.
    """

    expire_window: float = EXPIRE_WINDOW
    heartbeat_max: int = HEARTBEATS

    def __init__(self, hostname: str | None = None, clock: Clock = SYSTEM, **known: Any) -> None:
        self.hostname = hostname
        self._clock = clock
        self.pid: int | None = None
        #: Seconds between heartbeats.
        self.freq: float = USUAL_FREQ
        #: When they came, seconds since the epoch by our own clock; the newest last.
        self.heartbeats: list[float] = []
        #: Its logical clock, and that with which it went.
        self.clock: int = 0
        self._left_at = -1
        self.active: int | None = None
        self.processed: int | None = None
        self.loadavg: list[float] | None = None
        self.sw_ident: str | None = None
        self.sw_ver: str | None = None
        self.sw_sys: str | None = None
        #: Seconds by which our clock is ahead of its own; what its last event took to get here is part of them.
        self.drift: float = 0.0
        self.update(known)

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname} ({self.status_string}, clock {self.clock})>"

    def event(
        self,
        kind: str | None,
        timestamp: float | None = None,
        local_received: float | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Learn from an event.

        Args:
            kind: its type without ``worker-``.
            timestamp: seconds since the epoch, by the worker's clock.
            local_received: seconds since the epoch, by our clock.
            told: the event.
        """
        came = local_received if is_time(local_received) else self._clock.now()
        if is_time(timestamp):
            self.drift = came - timestamp
        told = told or {}
        self.update(told)
        clock = told.get("clock")
        self.clock = max(self.clock, clock if is_clock(clock) else 0)
        if kind == "offline":
            self.heartbeats.clear()
            self._left_at = self.clock
        elif kind in ("online", "heartbeat"):
            self._left_at = -1
            self._beat(came)

    def shows_life(self, came: float, clock: int, pid: Any) -> None:
        """Learn from an event of one of its tasks that it is there, unless it has gone since.

        Args:
            came: when, in seconds since the epoch, by our clock.
            clock: its logical clock.
            pid: its process id, as it says.
        """
        self.clock = max(self.clock, clock)
        beats = self.heartbeats
        if (not beats or came - beats[-1] > _ENOUGH) and clock > self._left_at:
            self._beat(came)
            if self.pid is None:
                self.update({"pid": pid})

    def _beat(self, came: float) -> None:
        beats = self.heartbeats
        if beats and came < beats[-1]:
            bisect.insort(beats, came)
        else:
            beats.append(came)
        if len(beats) > self.heartbeat_max:
            del beats[0]

    def update(self, told: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Take over fields that are what they should be.

        Args:
            told: fields by name; those of no worker are passed over.
            more: the same.
        """
        for name, value in {**(told or {}), **more}.items():
            keep = fields.OF_WORKER.get(name)
            if keep is not None and (kept := keep(value)) is not None:
                setattr(self, name, kept)

    @property
    def status_string(self) -> str:
        """``ONLINE`` or ``OFFLINE``."""
        return "ONLINE" if self.alive else "OFFLINE"

    @property
    def heartbeat_expires(self) -> float:
        """Seconds since the epoch at which it counts as gone, if no heartbeat comes."""
        return heartbeat_expires(self.heartbeats[-1], self.freq, self.expire_window)

    @property
    def alive(self) -> bool:
        """Report whether its last heartbeat is young enough."""
        return bool(self.heartbeats) and self._clock.now() < self.heartbeat_expires

    @property
    def id(self) -> str:
        """Its name and process id."""
        return f"{self.hostname}.{self.pid}"
