"""Workflows that this version cannot carry on: their messages are dead-lettered before the task runs, to be replayed when it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.errors import UnsupportedWorkflow

_FORMS = ("group", "chord", "chain")


def refuse(embed: Mapping[str, Any] | None) -> None:
    """Look at what follows a task.

    Args:
        embed: callbacks, errbacks, chain and chord of its message; checked.

    Raises:
        UnsupportedWorkflow: part of it could not be started.
    """
    if not embed:
        return
    if embed.get("chord"):
        raise UnsupportedWorkflow(f"it is a member of a chord, whose body {embed['chord'].get('task')!r} this version cannot start")
    for place, what in (("callbacks", "its callback"), ("errbacks", "its error callback"), ("chain", "what follows it in its chain")):
        for signature in embed.get(place) or ():
            if signature.get("subtask_type") in _FORMS:
                raise UnsupportedWorkflow(f"{what} is a {signature['subtask_type']}, which this version cannot start")
