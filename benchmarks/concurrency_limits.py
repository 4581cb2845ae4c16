"""Limits on all workers together: how many calls of a key run at a time, what places are used for, and whether other tasks wait.

python benchmarks/concurrency_limits.py BROKER RESULT_STORE [--workers 8] [--limit 3] [--keys 2] [--calls 60] [--seconds 0.2]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

from umbel import Umbel
from umbel.brokers.topology import Queue


def note(**facts) -> None:
    """Append one line: where a task is, by the machine's clock."""
    with Path(os.environ["LIMITS_LEDGER"]).open("ab", buffering=0) as file:
        file.write(json.dumps({**facts, "worker": os.getpgid(0), "at": time.monotonic()}).encode() + b"\n")


def make_app():
    """The app of all processes here, by the environment."""
    app = Umbel("concurrency_limits", broker=os.environ["LIMITS_BROKER"], backend=os.environ["LIMITS_STORE"], set_as_current=False)
    app.conf.update(task_default_queue=os.environ["LIMITS_QUEUE"], lease_duration=3.0, broker_transport_options={"visibility_timeout": 3.0})

    @app.task(name="limited", concurrency_key="tenant:{0}", concurrency_limit=int(os.environ["LIMITS_LIMIT"]), ignore_result=True)
    def limited(tenant, seconds):
        note(key=tenant, step=1)
        time.sleep(seconds)
        note(key=tenant, step=-1)

    @app.task(name="plain", ignore_result=True)
    def plain(sent):
        note(waited=time.monotonic() - sent)

    return app


if "LIMITS_BROKER" in os.environ:
    app = make_app()


def ledger() -> list[dict]:
    return [json.loads(line) for line in Path(os.environ["LIMITS_LEDGER"]).read_text().splitlines()]


def most_at_a_time(lines: list[dict]) -> dict[str, int]:
    """By key: the most that ran side by side."""
    running, most = defaultdict(int), defaultdict(int)
    for line in sorted(lines, key=lambda line: (line["at"], line["step"])):
        running[line["key"]] += line["step"]
        most[line["key"]] = max(most[line["key"]], running[line["key"]])
    return dict(most)


def with_killed(lines: list[dict], worker: int, moment: float) -> list[dict]:
    """What a killed worker ran has ended when it was killed."""
    open_ = defaultdict(int)
    for line in lines:
        if line["worker"] == worker:
            open_[line["key"]] += line["step"]
    return lines + [{"key": key, "step": -1, "at": moment} for key, number in open_.items() for _ in range(number)]


def start_worker() -> subprocess.Popen:
    command = [sys.executable, "-m", "umbel", "-A", "concurrency_limits", "worker", "-c", "2", "-l", "warning"]
    return subprocess.Popen(command, cwd=Path(__file__).parent, start_new_session=True, stdout=subprocess.DEVNULL)


def waits(lines: list[dict]) -> str:
    found = sorted(line["waited"] for line in lines)
    return f"p50 {statistics.median(found) * 1e3:.0f} ms, p99 {found[int(len(found) * 0.99)] * 1e3:.0f} ms" if found else "none"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("broker")
    parser.add_argument("store")
    for name, default in (("workers", 8), ("limit", 3), ("keys", 2), ("calls", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=0.2)
    given = parser.parse_args()
    folder = tempfile.mkdtemp()
    os.environ.update(
        LIMITS_BROKER=given.broker, LIMITS_STORE=given.store, LIMITS_LIMIT=str(given.limit), LIMITS_QUEUE=f"limits-{os.getpid()}",
        LIMITS_LEDGER=f"{folder}/ledger",
    )  # fmt: skip
    Path(os.environ["LIMITS_LEDGER"]).touch()
    global app  # noqa: PLW0603 - that of all processes here
    app = make_app()
    app.publisher.declare(Queue(app.conf.task_default_queue))
    workers = [start_worker() for _ in range(given.workers)]
    try:
        measure(given, workers)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait()
        client = app.broker.queue_client()
        client.delete(app.conf.task_default_queue)
        client.close()
        app.close()


def measure(given: argparse.Namespace, workers: list[subprocess.Popen]) -> None:
    limited, plain = app.tasks["limited"], app.tasks["plain"]

    def send_plain(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop.is_set():
            plain.delay(time.monotonic())
            time.sleep(0.02)

    stop = threading.Event()
    while len({line["worker"] for line in ledger()}) < given.workers:
        plain.delay_many([time.monotonic()] * given.workers)
        time.sleep(0.2)
    time.sleep(1.0)
    Path(os.environ["LIMITS_LEDGER"]).write_text("")
    send_plain(3.0)
    alone = waits([line for line in ledger() if "waited" in line])
    Path(os.environ["LIMITS_LEDGER"]).write_text("")
    began = time.monotonic()
    limited.delay_many([(f"t{number % given.keys}", given.seconds) for number in range(given.keys * given.calls)])
    thread = threading.Thread(target=send_plain, args=(1e9,))
    thread.start()
    killed = 0.0
    while sum(line.get("step") == -1 for line in ledger()) < given.keys * given.calls - given.limit * given.keys:
        time.sleep(0.1)
        if not killed and time.monotonic() - began > given.calls * given.seconds / given.limit / 2:
            victim = next(line["worker"] for line in reversed(ledger()) if line.get("step") == 1)
            os.killpg(victim, signal.SIGKILL)
            killed = time.monotonic()
            workers.remove(next(worker for worker in workers if worker.pid == victim))
    took = time.monotonic() - began
    time.sleep(5.0)
    stop.set()
    thread.join()
    lines = ledger()
    steps = with_killed([line for line in lines if "step" in line], victim, killed)
    best = given.calls * given.seconds / given.limit
    print(f"at a time, by key, with {given.workers} workers: {most_at_a_time(steps)} (limit {given.limit})")
    print(
        f"{given.keys} × {given.calls} calls of {given.seconds:g} s: {took:.1f} s (with no gap {best:.1f} s); a worker was killed in the middle, with {len(steps) - len([line for line in lines if 'step' in line])} of them"
    )
    print(f"other tasks: {alone} alone, {waits([line for line in lines if 'waited' in line])} beside these")


if __name__ == "__main__":
    main()
