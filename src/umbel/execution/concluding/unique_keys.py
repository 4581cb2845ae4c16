"""The unique key of a task that has ended: free, unless the task goes on."""

from __future__ import annotations

from typing import Any

from umbel import states
from umbel.execution.model import Effect, Execution, FreeKey, Verdict
from umbel.execution.request import Request
from umbel.messages.task_keys import FINISH, KEYS, lease_name, parse


def with_key(request: Request, execution: Execution) -> Execution:
    """Let the end of a task free the key that it was sent with, if it is held until then.

    A task that is tried again keeps it, and one whose message goes back to its queue.

    Args:
        request: of the task; its message has keys.
        execution: its end.
    """
    keys = parse(request.fields.get(KEYS))
    if keys is None or not keys.unique or keys.until != FINISH or execution.state == states.RETRY or execution.verdict is Verdict.REQUEUE:
        return execution
    free = FreeKey(lease_name("unique", request.task, keys.unique), request.id or "")
    effects: tuple[Effect, ...] = (*execution.effects, free)
    return execution._replace(effects=effects)


def kept(request: Request, headers: dict[str, Any]) -> None:
    """Give the next attempt of a task the keys of this one, whatever its arguments are now.

    Args:
        request: of this attempt.
        headers: of the next one's message.
    """
    headers.pop(KEYS, None)
    if KEYS in request.fields:
        headers[KEYS] = request.fields[KEYS]
