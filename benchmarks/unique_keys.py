"""Unique calls: what one costs, how many messages many callers of one key make, and when the key of a killed worker is free.

python benchmarks/unique_keys.py BROKER RESULT_STORE [--processes 50] [--calls 100] [--lease 3]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from umbel import Umbel
from umbel.brokers.topology import Queue


def make_app():
    """The app of all processes here, by the environment."""
    app = Umbel("unique_keys", broker=os.environ["UNIQUE_BROKER"], backend=os.environ["UNIQUE_STORE"], set_as_current=False)
    lease = float(os.environ["UNIQUE_LEASE"])
    app.conf.update(
        task_default_queue=os.environ["UNIQUE_QUEUE"], lease_duration=lease, broker_transport_options={"visibility_timeout": lease}
    )

    @app.task(name="same", unique_key="{0}")
    def same(_key, seconds=0.0):
        time.sleep(seconds)

    @app.task(name="plain")
    def plain(_key):
        """Nothing."""

    return app


if "UNIQUE_BROKER" in os.environ:
    app = make_app()


def call(key: str, calls: int) -> None:
    """Call at one moment with others, and print the ids."""
    same = app.tasks["same"]
    app.leases.holders(key)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(sorted({same.delay(key).id for _ in range(calls)})), flush=True)


def start(*words: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *words], cwd=Path(__file__).parent, text=True, **options)


def costs(count: int = 200) -> None:
    same, plain, key = app.tasks["same"], app.tasks["plain"], uuid.uuid4().hex
    for name, step in (
        ("plain call, confirmed", lambda number: plain.apply_async((number,), confirm=True)),
        ("unique call, free key", lambda number: same.delay(f"{key}-{number}")),
        ("unique call, held key", lambda _: same.delay(f"{key}-0")),
    ):
        began = time.perf_counter()
        for number in range(count):
            step(number)
        print(f"{name:<24} {(time.perf_counter() - began) / count * 1e6:8.0f} µs")


def race(processes: int, calls: int) -> None:
    app.broker.queue_client().purge(app.conf.task_default_queue)
    key = uuid.uuid4().hex
    callers = [start(__file__, "call", key, str(calls), stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(processes)]
    for caller in callers:
        caller.stdout.readline()
    began = time.perf_counter()
    for caller in callers:
        caller.stdin.write("go\n")
        caller.stdin.flush()
    ids = {task_id for caller in callers for task_id in json.loads(caller.stdout.readline())}
    took = time.perf_counter() - began
    for caller in callers:
        caller.communicate()
    messages = app.broker.queue_client().length(app.conf.task_default_queue)
    print(f"{processes} processes × {calls} calls of one key: {messages} message, {len(ids)} id, {took:.1f} s")
    app.broker.queue_client().purge(app.conf.task_default_queue)


def kill(lease: float) -> None:
    same, key = app.tasks["same"], uuid.uuid4().hex
    worker = start("-m", "umbel", "-A", "unique_keys", "worker", "-c", "1", start_new_session=True, stderr=subprocess.DEVNULL)
    first = same.delay(key, 600)
    name = f"unique:same:{key}"
    while not (held := app.leases.holders(name)) or held[0].seconds > lease:
        time.sleep(0.05)
    time.sleep(1.5 * lease)
    assert same.delay(key, 600).id == first.id, "its worker lives, and renews"
    os.killpg(worker.pid, signal.SIGKILL)
    killed = time.perf_counter()
    worker.wait()
    while same.delay(key, 600).id == first.id:
        time.sleep(0.02)
    print(f"killed: its key is free after {time.perf_counter() - killed:.2f} s (lease {lease:g} s)")


def main() -> None:
    """Measure and print."""
    if sys.argv[1] == "call":
        call(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("broker")
    parser.add_argument("store")
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--lease", type=float, default=3.0)
    given = parser.parse_args()
    os.environ.update(
        UNIQUE_BROKER=given.broker, UNIQUE_STORE=given.store, UNIQUE_LEASE=str(given.lease), UNIQUE_QUEUE=f"unique-keys-{os.getpid()}"
    )
    global app  # noqa: PLW0603 - that of all processes here
    app = make_app()
    app.publisher.declare(Queue(app.conf.task_default_queue))
    try:
        costs()
        race(given.processes, given.calls)
        kill(given.lease)
    finally:
        client = app.broker.queue_client()
        client.delete(app.conf.task_default_queue)
        client.close()
        app.close()


if __name__ == "__main__":
    main()
