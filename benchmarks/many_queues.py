"""One worker on fifty queues, all of them filled."""

from __future__ import annotations

from staging import Setting, Worker

QUEUES = [f"umbel-benchmarks-{number}" for number in range(50)]


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    setting.client("spread", count, QUEUES)
    with Worker(setting, "-Q", ",".join(QUEUES)) as worker:
        _, first, last = worker.wait(count)
    return {"fifty_queues_per_s": round(count / (last - first))}
