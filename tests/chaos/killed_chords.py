"""Scenario "chords": many chords while one of two workers is killed with all its processes every few seconds. Each body runs, and is sent once.

Scenario "twice": every tenth message of a header is there twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from chaos.scenario import Arena, Outcome, Site, in_background
from conftest import POSTGRESQL, sql_database
from system.processes import WorkerProcess
from umbel.brokers.topology import Outgoing
from umbel.canvas.signatures import chord

SLOTS = 2
#: Every such chord has a member that fails.
FAILING = 10


def run_on_sql(site: Site, **given: int) -> Outcome:
    """As `run`, with the results in PostgreSQL."""
    with sql_database(POSTGRESQL) as url:
        return run(replace(site, place=replace(site.place, name=f"{site.place.name} and postgresql", backend=url)), **given)


def run_twice(site: Site, *, chords: int = 1000, members: int = 20, seed: int = 0) -> Outcome:
    """Publish every tenth message of a header twice, and kill nobody.

    Args:
        site: where.
        chords: to send.
        members: of each header.
        seed: of which messages are sent twice.
    """
    arena = Arena(site.place)
    outcome = Outcome(f"chords on {site.place.name}: {chords} of {members}, every tenth message twice, seed {seed}")
    bodies: dict[str, bool] = {}
    try:
        for _ in range(2):
            _start(arena).wait_ready()
        doubled = _double(arena, random.Random(seed))
        _publish(arena, bodies, chords, members, threading.Event())
        _await_all(arena, bodies, (site.place.lease or 0) + 25)
        outcome.check("messages sent twice", doubled(), "> 0", doubled() > 0)
        _judge(arena, outcome, bodies)
        report = arena.verdict()
        outcome.none("dead letters or stuck", [f"{place} {number}" for place, number in report.stuck.items()])
    finally:
        arena.close()
    return outcome


def _double(arena: Arena, chance: random.Random) -> Callable[[], int]:
    """Have every tenth message of a bulk published twice; returns what tells how many were."""
    publisher = arena.app.publisher
    publish_many, count = publisher.publish_many, 0

    def some_twice(messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        nonlocal count
        for message in messages:
            yield message
            if chance.random() < 0.1:
                count += 1
                yield message

    publisher.publish_many = lambda messages, **how: publish_many(some_twice(messages), **how)
    return lambda: count


def run(site: Site, *, chords: int = 1200, members: int = 20, kills: int = 15, interval: float = 2.0, seed: int = 0) -> Outcome:
    """Kill ``kills`` times at least, and as long as there is work.

    Args:
        site: where.
        chords: to send.
        members: of each header.
        kills: at least.
        interval: seconds from one kill to the next.
        seed: of which worker is killed.
    """
    chance = random.Random(seed)
    arena = Arena(site.place)
    outcome = Outcome(f"chords on {site.place.name}: {chords} of {members}, seed {seed}")
    bodies: dict[str, bool] = {}
    stopped = threading.Event()
    try:
        workers = [_start(arena), _start(arena)]
        for worker in workers:
            worker.wait_ready()
        thread, errors = in_background(lambda: _publish(arena, bodies, chords, members, stopped))
        count, due = 0, time.monotonic()
        while count < kills or thread.is_alive() or _waiting(arena, bodies):
            due += interval
            if count >= 4 * kills:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            victim = chance.choice(workers)
            arena.kill(victim)
            workers[workers.index(victim)] = _start(arena)
            count += 1
        thread.join()
        assert not errors, errors
        for worker in workers:
            worker.wait_ready()
        _await_all(arena, bodies, (site.place.lease or 0) + 25)
        outcome.check("kills", count, "> 0", count > 0)
        _judge(arena, outcome, bodies)
        outcome.lines = [f"kills {count}, in {time.time() - arena.begun:.0f} s"]
        report = arena.verdict()
        outcome.none("dead letters or stuck", [f"{place} {number}" for place, number in report.stuck.items()])
    finally:
        stopped.set()
        arena.close()
    return outcome


def _start(arena: Arena) -> WorkerProcess:
    return arena.worker("-c", str(SLOTS), ready=False)


def _publish(arena: Arena, bodies: dict[str, bool], chords: int, members: int, stopped: threading.Event) -> None:
    """Send the chords, as fast as they go; ``bodies`` gets each body's id, and whether its chord fails."""
    tasks = arena.app.tasks
    for number in range(chords):
        if stopped.is_set():
            return
        fails = number % FAILING == FAILING - 1
        header = [tasks["nap"].s(0.005) for _ in range(members)]
        if fails:
            header[members // 2] = tasks["fail"].s("value", "on purpose")
        bodies[chord(header, tasks["mark"].s()).apply_async().id] = fails
    arena.flush_client()


def _waiting(arena: Arena, bodies: dict[str, bool]) -> bool:
    return any(record is None or record.status not in ("SUCCESS", "FAILURE") for record in _records(arena, bodies).values())


def _records(arena: Arena, bodies: dict[str, bool]):
    store, ids = arena.app.store, list(bodies)
    assert store is not None
    found = {}
    for first in range(0, len(ids), 500):
        found.update(store.fetch(ids[first : first + 500]))
    return {task_id: found.get(task_id) for task_id in ids}


def _await_all(arena: Arena, bodies: dict[str, bool], patience: float) -> None:
    """Wait until all chords have ended, or until none has for so many seconds."""
    ended, since = -1, time.monotonic()
    while time.monotonic() - since < patience:
        left = sum(record is None or record.status not in ("SUCCESS", "FAILURE") for record in _records(arena, bodies).values())
        if not left:
            return
        if len(bodies) - left != ended:
            ended, since = len(bodies) - left, time.monotonic()
        time.sleep(0.2)


def _judge(arena: Arena, outcome: Outcome, bodies: dict[str, bool]) -> None:
    records = _records(arena, bodies)
    starts = [entry for entry in arena.watch.update() if entry["kind"] == "start" and entry["id"] in bodies]
    runs = Counter(entry["id"] for entry in starts)
    again = Counter(entry["id"] for entry in starts if entry.get("redelivered"))
    good = [task_id for task_id, fails in bodies.items() if not fails]
    bad = [task_id for task_id, fails in bodies.items() if fails]
    outcome.none("bodies that never ran", [task_id for task_id in good if not runs[task_id]])
    outcome.none("bodies sent twice", [task_id for task_id in good if runs[task_id] - again[task_id] > 1])
    outcome.none("chords without an end", [task_id for task_id, record in records.items() if record is None])
    outcome.none("bodies that ran although a member had failed", [task_id for task_id in bad if runs[task_id]])
    outcome.none(
        "failed chords that do not say so",
        [task_id for task_id in bad if (record := records[task_id]) is None or record.result.get("exc_type") != "ChordError"],
    )
