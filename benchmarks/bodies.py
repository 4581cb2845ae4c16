"""Larger messages: arguments of 10 KB and 1 MB."""

from __future__ import annotations

from staging import Setting, Worker


def run(setting: Setting, count: int) -> dict:
    row = {}
    for name, size, share in (("10kb", 10_000, 4), ("1mb", 1_000_000, 100)):
        setting.reset()
        number = max(20, count // share)
        published = setting.client("publish", number, size)
        with Worker(setting) as worker:
            _, first, last = worker.wait(number)
        row |= {f"publish_{name}_per_s": published["publish_per_s"], f"run_{name}_per_s": round(number / (last - first))}
    setting.reset()
    return row
