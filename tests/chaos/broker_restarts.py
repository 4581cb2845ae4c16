"""Scenario "restart": the broker goes away and comes back, again and again, under two workers and a publisher."""

from __future__ import annotations

import random
import threading
import time

from chaos.scenario import Arena, Outcome, Site, in_background

#: Tasks that are published, however slow the machine is.
_LEAST = 100


def run(
    site: Site, *, restarts: int = 5, pause: float = 3.0, rate: float = 150.0, ways: tuple[str, ...] | None = None, seed: int = 0
) -> Outcome:
    """Restart the broker ``restarts`` times in each of its ways.

    Args:
        pause: seconds of peace before each restart.
        rate: tasks a second that the publisher sends.
    """
    server = site.server
    assert server is not None, "this broker has no server"
    chance = random.Random(seed)
    arena = Arena(site.place)
    order = [way for way in ways or server.restarts for _ in range(restarts)]
    outcome = Outcome(f"restart on {site.place.name}: {order}, seed {seed}")
    over = threading.Event()
    resumed: list[float] = []
    try:
        for _ in range(2):
            arena.worker("-c", "2")
        thread, errors = in_background(lambda: _publish(arena, over, rate))
        for way in order:
            time.sleep(pause + chance.random())
            server.restart(way)
            arena.fault(f"restart {way}")
            resumed.append(_resumption(arena))
        time.sleep(1)
        over.set()
        thread.join(60)
        assert not thread.is_alive(), "a publish hangs"
        assert not errors, errors
        arena.flush_client()
        arena.await_all((site.place.lease or 0) + 15)
        report = arena.verdict()
        outcome.lines = [*report.lines(), f"resumed after {[round(each, 2) for each in resumed]} s"]
        outcome.check("restarts", len(resumed), f"{len(order)}", sum(report.faults.values()) == len(order))
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
        outcome.at_most("slowest resumption", max(resumed), 10, " s")
        outcome.check("tasks", report.accepted, f"> {_LEAST}", report.accepted > _LEAST)
    finally:
        over.set()
        arena.close()
    return outcome


def _publish(arena: Arena, over: threading.Event, rate: float) -> None:
    number = 0
    while not over.is_set() or number <= _LEAST:
        arena.submit("nap", 0.005, **({"confirm": True} if number % 10 == 0 else {}))
        number += 1
        over.wait(1 / rate)


def _resumption(arena: Arena) -> float:
    """Seconds from the broker's return (now) to the next start of a task; 60 when there is none."""
    now = time.time()
    try:
        start = arena.watch.wait(
            lambda entries: next((entry for entry in reversed(entries) if entry["kind"] == "start" and entry["t"] > now), None), 60
        )
    except AssertionError:
        return 60.0
    return start["t"] - now
