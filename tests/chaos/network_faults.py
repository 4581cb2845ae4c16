"""Scenario "network": dropped connections, one-byte slices, latency, resets, silence, a corrupt byte, between the workers and their broker."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from chaos.broker_restarts import _publish, _resumption
from chaos.proxy import Proxy, Rules
from chaos.scenario import Arena, Outcome, Site, in_background
from chaos.servers import PrivateRedis


def run(site: Site, *, pause: float = 2.0, silence: float = 12.0) -> Outcome:
    """Every fault once, with a publisher that goes past the proxy."""
    server = site.server
    assert server is not None
    arena = Arena(site.place)
    outcome = Outcome(f"network on {site.place.name}")
    over = threading.Event()
    resumed: dict[str, float] = {}
    direct = site.place
    try:
        with Proxy(server.host, server.port) as proxy:
            arena.place = replace(direct, broker=server.url(proxy.port))
            for _ in range(2):
                arena.worker("-c", "2", settings={"broker_heartbeat": 4, "redis_socket_timeout": 5})
            arena.place = direct
            thread, errors = in_background(lambda: _publish(arena, over, 100))
            time.sleep(pause)
            for name, bar in _faults(arena, proxy, server, silence):
                resumed[name] = _resumption(arena)
                outcome.at_most(f"resumption after {name}", resumed[name], bar, " s")
                time.sleep(pause)
            over.set()
            thread.join(60)
            assert not thread.is_alive()
            assert not errors, errors
            arena.flush_client()
            arena.await_all((site.place.lease or 0) + 15)
            report = arena.verdict()
            corrupted = proxy.fired["corrupt"]
        outcome.lines = report.lines()
        # A byte that changes inside a message makes another message of it: it is dead-lettered or carries another id. TCP would not let it pass.
        outcome.at_most(f"lost, of {corrupted} with a corrupted byte", len(report.lost), corrupted)
        outcome.at_most("phantom, likewise", len(report.phantom), corrupted)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
    finally:
        over.set()
        arena.close()
    return outcome


def _faults(arena: Arena, proxy: Proxy, server, silence: float):
    """Do each fault, prove that it took place, name it and say how soon all must be well."""
    assert proxy.cut_now() >= 2
    yield "reset", 3
    assert server.drop_connections() >= 2
    yield "connections closed by the server", 3
    if isinstance(server, PrivateRedis):
        server.pause(2)
        yield "CLIENT PAUSE", 5
    for name, rules in (("slice", Rules(slice=1)), ("latency", Rules(latency=0.2))):
        proxy.rules, before = rules, proxy.fired[name]
        time.sleep(3)
        assert proxy.fired[name] > before
        yield name, 3
        proxy.rules = Rules()
    proxy.rules, before = Rules(silent=True), proxy.fired["silent"]
    time.sleep(silence)
    assert proxy.fired["silent"] > before
    proxy.rules = Rules()
    yield "silence", 10
    proxy.rules, before = Rules(refuse=True), proxy.fired["refuse"]
    proxy.cut_now()
    time.sleep(3)
    assert proxy.fired["refuse"] > before
    proxy.rules = Rules()
    yield "refusal", 10
    proxy.rules, before = Rules(corrupt_at=3000), proxy.fired["corrupt"]
    proxy.cut_now()
    time.sleep(3)
    assert proxy.fired["corrupt"] > before
    proxy.rules = Rules()
    yield "corruption", 5
    arena.fault("network")


def flush(site: Site) -> Outcome:
    """FLUSHALL under load: what was published before is gone by definition, all that comes after runs."""
    assert isinstance(site.server, PrivateRedis)
    arena = Arena(site.place)
    outcome = Outcome("FLUSHALL on redis")
    try:
        arena.worker("-c", "2")
        for _ in range(500):
            arena.send("nap", 0.005)
        arena.flush_client()
        arena.watch.wait(lambda entries: len(entries) > 50, 10)
        gone = site.server.flush()
        arena.fault("flushall", keys=gone)
        after = [arena.submit("mark", number) for number in range(500)]
        arena.flush_client()
        arena.await_all(15)
        finished = [task_id for task_id in after if arena.runs(task_id, "end")]
        outcome.lines.append(f"{gone} keys flushed")
        outcome.check("keys flushed", gone, "> 0", gone > 0)
        outcome.check("published after it and executed", len(finished), "500", len(finished) == 500)
    finally:
        arena.close()
    return outcome


def mute(site: Site, *, rounds: int = 3, timeout: float = 10.0) -> Outcome:
    """A publisher whose broker is there and says nothing: every publish ends, and what was accepted runs when the broker speaks again.

    Args:
        timeout: seconds that a publish may block; the silence is a little longer, the time to connect is 0.4 of it.
    """
    server, silence = site.server, 1.3 * timeout
    assert server is not None
    arena = Arena(site.place, settings={"broker_publish_timeout": timeout, "broker_connection_timeout": 0.4 * timeout})
    outcome = Outcome(f"mute on {site.place.name}: {rounds} × {silence:g} s of silence for a publisher")
    took: list[float] = []
    try:
        arena.worker("-c", "2")
        with Proxy(server.host, server.port) as proxy:
            arena.place = replace(site.place, broker=server.url(proxy.port))
            arena.submit("mark")
            for _ in range(rounds):
                proxy.rules, before = Rules(silent=True), proxy.fired["silent"]
                end = time.monotonic() + silence
                while time.monotonic() < end:
                    begun = time.monotonic()
                    arena.submit("mark", **({"confirm": True} if len(took) % 5 == 4 else {}))
                    took.append(time.monotonic() - begun)
                    time.sleep(0.05)
                assert proxy.fired["silent"] > before
                arena.fault("silence")
                proxy.rules = Rules()
                for _ in range(20):
                    arena.submit("mark")
            arena.flush_client()
            arena.place = site.place
            arena.await_all((site.place.lease or 0) + 15)
            report = arena.verdict()
        outcome.lines = [*report.lines(), f"{len(took)} publishes into the silence, slowest {max(took):.2f} s"]
        outcome.check("silences", report.faults.get("silence", 0), f"{rounds}", report.faults.get("silence") == rounds)
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        # It waits for the publish timeout, and before that perhaps for another thread's attempt to connect.
        outcome.at_most("slowest publish", max(took), 1.5 * timeout, " s")
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
    finally:
        arena.place = site.place
        arena.close()
    return outcome
