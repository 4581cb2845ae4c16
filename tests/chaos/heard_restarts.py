"""Scenario "heard": the broker goes away and comes back; workers answer remote control, and events arrive, soon after each time."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from chaos.scenario import Arena, Outcome, Site
from umbel.errors import UmbelError

#: Seconds for which an answer or an event is waited for.
_LONGEST = 60.0


def run(site: Site, *, restarts: int = 20) -> Outcome:
    """Restart the broker, in each of its ways in turn, under two workers and a receiver of events that nobody touches.

    Args:
        site: with a server of its own.
        restarts: how many.
    """
    server = site.server
    assert server is not None, "this broker has no server"
    arena = Arena(site.place)
    outcome = Outcome(f"heard on {site.place.name}: {restarts} restarts")
    heard: set[str] = set()
    receiver = arena.app.events.Receiver(handlers={"task-succeeded": lambda event: heard.add(event["uuid"])})
    thread = threading.Thread(target=receiver.capture, daemon=True)
    answered, told = [], []
    try:
        for name in ("one@host", "two@host"):
            arena.worker("-c", "1", "-E", "-n", name)
        thread.start()
        _until_told(arena, heard)
        for number in range(restarts):
            way = server.restarts[number % len(server.restarts)]
            server.restart(way)
            arena.fault(f"restart {way}")
            back = time.monotonic()
            _until_answered(arena)
            answered.append(time.monotonic() - back)
            _until_told(arena, heard)
            told.append(time.monotonic() - back)
        outcome.lines = [f"answers after {_shown(answered)} s", f"events after {_shown(told)} s"]
        outcome.check("restarts", len(told), f"{restarts}", len(told) == restarts)
        outcome.at_most("slowest answer of both workers", max(answered), 10, " s")
        outcome.at_most("slowest event", max(told), 10, " s")
        outcome.none("ended workers", sum(not worker.alive for worker in arena.workers))
    finally:
        receiver.should_stop = True
        arena.close()
    return outcome


def _until_answered(arena: Arena) -> None:
    """Ask until both workers answer."""
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        with contextlib.suppress(UmbelError):
            found: list[Any] = arena.app.control.ping(timeout=1.0, limit=2)
            if len(found) == 2:
                return


def _until_told(arena: Arena, heard: set[str]) -> None:
    """Send tasks until the end of one of them is told of."""
    end, sent = time.monotonic() + _LONGEST, set()
    while time.monotonic() < end and not sent & heard:
        with contextlib.suppress(UmbelError):
            sent.add(arena.send("mark").id)
        time.sleep(0.05)


def _shown(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[0]:.2f} to {ordered[-1]:.2f}, median {ordered[len(ordered) // 2]:.2f}"
