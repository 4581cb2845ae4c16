"""Workflows that cannot be carried on here: their messages are dead-lettered before the task runs, to be replayed when that is cured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.errors import UnsupportedWorkflow


def refuse(embed: Mapping[str, Any] | None, *, counts_chords: bool) -> None:
    """Look at what follows a task.

    Args:
        embed: callbacks, errbacks, chain and chord of its message; checked.
        counts_chords: the result store counts the members of chords, or a task waits for them.

    Raises:
        UnsupportedWorkflow: part of it could not be started.
    """
    if embed and embed.get("chord") and not counts_chords:
        raise UnsupportedWorkflow(
            f"it is a member of a chord, whose body is {embed['chord'].get('task')!r}, and this worker's result store cannot count chords: "
            "use redis://, sqlite:// or another shared store (result_backend)"
        )
