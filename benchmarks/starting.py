"""Start-up: from the command to the first task; the median of five. Memory: of an idle worker with two children, and after some work."""

from __future__ import annotations

from staging import Setting, Worker, median


def run(setting: Setting, count: int) -> dict:
    starts, idle = [], 0.0
    for _ in range(5):
        setting.reset()
        setting.client("publish", 1)
        with Worker(setting) as worker:
            _, first, _ = worker.wait(1)
            starts.append(first - worker.begun)
            idle = worker.memory()
    setting.reset()
    setting.client("publish", count)
    with Worker(setting) as worker:
        worker.wait(count)
        busy = worker.memory()
    return {"start_s": round(median(starts), 3), "pss_idle_mb": round(idle, 1), "pss_worked_mb": round(busy, 1)}
