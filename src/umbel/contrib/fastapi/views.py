"""A task as clients over HTTP see it."""

from __future__ import annotations

from typing import Any


def seen(result: Any, *, show_error: bool = True) -> dict[str, Any]:
    """Look at a task; asks the result store.

    Args:
        result: its `AsyncResult`.
        show_error: tell what it raised.
    """
    state = result.state
    found: dict[str, Any] = {"id": result.id, "state": state}
    progress = result.progress if state not in ("SUCCESS", "FAILURE", "REVOKED") else None
    if progress is not None:
        found["progress"] = {"current": progress.current, "total": progress.total, "fraction": progress.fraction}
    if state == "SUCCESS":
        found["result"] = result.result
    elif state == "FAILURE":
        error = result.result
        found["error"] = (
            {"type": type(error).__name__, "message": str(error)} if show_error else {"type": "Error", "message": "the task has failed"}
        )
    return found
