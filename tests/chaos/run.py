"""Breaks things for a few minutes and prints the ledger.

    python tests/chaos/run.py [--broker rabbitmq redis postgresql mariadb sqlite] [--scenario kill restart …] [--seed N] [--full] [--celery PYTHON]

Everything runs on private servers on free ports. The exit status is 1 when a bar was missed. Nothing is ever run again to make it pass.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos import (
    broker_restarts,
    clock_jumps,
    connection_cuts,
    delayed_tasks,
    enlisted_writers,
    event_loops,
    failover,
    failpoint_cases,
    fair_slots,
    frozen_workers,
    heard_restarts,
    killed_beats,
    killed_chords,
    killed_starts,
    long_leases,
    network_faults,
    process_ends,
    process_kills,
    refused_writes,
    worker_kills,
)
from chaos.scenario import Outcome, Site, private_site

Scenario = Callable[[Site, argparse.Namespace], Outcome]

ALL = ("rabbitmq", "redis", "postgresql", "mariadb", "sqlite")
SERVERS = ("rabbitmq", "redis", "postgresql")
LEASES = ("redis", "postgresql", "mariadb", "sqlite")

#: name → (brokers, what runs). ``given.full`` is the length at which figures are reported.
SCENARIOS: dict[str, tuple[tuple[str, ...], Scenario]] = {
    "kill": (ALL, lambda site, given: worker_kills.run(site, seed=given.seed, **({} if given.full else {"tasks": 1500, "kills": 5}))),
    "restart": (SERVERS, lambda site, given: broker_restarts.run(site, seed=given.seed, restarts=5 if given.full else 1)),
    "heard": (SERVERS, lambda site, given: heard_restarts.run(site, restarts=20 if given.full else 4)),
    "lease": (LEASES, lambda site, given: long_leases.run(site, celery=_mixed(site, given), long=20.0 if given.full else 8.0)),
    "eta": (ALL, lambda site, given: delayed_tasks.run(site, far=100_000 if given.full else 5000)),
    "fair": (ALL, lambda site, _: fair_slots.run(site)),
    "cuts": (SERVERS, lambda site, given: connection_cuts.run(site, step=1 if given.full else 25)),
    "network": (SERVERS, lambda site, _: network_faults.run(site)),
    "mute": (SERVERS, lambda site, given: network_faults.mute(site, rounds=3 if given.full else 1)),
    "flush": (("redis",), lambda site, _: network_faults.flush(site)),
    "failover": (("redis",), lambda *_: failover.run()),  # on servers of its own
    "misconf": (("redis",), lambda site, _: refused_writes.misconf(site)),
    "full": (("sqlite",), lambda site, _: refused_writes.full(site)),
    "transactions": (("postgresql",), lambda site, given: enlisted_writers.run(site, seed=given.seed)),
    "jumps": (ALL, lambda site, _: clock_jumps.run(site)),
    "freeze": (LEASES, lambda site, given: frozen_workers.run(site, rounds=3 if given.full else 1)),
    "orphans": (ALL, lambda site, given: process_kills.orphans(site, rounds=5 if given.full else 2)),
    "children": (ALL, lambda site, given: process_kills.children(site, kills=30 if given.full else 8)),
    "ends": (ALL, lambda site, given: process_ends.run(site, processes=100 if given.full else 20)),
    "leaving": (("sqlite",), lambda site, given: killed_starts.run(site, seed=given.seed, kills=200 if given.full else 10)),
    "chords": (ALL, lambda site, given: killed_chords.run(site, seed=given.seed, **({} if given.full else {"chords": 200, "kills": 6}))),
    "chords-sql": (
        ALL,
        lambda site, given: killed_chords.run_on_sql(site, seed=given.seed, **({} if given.full else {"chords": 200, "kills": 6})),
    ),
    "twice": (ALL, lambda site, given: killed_chords.run_twice(site, seed=given.seed, **({} if given.full else {"chords": 200}))),
    "beats": (("redis", "sqlite"), lambda site, given: killed_beats.run(site, seconds=600.0 if given.full else 180.0)),
    "beats-sql": (("redis",), lambda site, given: killed_beats.on_postgresql(site, seconds=600.0 if given.full else 180.0)),
    "loop": (SERVERS, lambda site, _: event_loops.run(site)),
    "failpoints": (ALL, lambda site, _: failpoint_cases.run_all(site)),
}
#: What a run without arguments leaves out: the suite has it, in a shorter form.
LONG = ("network", "mute", "failpoints", "beats", "beats-sql")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", nargs="*", default=list(ALL), choices=ALL)
    parser.add_argument("--scenario", nargs="*", choices=list(SCENARIOS), help="default: all but the slowest; with --full all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--lease", type=float, default=5.0, help="seconds of lease on all but RabbitMQ")
    parser.add_argument(
        "--full", action="store_true", help="at the length at which figures are reported: half an hour instead of some minutes"
    )
    parser.add_argument(
        "--celery", default=_celery(), help="interpreter with Celery 5.7, for mixed fleets (default: the one that the interop tests made)"
    )
    given = parser.parse_args()
    logging.getLogger("umbel").setLevel(logging.ERROR)  # the publisher here warns of each cut
    names = given.scenario or [name for name in SCENARIOS if given.full or name not in LONG]
    print(f"seed {given.seed}\n", flush=True)
    rows: list[tuple[str, float, Outcome | None]] = []
    for name in names:
        brokers, scenario = SCENARIOS[name]
        for broker in brokers:
            if broker in given.broker:
                begun = time.monotonic()
                outcome = _play(name, broker, scenario, given)
                rows.append((f"{name} on {broker}", time.monotonic() - begun, outcome))
    return _summary(rows, given.seed)


def _play(name: str, broker: str, scenario: Scenario, given: argparse.Namespace) -> Outcome | None:
    """Run one scenario on one broker and print how it went; ``None`` when it broke off."""
    site = private_site(broker, given.lease)
    try:
        outcome = scenario(site, given)
    except Exception:
        print(f"== {name} on {broker}: broke off\n{traceback.format_exc()}", flush=True)
        return None
    finally:
        site.close()
    print(f"{outcome.text()}\n", flush=True)
    return outcome


def _summary(rows: Sequence[tuple[str, float, Outcome | None]], seed: int) -> int:
    """One line for each; returns the exit status."""
    failed = 0
    print(f"{'scenario':<24}{'seconds':>8}{'bars':>6}  missed")
    for name, seconds, outcome in rows:
        missed = (
            ["broke off"]
            if outcome is None
            else [f"{check.what}: {check.seen} (bar {check.bar})" for check in outcome.checks if not check.good]
        )
        failed += bool(missed)
        bars = 0 if outcome is None else len(outcome.checks)
        print(f"{name:<24}{seconds:>8.0f}{bars:>6}  {'; '.join(missed) or '-'}")
    print(f"\n{f'{failed} of {len(rows)} missed a bar' if failed else 'all bars held'}; seed {seed}; load {os.getloadavg()[0]:.1f}")
    return 1 if failed else 0


def _mixed(site: Site, given: argparse.Namespace) -> str | None:
    """Celery plays where it can: on Redis."""
    return given.celery if site.place.name == "redis" else None


def _celery() -> str | None:
    python = Path(__file__).resolve().parents[2] / ".build" / "celery-venv" / "bin" / "python"
    return str(python) if python.exists() else None


if __name__ == "__main__":
    sys.exit(main())
