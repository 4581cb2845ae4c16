"""Membership: which results a group or chord is made of. The tasks at the ends of its members carry its id, their place, and the chord's body.

A member may be a chain (its last step counts), a chord (its body), or end in a group (all of that count, one after the other).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.freezing import leaves
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, Draft, Shape


def members_of(group: Shape) -> list[Any]:
    """The members of a group that is started, joined to it, or to the one that it is itself a member of.

    Args:
        group: frozen.
    """
    options = group["options"]
    if options.get("group_id") is None:
        return joined(shapes.tasks(group), options["task_id"])
    body = options.get("chord")
    return shapes.tasks(group) if body is None else [with_body(member, body) for member in shapes.tasks(group)]


def joined(members: Sequence[Any], group_id: str, body: Shape | None = None, first: int = 0) -> list[Any]:
    """Members of a group whose last tasks know of it: their results count for it.

    Args:
        members: frozen; they are not changed.
        group_id: of the group.
        body: of the chord that the group is the header of.
        first: the place of the first of them.
    """
    index = first
    found = [shapes.draft(member) for member in members]
    pending = found[::-1]
    while pending:
        node = pending.pop()
        inner = _towards_the_end(node)
        if inner is None:
            node["options"].update(group_id=group_id, group_index=index)
            index += 1
        else:
            if shapes.kind(node) == GROUP:
                node["options"]["group_id"] = group_id
            pending.extend(reversed(inner))
    return found if body is None else [with_body(member, body) for member in found]


def added(members: Sequence[Any], group_id: str, body: Shape) -> list[Any]:
    """Members of a header that come to it while it runs: they have no place there, and so come last.

    Args:
        members: frozen; they are not changed.
        group_id: of the header.
        body: of the chord.
    """
    found = joined(members, group_id, body)
    for member in found:
        for leaf in leaves(member):
            leaf["options"]["group_index"] = None
    return found


def with_body(member: Shape, body: Shape) -> Draft:
    """A member whose end carries the chord's body: its last task; or its last group, which hands it to its tasks when it is started.

    Args:
        member: frozen; it is not changed.
        body: the chord's.
    """
    root = node = shapes.draft(member)
    while shapes.kind(node) != GROUP and (inner := _towards_the_end(node)) is not None:
        if not inner:
            return root
        (node,) = inner
    node["options"]["chord"] = body
    return root


def counted(workflow: Shape) -> Iterator[Any]:
    """The tasks at the end of a workflow that has not started, each with the body of the chord that its result would count for.

    Args:
        workflow: frozen.
    """
    pending: list[Any] = [workflow]
    while pending:
        node = pending.pop()
        form = shapes.kind(node)
        if form == CHAIN:
            pending.extend(shapes.tasks(node)[-1:])
        elif form == GROUP:
            body, members = shapes.option(node, "chord"), shapes.tasks(node)
            pending.extend(reversed(members if body is None else [with_body(member, body) for member in members]))
        elif form == CHORD:
            pending.append(shapes.body(node) or {"task": ""})
        elif shapes.option(node, "chain"):
            pending.append(node["options"]["chain"][0])
        else:
            yield node


def _towards_the_end(node: Draft) -> list[Draft] | None:
    """The parts, copied into it, that a draft's result comes from; ``None`` for a task that nothing follows."""
    form = shapes.kind(node)
    if form == GROUP:
        members: list[Draft] = [shapes.draft(member) for member in shapes.tasks(node)]
        node["kwargs"]["tasks"] = members
        return members
    if form == CHORD:
        holder: Any = node["kwargs"]
        key: Any = "body"
    elif form == CHAIN:
        holder, key = shapes.tasks(node), -1
        node["kwargs"]["tasks"] = holder
    elif node["options"].get("chain"):
        holder, key = list(node["options"]["chain"]), 0
        node["options"]["chain"] = holder
    else:
        return None
    if not holder:
        return []
    holder[key] = shapes.draft(holder[key])
    return [holder[key]]
