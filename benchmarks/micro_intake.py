"""What the worker's side of a plain message costs, without a broker and children: ``python benchmarks/micro_intake.py``.

Admission of a delivery, and the acknowledgement of its outcome, at the log levels WARNING and INFO. The best of many repeats, in nanoseconds a task.
"""

from __future__ import annotations

import logging
import timeit
from collections.abc import Iterable
from functools import partial
from typing import Any

from umbel import Umbel
from umbel.brokers.base import Delivery
from umbel.pools.base import Outcome
from umbel.worker.options import WorkerOptions
from umbel.worker.worker import Worker

BATCH = 100
REPEATS = 400


class NoConsumer:
    """Takes acknowledgements, and does nothing with them."""

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        pass


def worker() -> Worker:
    app = Umbel("bench", broker="memory://", set_as_current=False)
    app.task(name="bench.add")(lambda x, y: x + y)
    made = Worker(app, WorkerOptions(hostname="bench@here", pool="solo"))
    made.learn_tasks()
    made.parts.acknowledger._consumer = NoConsumer()  # type: ignore[assignment]
    return made


def delivery(number: int) -> Delivery:
    headers: dict[str, Any] = {
        "lang": "py", "task": "bench.add", "id": f"{number:036}", "root_id": f"{number:036}", "parent_id": None, "group": None, "shadow": None,
        "eta": None, "expires": None, "retries": 0, "timelimit": [None, None], "argsrepr": "(1, 2)", "kwargsrepr": "{}", "origin": "gen1@host",
    }  # fmt: skip
    return Delivery(b"[[1, 2], {}, {}]", headers, "application/json", "utf-8", {}, number, 0, "celery", "", "celery")


def main() -> None:
    deliveries = [delivery(number) for number in range(BATCH)]
    logger = logging.getLogger("umbel.worker")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    for level in (logging.WARNING, logging.INFO):
        logger.setLevel(level)
        parts = worker().parts
        ready = parts.dispatcher.ready
        best = min(timeit.repeat(partial(parts.intake.on_deliveries, deliveries), ready.clear, number=1, repeat=REPEATS))
        print(f"{logging.getLevelName(level):8} admit  {best / BATCH * 1e9:8.1f} ns")
        parts.intake.on_deliveries(deliveries)
        ended = [(task, Outcome(number, 0, "SUCCESS", 0.00001, "", "3", None, False)) for number, task in enumerate(list(ready))]
        best = min(timeit.repeat(partial(parts.acknowledger.settle, ended), number=1, repeat=REPEATS))
        print(f"{logging.getLevelName(level):8} settle {best / BATCH * 1e9:8.1f} ns")


if __name__ == "__main__":
    main()
