"""Breaks things for a few minutes and prints the ledger.

    python tests/chaos/run.py [--broker rabbitmq redis sqlite] [--scenario kill restart …] [--seed N] [--short] [--celery PYTHON]

Everything runs on private servers on free ports. The exit status is 1 when a bar was missed. Nothing is ever run again to make it pass.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos import breaking, cutting, delaying, failing, fairness, freezing, killing, leasing, orphaning, restarting
from chaos.arena import Outcome, Site, private_site

Scenario = Callable[[Site, argparse.Namespace], Outcome]

#: name → (brokers, what runs)
SCENARIOS: dict[str, tuple[tuple[str, ...], Scenario]] = {
    "kill": (
        ("rabbitmq", "redis", "sqlite"),
        lambda site, given: killing.run(site, seed=given.seed, **({"tasks": 1000, "kills": 4} if given.short else {})),
    ),
    "restart": (("rabbitmq", "redis"), lambda site, given: restarting.run(site, seed=given.seed, restarts=1 if given.short else 5)),
    "lease": (("redis", "sqlite"), lambda site, given: leasing.run(site, celery=given.celery if site.place.name == "redis" else None)),
    "eta": (("rabbitmq", "redis", "sqlite"), lambda site, given: delaying.run(site, far=5000 if given.short else 100_000)),
    "fair": (("rabbitmq", "redis", "sqlite"), lambda site, _: fairness.run(site)),
    "cuts": (("rabbitmq", "redis"), lambda site, given: cutting.run(site, step=25 if given.short else 1)),
    "network": (("rabbitmq", "redis"), lambda site, _: breaking.run(site)),
    "mute": (("rabbitmq", "redis"), lambda site, given: breaking.mute(site, rounds=1 if given.short else 3)),
    "flush": (("redis",), lambda site, _: breaking.flush(site)),
    "freeze": (("redis", "sqlite"), lambda site, given: freezing.run(site, rounds=1 if given.short else 3)),
    "orphans": (("rabbitmq", "redis", "sqlite"), lambda site, given: orphaning.orphans(site, rounds=2 if given.short else 5)),
    "children": (("rabbitmq", "redis", "sqlite"), lambda site, given: orphaning.children(site, kills=8 if given.short else 30)),
    "failpoints": (("rabbitmq", "redis", "sqlite"), lambda site, _: failing.run_all(site)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", nargs="*", default=["rabbitmq", "redis", "sqlite"], choices=["rabbitmq", "redis", "sqlite"])
    parser.add_argument("--scenario", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--lease", type=float, default=5.0, help="seconds of lease on Redis and SQLite")
    parser.add_argument("--short", action="store_true", help="a minute or two instead of twenty")
    parser.add_argument(
        "--celery", default=_celery(), help="interpreter with Celery 5.7, for mixed fleets (default: the one that the interop tests made)"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    failed = []
    for name in given.scenario:
        brokers, scenario = SCENARIOS[name]
        for broker in brokers:
            if broker in given.broker and not _play(name, broker, scenario, given):
                failed.append(f"{name} on {broker}")
    print(f"\n{'failed: ' + ', '.join(failed) if failed else 'all bars held'}; seed {given.seed}")
    return 1 if failed else 0


def _play(name: str, broker: str, scenario: Scenario, given: argparse.Namespace) -> bool:
    begun = time.monotonic()
    site = private_site(broker, given.lease)
    try:
        outcome = scenario(site, given)
    except Exception:
        print(f"== {name} on {broker}: broke off\n{traceback.format_exc()}", flush=True)
        return False
    finally:
        site.close()
    print(f"{outcome.text()}\n({time.monotonic() - begun:.0f} s)\n", flush=True)
    return outcome.good


def _celery() -> str | None:
    python = Path(__file__).resolve().parents[2] / ".build" / "celery-venv" / "bin" / "python"
    return str(python) if python.exists() else None


if __name__ == "__main__":
    sys.exit(main())
