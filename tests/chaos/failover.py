"""Scenario "failover": a Redis primary goes away under a publisher, workers and callers that wait; Sentinel promotes its replica."""

from __future__ import annotations

import threading
import time

from chaos.scenario import Arena, Outcome
from chaos.sentinels import PrivateSentinel
from system.stage import Place

WAYS = ("kill", "freeze", "command")
#: Tasks in the queue before the primary goes.
BEFORE = 200
#: Seconds after which a publisher gives up a server that says nothing.
TIMEOUT = 5.0


def run(*, ways: tuple[str, ...] = WAYS) -> Outcome:
    outcome = Outcome("failover on redis with a sentinel")
    for way in ways:
        servers = PrivateSentinel()
        try:
            _play(servers, way, outcome)
        finally:
            servers.close()
    return outcome


def _play(servers: PrivateSentinel, way: str, outcome: Outcome) -> None:
    place = Place(name="redis", broker=servers.url(0), backend=servers.url(1), lease=3.0)
    # More tries, for the publisher: nobody is primary for a while. A frozen primary is given up after the timeout.
    settings = {"broker_publish_timeout": TIMEOUT, "redis_socket_timeout": TIMEOUT, "task_publish_retry_policy": {"max_retries": None}}
    arena = Arena(place, settings=settings)
    try:
        _fail_over(arena, servers, way, outcome)
    finally:
        arena.close()


def _fail_over(arena: Arena, servers: PrivateSentinel, way: str, outcome: Outcome) -> None:
    arena.worker("-c", "2")
    waited = arena.send("nap", 4)
    replies: list[object] = []
    waiter = threading.Thread(target=lambda: replies.append(_outcome_of(waited)))
    waiter.start()
    arena.await_runs(waited.id)
    held = [arena.submit("mark", number) for number in range(BEFORE)]
    arena.app.publisher.flush()
    servers.replicated()
    took = servers.fail_over(way)
    arena.fault("fail-over", how=way)
    began = time.monotonic()
    first = arena.submit("mark", -1)
    arena.app.publisher.flush(20)
    published = time.monotonic() - began
    arena.await_runs(first, timeout=30)
    resumed = time.monotonic() - began
    servers.heal(way)
    after = [arena.submit("mark", number) for number in range(BEFORE)]
    arena.flush_client()
    waiter.join(30)
    arena.await_all(20)
    report = arena.verdict(states=True)
    outcome.lines.append(
        f"{way}: promoted after {took:.1f} s; then the first message was confirmed after {published:.2f} s, and ran after {resumed:.2f} s"
    )
    outcome.none(f"{way}: lost of what was replicated", set(held) & set(report.lost))
    outcome.none(f"{way}: lost of what was sent afterwards", {first, *after} & set(report.lost))
    outcome.check(f"{way}: the caller that waited got", replies, "[4]", replies == [4])
    outcome.at_most(f"{way}: first message confirmed", published, 1.5 * TIMEOUT, " s")
    outcome.at_most(f"{way}: it ran", resumed, 2 * TIMEOUT, " s")


def _outcome_of(result: object) -> object:
    try:
        return result.get(timeout=60)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
