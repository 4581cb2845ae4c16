"""Publishing alone: one at a time with confirms flushed, and many at once."""

from __future__ import annotations

from staging import Setting


def run(setting: Setting, count: int) -> dict:
    setting.reset()
    row = setting.client("publish", count)
    if setting.library == "umbel":
        row |= setting.client("publish_many", count)
    setting.reset()
    return row
