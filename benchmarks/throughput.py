"""Throughput: publish N no-op tasks, then start a worker with two children and time the drain (first start to last end)."""

from __future__ import annotations

from staging import Setting, Worker


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    row = setting.client("publish", count)
    with Worker(setting) as worker:
        done, first, last = worker.wait(count)
        row |= {
            "executed": done,
            "tasks_per_s": round(done / (last - first)),
            "start_s": round(first - worker.begun, 2),
            "pss_mb": round(worker.memory()),
        }
    return row
