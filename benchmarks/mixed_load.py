"""Short tasks behind long ones, across workers: an open loop of arrivals, beside one ideal queue for all slots on the same arrivals.

80 % of the tasks take 1 ms, 15 % 50 ms, 5 % 1 s; 78 arrive each second, with exponential gaps; two workers have four slots each (57 % load).
"""

from __future__ import annotations

import heapq

import counting
from staging import Setting, Worker

WORKERS, SLOTS, RATE = 2, 4, 78.0


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    count = min(count, 4_700)
    workers = [Worker(setting, "-n", f"bench{number}@%h", concurrency=SLOTS) for number in range(WORKERS)]
    try:
        setting.client("spread_over_slots", 4 * WORKERS * SLOTS)
        workers[0].wait(4 * WORKERS * SLOTS)  # every child has imported everything
        counting.reset_waits()
        arrivals = setting.client("open_loop", count, RATE)["arrivals"]
        workers[0].wait(count + 4 * WORKERS * SLOTS)
    finally:
        for worker in workers:
            worker.__exit__()
    waits, ideal = sorted(counting.waits()), sorted(ideal_waits(arrivals, WORKERS * SLOTS))
    if len(waits) != count:
        raise RuntimeError(f"{len(waits)} waits of {count} tasks")
    at = int(count * 0.99)
    return {
        "p50_ms": round(waits[count // 2] * 1e3, 1),
        "p99_ms": round(waits[at] * 1e3),
        "ideal_p99_ms": round(ideal[at] * 1e3),
        "ratio": round(waits[at] / ideal[at], 2),
    }


def ideal_waits(arrivals: list[tuple[float, float]], slots: int) -> list[float]:
    """What each task waits in one queue that gives at once to whichever slot is free first.

    Args:
        arrivals: (when, how long it takes), seconds.
        slots: tasks at a time.
    """
    free = [0.0] * slots
    waits = []
    for arrived, takes in arrivals:
        start = max(arrived, free[0])
        heapq.heapreplace(free, start + takes)
        waits.append(start - arrived)
    return waits
