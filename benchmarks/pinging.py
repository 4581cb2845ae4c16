"""Remote control: how long a worker takes to answer, idle, with every slot busy, and at full load."""

from __future__ import annotations

from staging import Setting, Worker

#: Pings for each figure.
_PINGS = 300


def run(setting: Setting, count: int) -> dict:
    found: dict = {}
    setting.reset()
    setting.client("publish", 1)
    with Worker(setting) as worker:
        worker.wait(1)
        found |= _named("idle", setting.client("pings", _PINGS))
        setting.client("publish", 2, 0, "nap_long")
        found |= _named("busy", setting.client("pings", _PINGS))
    setting.reset()
    setting.client("publish_many", 10 * count)
    with Worker(setting) as worker:
        worker.wait(count // 10)
        found |= _named("full load", setting.client("pings", _PINGS))
        found["backlog left"] = int(worker.wait(0)[0] < 10 * count)
    setting.reset()
    return found


def _named(name: str, figures: dict) -> dict:
    return {f"{name} {key}": value for key, value in figures.items()}
