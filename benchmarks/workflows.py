"""Workflows, with results in Redis: a group is sent and read back, a chord and a chain run to their end."""

from __future__ import annotations

from dataclasses import replace

from staging import Setting, Worker


def run(setting: Setting, count: int) -> dict:
    setting = replace(setting, results=True)
    setting.reset()
    row = setting.client("group", count)
    setting.reset()
    with Worker(setting):
        row |= setting.client("workflows", count // 2, 1000 if setting.library == "umbel" else 200)
    setting.reset()
    return row
