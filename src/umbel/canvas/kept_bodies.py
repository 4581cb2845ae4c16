"""Chord bodies that wait in the result store: each message of a header would carry a copy, and the copies of a long rest of a workflow would be many
times what the workflow is.

In their place the messages carry a stand-in, the call of a task that starts the body. Umbel's workers read the body themselves when the header has ended. A
worker of Celery that ends it sends the call, and one of ours runs it.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from umbel.canvas import shapes
from umbel.canvas.shapes import Draft, Shape
from umbel.errors import EncodeError
from umbel.wire import kombu_json

#: The task that starts a body with the results of its header.
START_BODY: Final = "umbel.start_body"


def is_to_be_kept(body: Shape, size: int, most: int) -> bool:
    """Report whether the copies of a body would take more than they may.

    Args:
        body: of the chord.
        size: members of its header.
        most: bytes of all copies together; 0 for no limit.
    """
    if not most:
        return False
    try:
        return len(kombu_json.dumps(body)) * size > most
    except EncodeError:  # it has what JSON cannot hold, and travels as it is
        return False


def key_of(group_id: str) -> str:
    """Return the name under which the body of a chord waits.

    Args:
        group_id: of the header.
    """
    return f"{group_id}.body"


def stand_in(group_id: str, body: Shape) -> Draft:
    """Make what the header's messages carry in place of the body.

    Args:
        group_id: of the header.
        body: of the chord; the call goes where its first task goes.
    """
    first: Any = body
    while shapes.kind(first) == shapes.CHORD:
        first = shapes.body(first)
    options = {name: value for name in ("queue", "exchange", "routing_key") if (value := shapes.option(first, name)) is not None}
    return {
        "task": START_BODY,
        "args": (),
        "kwargs": {"key": key_of(group_id)},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


def kept_key(body: Shape) -> str:
    """Find the name under which a body waits; empty where this is the body itself.

    Args:
        body: as a message of the header carries it.
    """
    if body.get("task") != START_BODY:
        return ""
    key = (body.get("kwargs") or {}).get("key")
    return key if isinstance(key, str) else ""


def is_body(value: object) -> TypeGuard[dict[str, Any]]:
    """Report whether ``value``, which was read from the store, is a signature."""
    return isinstance(value, dict) and isinstance(value.get("task"), str)
