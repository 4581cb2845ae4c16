"""A rate of all workers together: how many tasks start in a second, how evenly, and whether other tasks of the queue wait.

python benchmarks/rate_limits.py BROKER LEASE_STORE [--workers 4] [--rate 100] [--seconds 20] [--keys 0]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from umbel import Umbel
from umbel.brokers.topology import Queue


def note(**facts) -> None:
    """Append one line: where a task is, by the machine's clock."""
    with Path(os.environ["RATES_LEDGER"]).open("ab", buffering=0) as file:
        file.write(json.dumps({**facts, "worker": os.getpgid(0), "at": time.monotonic()}).encode() + b"\n")


def make_app():
    """The app of all processes here, by the environment."""
    app = Umbel("rate_limits", broker=os.environ["RATES_BROKER"], set_as_current=False)
    app.conf.update(task_default_queue=os.environ["RATES_QUEUE"], lease_store=os.environ["RATES_STORE"], task_ignore_result=True)
    key = "tenant:{0}" if int(os.environ["RATES_KEYS"]) else None

    @app.task(name="limited", rate_limit=float(os.environ["RATES_RATE"]), rate_limit_scope="global", rate_limit_key=key)
    def limited(tenant):
        note(key=tenant)

    @app.task(name="plain")
    def plain(sent):
        note(waited=time.monotonic() - sent)

    return app


if "RATES_BROKER" in os.environ:
    app = make_app()


def ledger() -> list[dict]:
    return [json.loads(line) for line in Path(os.environ["RATES_LEDGER"]).read_text().splitlines()]


def start_worker() -> subprocess.Popen:
    command = [sys.executable, "-m", "umbel", "-A", "rate_limits", "worker", "-c", "2", "-l", "error"]
    return subprocess.Popen(command, cwd=Path(__file__).parent, start_new_session=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("broker")
    parser.add_argument("store")
    for name, default in (("workers", 4), ("keys", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("rate", 100.0), ("seconds", 20.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    given = parser.parse_args()
    os.environ.update(
        RATES_BROKER=given.broker, RATES_STORE=given.store, RATES_RATE=str(given.rate), RATES_KEYS=str(given.keys),
        RATES_QUEUE=f"rates-{os.getpid()}", RATES_LEDGER=f"{tempfile.mkdtemp()}/ledger",
    )  # fmt: skip
    Path(os.environ["RATES_LEDGER"]).touch()
    global app  # noqa: PLW0603 - that of all processes here
    app = make_app()
    app.publisher.declare(Queue(app.conf.task_default_queue))
    workers = [start_worker() for _ in range(given.workers)]
    try:
        measure(given)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait()
        client = app.broker.queue_client()
        client.delete(app.conf.task_default_queue)
        client.close()
        app.close()


def measure(given: argparse.Namespace) -> None:
    limited, plain = app.tasks["limited"], app.tasks["plain"]
    while len({line["worker"] for line in ledger()}) < given.workers:
        plain.delay_many([(time.monotonic(),)] * given.workers)
        time.sleep(0.2)
    time.sleep(1.0)
    Path(os.environ["RATES_LEDGER"]).write_text("")
    keys = max(1, given.keys)
    for _ in range(2):  # some more than can start
        limited.delay_many([(f"t{number % keys}",) for number in range(int(keys * given.rate * (given.seconds + 5) / 2))])
    end = time.monotonic() + given.seconds + 2
    while time.monotonic() < end:
        plain.delay(time.monotonic())
        time.sleep(0.05)
    lines = ledger()
    for key in sorted({line["key"] for line in lines if "key" in line}):
        starts = sorted(line["at"] for line in lines if line.get("key") == key)
        first = starts[0] + 1
        starts = [at for at in starts if first <= at < first + given.seconds]
        each = Counter(int(at - first) for at in starts)
        gap = max(later - earlier for earlier, later in itertools.pairwise(starts))
        print(
            f"{key}: {len(starts) / given.seconds:.1f} starts a second over {given.seconds:g} s with {given.workers} workers"
            f" (limit {given.rate:g}); {min(each.values())} to {max(each.values())} in a second; longest gap {gap * 1e3:.0f} ms"
        )
    print("by worker:", *sorted(Counter(line["worker"] for line in lines if "key" in line).values()))
    waited = sorted(line["waited"] for line in lines if "waited" in line)
    print(
        f"unlimited tasks beside them: p50 {statistics.median(waited) * 1e3:.0f} ms, p99 {waited[int(len(waited) * 0.99)] * 1e3:.0f} ms, most {waited[-1] * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
