"""Scenario "beats": several schedulers on one store; the one that leads is killed again and again, and once stopped and continued."""

from __future__ import annotations

import signal
import time
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from chaos.scenario import Arena, Outcome, Site
from system.processes import WorkerProcess, eventually
from umbel.beat.entries import model
from umbel.beat.stores.base import ScheduleStore
from umbel.beat.stores.registry import store_of

#: A run that a scheduler says to have sent.
_SENT = "Sent "


class Beats:
    """The schedulers, and the store that they share."""

    def __init__(self, arena: Arena, url: str, *, lease: float) -> None:
        self.arena = arena
        self.settings = {"beat_schedule_store": url, "beat_lease": lease}
        self.alive: list[WorkerProcess] = []
        self.store: ScheduleStore = store_of(arena.app, url)

    def start(self, count: int) -> None:
        started = [WorkerProcess(self.arena.environment(self.settings), name="beat") for _ in range(count)]
        for each in started:
            each.wait_log("umbel beat", 30)
        self.alive += started

    def leader(self, but: WorkerProcess | None = None) -> WorkerProcess:
        """The one that has the lease."""

        def find() -> WorkerProcess | None:
            holder = self.store.holder()
            return next((each for each in self.alive if each is not but and holder is not None and f"-{each.pid}-" in holder), None)

        return eventually(find, 60, "a leader among the schedulers")  # type: ignore[return-value]

    def kill(self) -> None:
        leader = self.leader()
        leader.kill_group()
        leader.wait(10)
        self.alive.remove(leader)
        self.start(1)
        leader.end()

    def freeze(self, seconds: float) -> list[str]:
        """Stop the leader until another one leads and for so long; returns what it says to have sent after that, before it may lead again."""
        leader = self.leader()
        time.sleep(5)  # it has led for a while: two gaps must not become one
        leader.send(signal.SIGSTOP)
        until = time.monotonic() + seconds
        self.leader(but=leader)
        time.sleep(max(0.0, until - time.monotonic()))
        seen = len(leader.log)
        leader.send(signal.SIGCONT)
        leader.wait_log("Another scheduler leads now", 30, since=seen)
        return [line for line in leader.log[seen:] if _SENT in line]

    def close(self) -> None:
        for each in self.alive:
            each.end()
        self.store.close()


def run(
    site: Site,
    *,
    url: str | None = None,
    beats: int = 5,
    entries: int = 10,
    lease: float = 15.0,
    seconds: float = 180.0,
    every: float = 30.0,
    freeze: float = 60.0,
) -> Outcome:
    """Each slot is sent once; nobody leads for the lease and a second at most.

    Args:
        url: of the store of schedules; the broker's when not given.
        beats: schedulers.
        entries: each due every second.
        lease: seconds.
        seconds: how long it goes on.
        every: seconds between two kills of the leader.
        freeze: seconds for which a leader is stopped, once; 0: never.
    """
    schedule = {f"e{number}": {"task": "mark", "schedule": 1, "args": [number]} for number in range(entries)}
    # Where slots are missed all are made up for: so each gap shows how long nobody led, and each slot how often it was sent.
    settings = {"beat_schedule": schedule, "beat_history_limit": 10_000, "task_default_delivery_mode": 1}
    arena = Arena(site.place, settings=settings)
    name = (url or site.place.broker).partition("://")[0]
    outcome = Outcome(
        f"beats on {name}: {beats} schedulers, {entries} entries at 1 s, lease {lease:g} s, {seconds:g} s, a kill every {every:g} s"
    )
    team = Beats(arena, url or site.place.broker, lease=lease)
    stale: list[str] = []
    try:
        arena.worker("-c", "2")
        team.start(beats)
        team.leader()
        begun = time.monotonic()
        kills = 0
        while (now := time.monotonic()) - begun < seconds:
            if freeze and kills == 1 and not stale and outcome.lines == []:
                stale = team.freeze(freeze)
                outcome.lines.append(f"a leader was stopped for {freeze:g} s and continued")
            time.sleep(max(0.0, min(begun + seconds, now + every) - time.monotonic()))
            if time.monotonic() - begun < seconds:
                team.kill()
                kills += 1
        for each in team.alive:
            each.send(signal.SIGTERM)
        for each in team.alive:
            # One that began a moment ago ends by the signal itself.
            assert each.wait(30) in (0, -signal.SIGTERM), f"a scheduler ended badly:\n{each.text(60)}"
        arena.come_to_rest(20)
        _judge(arena, team, outcome, lease, kills, stale)
    finally:
        team.close()
        arena.close()
    return outcome


def _judge(arena: Arena, team: Beats, outcome: Outcome, lease: float, kills: int, stale: list[str]) -> None:
    runs = team.store.runs(limit=200_000)
    starts = Counter(entry["id"] for entry in arena.watch.update() if entry["kind"] == "start")
    slots: dict[str, list[Any]] = defaultdict(list)
    for each in runs:
        slots[each.entry].append(each)
    states = Counter(each.state for each in runs)
    gaps = [b.fired - a.fired for found in slots.values() for a, b in pairwise(sorted(found, key=lambda run: run.slot))]
    on_grid = [abs((each.slot - found[0].slot) - round(each.slot - found[0].slot)) < 0.001 for found in slots.values() for each in found]
    missed = sum(each.missed for each in runs)
    lags = sorted(each.lag for each in runs)
    outcome.lines.append(
        f"{kills} kills, {len(runs)} slots sent, {missed} left out in the gaps, states {dict(states)}, "
        f"lag p50 {lags[len(lags) // 2] * 1000:.0f} ms, p99 {lags[int(len(lags) * 0.99)] * 1000:.0f} ms, longest gap {max(gaps):.1f} s"
    )
    outcome.none("slots sent twice", [task_id for task_id, count in starts.items() if count > 1])
    outcome.none("tasks that no slot has", [task_id for task_id in starts if task_id not in {each.task_id for each in runs}])
    outcome.none("slots off the grid", on_grid.count(False))
    lost = (model.CLAIMED, model.UNKNOWN, model.UNSENT)
    sent = [each for each in runs if each.state not in lost]
    outcome.none("slots sent and not executed", [each.task_id for each in sent if not starts[each.task_id]])
    outcome.at_most("slots that were claimed and lost with a leader", sum(states[each] for each in lost), kills * 10)
    outcome.none("sent by a stale leader", stale)
    outcome.at_most("time that nobody led", max(gaps), lease + 1 + 1.5, " s")
    expected = sum(round(max(run.slot for run in found) - min(run.slot for run in found)) + 1 for found in slots.values())
    outcome.check("slots accounted for", f"{len(runs) + missed} of {expected}", "all", abs(len(runs) + missed - expected) <= len(slots))


def on_postgresql(site: Site, **options: Any) -> Outcome:
    """`run` with the schedule in PostgreSQL.

    Args:
        options: of `run`.
    """
    from conftest import POSTGRESQL, sql_database

    with sql_database(POSTGRESQL) as url:
        return run(site, url=url, **options)
