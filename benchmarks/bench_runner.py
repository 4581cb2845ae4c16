"""What one call costs in Python, without broker and store: publishing it and running it.

python benchmarks/bench_runner.py [--n 50000]
"""

from __future__ import annotations

import argparse
import timeit

from umbel import Umbel
from umbel.brokers.topology import Destination
from umbel.execution.model import Job
from umbel.wire.message import Message

#: Microseconds that a step may take on a slow machine.
BUDGET = {"delay": 12.0, "execute": 15.0, "execute, result": 15.0}


class NoPublisher:
    """Takes everything and keeps the last message."""

    last: tuple[Message, Destination]

    def declare(self, _queue):
        """Nothing."""

    def publish_stencil(self, *_):
        """Nothing."""

    def publish(self, message, to, **_):
        """Keep it."""
        self.last = message, to


def prepared(backend):
    """An app with a task that does nothing, and a job for it."""
    app = Umbel("bench", broker="memory://", backend=backend, set_as_current=False)
    publisher = NoPublisher()
    app.connections.use(publisher, None)

    @app.task(name="noop")
    def noop(x=None):
        return x

    noop.apply_async((1,), task_id="019f0000-0000-7000-8000-000000000000")
    message, to = publisher.last
    job = Job(
        1,
        message.headers,
        message.body,
        message.content_type,
        message.content_encoding,
        message.properties,
        to.exchange,
        to.routing_key,
        False,
    )
    return noop, app.runner("w1@host"), job


def main():
    """Measure and print, one line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    n = parser.parse_args().n
    noop, runner, job = prepared("disabled")
    _, storing, _ = prepared("memory://")
    steps = {
        "delay": lambda: noop.delay(1),
        "apply_async": lambda: noop.apply_async((1,)),
        "apply_async, queue": lambda: noop.apply_async((1,), queue="celery"),
        "apply_async, options": lambda: noop.apply_async((1,), countdown=10, priority=3),
        "execute": lambda: runner.execute(job),
        "execute, result": lambda: storing.execute(job),
        "started_record": lambda: runner.started_record(job),
    }
    for name, step in steps.items():
        spent = min(timeit.repeat(step, number=n, repeat=5)) / n * 1e6
        budget = f"  (budget {BUDGET[name]:.0f} µs)" if name in BUDGET else ""
        print(f"{name:<22} {spent:7.2f} µs{budget}")


if __name__ == "__main__":
    main()
