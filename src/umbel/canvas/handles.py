"""Handles of frozen workflows: ids, and how they hang together. An app makes result objects of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """One result: a task's, or a group's.

    Args:
        id: the task's or the group's.
        name: of the task; ``None`` for a group.
        parent: the result before it.
        members: frozen signatures, for a group.
        ignore_result: what the call says of it; ``None``: nothing.
    """

    id: str
    name: str | None
    parent: Handle | None = field(repr=False)
    members: tuple[Any, ...] | None = field(default=None, repr=False)
    ignore_result: bool | None = None

    @property
    def is_group(self) -> bool:
        """It stands for the results of a group."""
        return self.members is not None

    @property
    def children(self) -> Iterator[Handle]:
        """The results in a group."""
        for member in self.members or ():
            found = handle_of(member)
            if found is not None:
                yield found

    @property
    def holds_groups(self) -> bool:
        """One of the results in it is that of a group: its value is not a row of tasks' values."""
        return any(child.is_group for child in self.children)

    def as_tuple(self) -> list[Any]:
        """Its form in records and messages: ``[[id, parent], members]``."""
        found: list[Any] | None = None
        for each in (*reversed(list(self.parents)), self):
            members = [child.as_tuple() for child in each.children] if each.is_group else None
            found = [[each.id, found], members]
        assert found is not None
        return found

    @property
    def parents(self) -> Iterator[Handle]:
        """The results before it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def handle_of(frozen: Shape, parent: Handle | None = None) -> Handle | None:
    """The handle of a frozen workflow; ``None`` for an empty chain.

    Args:
        frozen: see `umbel.canvas.freezing`.
        parent: the result before it.
    """
    pending: list[Any] = [frozen]
    while pending:
        node = pending.pop()
        form = shapes.kind(node)
        if form == CHAIN:
            pending.extend(reversed(shapes.tasks(node)))
        elif form == GROUP:
            parent = Handle(node["options"]["task_id"], None, parent, tuple(shapes.tasks(node)))
        elif form == CHORD:
            parent = Handle(node["options"]["task_id"], None, parent, tuple(shapes.header(node)))
            pending.append(shapes.body(node))
        else:
            parent = Handle(node["options"]["task_id"], node["task"], parent, None, node["options"].get("ignore_result"))
            pending.extend(node["options"].get("chain") or ())
    return parent
