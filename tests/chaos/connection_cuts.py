"""Scenario "cuts": the publisher's connection is reset at byte N, for every N of its conversation, in both directions.

Each publish must return or raise within five seconds; what returned must run, what raised may.
"""

from __future__ import annotations

import time
import uuid

from chaos.proxy import Direction, Proxy, Rules
from chaos.scenario import Arena, Outcome, Site
from system.workload import make_app
from umbel.errors import OperationalError


def run(site: Site, *, step: int = 1, cuts: int | None = 1) -> Outcome:
    """Cut at every ``step``-th offset.

    Args:
        cuts: connections that are cut at each offset; ``None`` is all, so that the publish must fail in the end.
    """
    assert site.server is not None
    arena = Arena(site.place)
    outcome = Outcome(f"cuts on {site.place.name}: every {step} bytes, {cuts or 'all'} connections")
    took: list[float] = []
    try:
        with Proxy(site.server.host, site.server.port) as proxy:
            url = site.server.url(proxy.port)
            assert _publish(arena, site.server.url()) is not None  # what is made at the very first message is no part of the conversation
            whole = _publish(arena, url)
            assert whole is not None
            fired = 0
            lengths = dict(proxy.passed)
            for direction in ("up", "down"):
                for offset in range(1, lengths[direction], step):
                    fired += _cut(arena, proxy, url, direction, offset, cuts, took)
            tried = len(took)
        arena.worker("-c", "2")
        arena.await_all((site.place.lease or 0) + 10)
        report = arena.verdict()
        outcome.lines = [*report.lines(), f"{tried} publishes over {lengths}, {fired} cut, slowest {max(took):.2f} s"]
        # An offset in the closing frames is reached only when the client says it; nearly all must be.
        outcome.check("cuts that took place", fired, f"≥ 80 % of {tried}", fired >= 0.8 * tried)
        if cuts == 1:
            outcome.none("publishes that raised because of one cut", report.unknown)
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        outcome.at_most("slowest publish", max(took), 5, " s")
        outcome.at_most("messages doubled, at most once each", max(report.duplicated.values(), default=1) - 1, 1 if cuts else 8)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
    finally:
        arena.close()
    return outcome


def _cut(arena: Arena, proxy: Proxy, url: str, direction: Direction, offset: int, cuts: int | None, took: list[float]) -> int:
    before = proxy.fired["cut"]
    proxy.rules = Rules(cut_after={direction: offset}, cuts=cuts)
    begun = time.monotonic()
    _publish(arena, url)
    took.append(time.monotonic() - begun)
    proxy.rules = Rules()
    return proxy.fired["cut"] > before


def _publish(arena: Arena, url: str) -> str | None:
    """One confirmed publish over a connection of its own; the id when it was accepted."""
    task_id = str(uuid.uuid4())
    app = make_app(url, arena.place.backend, {**arena.settings, "broker_connection_timeout": 2})
    arena.journal.write("intent", id=task_id)
    outcome = "unknown"
    try:
        app.tasks["mark"].apply_async((1,), task_id=task_id, confirm=True, ignore_result=True)
        outcome = "ok"
    except OperationalError:
        pass
    finally:
        arena.journal.write("outcome", id=task_id, outcome=outcome)
        try:
            app.close()
        except OperationalError:
            outcome = "unknown"
    return task_id if outcome == "ok" else None
