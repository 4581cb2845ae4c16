"""Parts of workflows that wait in the result store, because messages would carry copies of them that are many times what the workflow is: the body of a chord
in each message of its header, the rest of a long chain in the message of each of its links.

In their place the messages carry a stand-in, the call of a task that starts the part. It is an ordinary task: a worker of Celery that has run what is before it
sends it like any other, and one of ours runs it. Of a chord's body, our workers need not run it: whoever has the claim on the body reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeGuard

from umbel.canvas import shapes
from umbel.canvas.shapes import Draft, Shape
from umbel.errors import EncodeError
from umbel.wire import kombu_json

#: The task that starts a part with the result of what is before it, and the one that fails it.
START_KEPT: Final = "umbel.start_kept"
FAIL_KEPT: Final = "umbel.fail_kept"
#: Celery's task that carries a chord's body and waits for its header, where the result store does not count its members.
CHORD_UNLOCK: Final = "celery.chord_unlock"
#: The task that fails a chord's body when the header has not ended in time.
CHORD_DEADLINE: Final = "umbel.chord_deadline"
#: Links of a long chain that travel in one message, and that are kept under one name.
SEGMENT: Final = 32


def is_to_be_kept(part: Shape, copies: int, most: int) -> bool:
    """Report whether the copies of a part would take more than they may.

    Args:
        part: of a workflow.
        copies: messages that would carry it.
        most: bytes of all copies together; 0 for no limit.
    """
    if not most:
        return False
    try:
        return len(kombu_json.dumps(part)) * copies > most
    except EncodeError:  # it has what JSON cannot hold, and travels as it is
        return False


def body_key(group_id: str) -> str:
    """Return the name under which the body of a chord waits.

    Args:
        group_id: of the header.
    """
    return f"{group_id}.body"


def first_task(part: Shape) -> Shape:
    """Find the body at the end of chords that are bodies of chords.

    Args:
        part: a chord's body.
    """
    first: Any = part
    while shapes.kind(first) == shapes.CHORD:
        first = shapes.body(first)
    found: Shape = first
    return found


def stand_in(key: str, part: Shape) -> Draft:
    """Make what messages carry in place of a part.

    Args:
        key: under which it waits.
        part: a chord's body, or a link; the call goes where its first task goes.
    """
    first = first_task(part)
    options = {name: value for name in ("queue", "exchange", "routing_key") if (value := shapes.option(first, name)) is not None}
    return {
        "task": START_KEPT,
        "args": (),
        "kwargs": {"key": key},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


def kept_key(part: Shape) -> str:
    """Find the name under which a part waits; empty where this is the part itself.

    Args:
        part: as messages carry it.
    """
    if part.get("task") != START_KEPT:
        return ""
    key = (part.get("kwargs") or {}).get("key")
    return key if isinstance(key, str) else ""


def cut(chain: Sequence[Any], name: Callable[[int], str], most: int) -> tuple[Sequence[Any], list[tuple[str, Draft]]]:
    """Divide the rest of a chain into what travels and what waits.

    Args:
        chain: its links, reversed.
        name: makes the name of the part of this number.
        most: bytes that may travel; 0 for no limit.

    Returns:
        What travels, reversed; and each part with its name, from the last one.
    """
    if not most or len(chain) <= 2 * SEGMENT or not is_to_be_kept({"chain": chain}, 1, most):
        return chain, []
    kept: list[tuple[str, Draft]] = []
    *far, near = [chain[at : at + SEGMENT] for at in range(0, len(chain), SEGMENT)]
    waiting: list[Draft] = []
    for number, links in enumerate(far):
        key = name(number)
        kept.append((key, shapes.chain_of([*reversed(links), *waiting])))
        waiting = [stand_in(key, links[-1])]
    return [*waiting, *near], kept


def links_of(part: Shape) -> list[Any]:
    """List what a part is made of as a message carries a chain: reversed.

    Args:
        part: as it was kept.
    """
    return shapes.tasks(part)[::-1] if shapes.kind(part) == shapes.CHAIN else [part]


def is_part(value: object) -> TypeGuard[dict[str, Any]]:
    """Report whether ``value``, which was read from the store, is a signature."""
    return isinstance(value, dict) and isinstance(value.get("task"), str)
