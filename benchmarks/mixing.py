"""Long among short: every hundredth task sleeps 50 ms. The ideal is the naps divided by the children; the loss is what the short ones waited."""

from __future__ import annotations

from staging import Setting, Worker

EVERY, SECONDS, CHILDREN = 100, 0.05, 2


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    count = min(count, 10_000)
    setting.client("mix", count, EVERY, SECONDS)
    with Worker(setting, concurrency=CHILDREN) as worker:
        _, first, last = worker.wait(count)
    ideal = count / EVERY * SECONDS / CHILDREN
    return {"mixed_per_s": round(count / (last - first)), "naps_alone_s": round(ideal, 2), "took_s": round(last - first, 2)}
