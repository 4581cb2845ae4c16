"""Does a backlog slow the worker down? The rate over the first tasks of a queue that holds 10³ to 10⁶."""

from __future__ import annotations

import time

import counting
from staging import Setting, Worker

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def run(setting: Setting, count: int) -> dict:
    row = {}
    for size in SIZES:
        if size > count * 50:
            break
        setting.reset()
        setting.client("publish_many" if setting.library == "umbel" else "publish", size)
        target = min(size, 20_000)
        with Worker(setting) as worker:
            _, first, last = worker.wait(target)
            row |= {f"from_{size}_per_s": round(counting.total()[0] / (last - first)), f"start_{size}_s": round(first - worker.begun, 2)}
            begun = time.monotonic()
        row[f"stop_{size}_s"] = round(time.monotonic() - begun, 2)
    setting.reset()
    return row
