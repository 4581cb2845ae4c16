"""Runs all canvases of ``tests/interop/canvases`` on real Celery and on Umbel, on Redis and on RabbitMQ with Redis, and tells where they differ.

canvases.py [--record] [--runs N] [--side celery|umbel]

Each of the four is run so many times (3 unless told otherwise), and must come to the same each time. Then the outcomes are compared with those in
``tests/golden``; with ``--record`` they are written there. Servers: ``UMBEL_TEST_REDIS`` and ``UMBEL_TEST_RABBITMQ``, as for the tests.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from interop.canvases import golden  # noqa: E402
from interop.canvases.differences import reasons_of  # noqa: E402
from interop.canvases.running import outcomes  # noqa: E402

REDIS = os.environ.get("UMBEL_TEST_REDIS", "redis://127.0.0.1:6379").rstrip("/")
RABBITMQ = os.environ.get("UMBEL_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672").rstrip("/")
BROKERS = {"redis": f"{REDIS}/5", "rabbitmq": f"{RABBITMQ}/"}
SECONDS = 600.0


def run(library: str, place: str, runs: int) -> dict[str, Any]:
    """Run all canvases several times; returns their outcomes.

    Args:
        library: ``celery`` or ``umbel``.
        place: of the broker.
        runs: times.

    Raises:
        SystemExit: two runs came to something different.
    """
    first: dict[str, Any] = {}
    for number in range(runs):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = outcomes(library, BROKERS[place], f"{REDIS}/6", Path(folder), None, SECONDS)
        print(f"{library} on {place}: {len(found)} canvases in {time.monotonic() - began:.1f} s", flush=True)
        first = first or found
        for name in golden.differing(first, found):
            sys.exit(f"{library} on {place}, run {number + 1}: {name}\n  {first.get(name)}\n  {found.get(name)}")
    return first


def report(celery: dict[str, dict[str, Any]], umbel: dict[str, dict[str, Any]]) -> None:
    """Print how many canvases are the same, and the reasons of the others.

    Args:
        celery: outcomes by place.
        umbel: outcomes by place.
    """
    for place in golden.PLACES:
        reasons: Counter[str] = Counter()
        names = golden.differing(celery[place], umbel[place])
        for name in names:
            for field, title in reasons_of(name, celery[place][name], umbel[place][name]).items():
                reasons[title or f"NO REASON: {name}: {field}"] += 1
        print(f"\n{place}: {len(celery[place]) - len(names)} of {len(celery[place])} are the same")
        for title, count in reasons.most_common():
            print(f"{count:>6}  {title}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write what was found")
    parser.add_argument("--runs", type=int, default=3, help="times that each is run")
    parser.add_argument("--side", choices=("celery", "umbel"), help="run this one, and take the other from what was recorded")
    given = parser.parse_args()
    kept = {"celery": golden.celery, "umbel": golden.umbel}
    found = {
        library: {
            place: run(library, place, given.runs) if given.side in (None, library) else read(place) for place in golden.PLACES
        }
        for library, read in kept.items()
    }  # fmt: skip
    report(found["celery"], found["umbel"])
    if given.record:
        golden.write(found["celery"], found["umbel"])
        return
    changed = [
        f"{library} on {place}: {name}"
        for library, read in kept.items()
        for place in golden.PLACES
        for name in golden.differing(read(place), found[library][place])
    ]
    if changed:
        sys.exit("\nnot as recorded:\n" + "\n".join(changed))


if __name__ == "__main__":
    main()
