"""One worker on five hundred queues, all of them filled, beside the same number of tasks in one queue."""

from __future__ import annotations

from staging import Setting, Worker

QUEUES = [f"umbel-benchmarks-{number}" for number in range(500)]


def run(setting: Setting, count: int) -> dict:
    one, _ = _drain(setting, count, QUEUES[:1])
    many, start = _drain(setting, count, QUEUES)
    return {
        "one_queue_per_s": round(one),
        "500_queues_per_s": round(many),
        "ratio": round(many / one, 2),
        "500_queues_start_s": round(start, 2),
    }


def _drain(setting: Setting, count: int, queues: list[str]) -> tuple[float, float]:
    """Tasks per second from the first start to the last end, and the seconds that the worker took to the first."""
    setting.reset()
    setting.client("spread", count, queues)
    with Worker(setting, "-Q", ",".join(queues)) as worker:
        _, first, last = worker.wait(count)
        return count / (last - first), first - worker.begun
