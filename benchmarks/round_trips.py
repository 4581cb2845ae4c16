"""Round trip: ``delay().get()``, one after the other."""

from __future__ import annotations

from dataclasses import replace

from staging import Setting, Worker


def run(setting: Setting, count: int) -> dict:
    setting = replace(setting, results=True)
    setting.reset()
    setting.client("publish", 1)
    with Worker(setting) as worker:
        worker.wait(1)
        return setting.client("round_trips", min(count, 500))
