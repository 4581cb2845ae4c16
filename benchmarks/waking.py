"""Waking: a worker that has nothing to do gets one task at a time; from `delay()` to its first line."""

from __future__ import annotations

import counting
from staging import Setting, Worker


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    count = min(count, 300)
    setting.client("publish", 4)
    with Worker(setting) as worker:
        worker.wait(4)
        counting.reset_waits()
        setting.client("one_by_one", count)
        worker.wait(4 + count)
    waits = sorted(counting.waits())
    return {"p50_ms": round(waits[count // 2] * 1e3, 2), "p99_ms": round(waits[int(count * 0.99)] * 1e3, 2)}
