"""`Workflow`: a tree of tasks and groups as it stood when it was read. The nodes are a flat row, so that no depth is too deep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from umbel import states
from umbel.results.progress import Progress
from umbel.results.workflow import dot

#: States that do not change by waiting. EXPIRED and UNKNOWN are concluded from a missing record.
SETTLED = states.READY_STATES | {states.UNKNOWN, states.EXPIRED, states.IGNORED}
#: States in which nothing went wrong.
_WELL = frozenset({states.SUCCESS, states.IGNORED})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowNode:
    """One task, or one group.

    Args:
        id: the task's or the group's.
        is_group: it is a group: the header of a chord, too.
        name: of the task, where a record or the handle knows it.
        state: of the task; of a group concluded from those of its members.
        parent_id: what it hangs under; ``None`` for the root.
        follows: it runs after what it hangs under has ended: the next step of a chain, the body of a chord. Else it is a member of that group, or was sent
            by that task.
        children: ids of what hangs under it, in order.
        members: ids of the results in a group, in order; those that were cut off too.
        date_done: when it ended, or last changed.
        seconds: from when it could run to its end, waiting in a queue included; ``None`` where that is not known.
        error: of a task that failed: its exception in one line.
        progress: of a running task that tells it.
        is_open: it has not ended, and may still do so: nothing that it waits for has failed.
        is_waited_for: it is open, and all that it follows has ended: it runs, or waits for a worker.
    """

    id: str
    is_group: bool = False
    name: str | None = None
    state: str
    parent_id: str | None = None
    follows: bool = False
    children: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    date_done: datetime | None = None
    seconds: float | None = None
    error: str | None = None
    progress: Progress | None = None
    is_open: bool = False
    is_waited_for: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Render what JSON can hold: parts that say nothing are left out, except for ``name`` and ``children``."""
        found: dict[str, Any] = {
            "id": self.id,
            "kind": "group" if self.is_group else "task",
            "name": self.name,
            "state": self.state,
            "children": list(self.children),
        }
        optional = {
            "parent_id": self.parent_id,
            "follows": self.follows,
            "members": list(self.members),
            "date_done": self.date_done.isoformat() if self.date_done else None,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "error": self.error,
            "progress": self.progress.to_meta() if self.progress else None,
            "waited_for": self.is_waited_for,
        }
        found.update((name, value) for name, value in optional.items() if value not in (None, False, []))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A tree of tasks and groups. Iteration yields its nodes, each before what hangs under it; ``workflow[id]`` is one of them.

    Args:
        nodes: each before what hangs under it; the first is the root.
        cut: what was left out and why, in words; ``None`` where all is there.
    """

    nodes: tuple[WorkflowNode, ...]
    cut: str | None = None
    _by_id: Mapping[str, WorkflowNode] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {node.id: node for node in self.nodes})

    def __iter__(self) -> Iterator[WorkflowNode]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> WorkflowNode:
        return self._by_id[id]

    def get(self, id: str) -> WorkflowNode | None:
        """Return a node; ``None`` where there is none of this id.

        Args:
            id: of a task or a group.
        """
        return self._by_id.get(id)

    @property
    def root(self) -> WorkflowNode:
        """The node that everything began with."""
        return self.nodes[0]

    @property
    def tasks(self) -> list[WorkflowNode]:
        """The nodes that are no groups."""
        return [node for node in self.nodes if not node.is_group]

    @property
    def counts(self) -> dict[str, int]:
        """State → how many tasks are in it, the most frequent first."""
        return dict(Counter(node.state for node in self.nodes if not node.is_group).most_common())

    @property
    def waited_for(self) -> list[WorkflowNode]:
        """The tasks that run, or wait for a worker."""
        return [node for node in self.nodes if node.is_waited_for and not node.is_group]

    def ready(self) -> bool:
        """Report whether nothing of it will run any more."""
        return not any(node.is_open for node in self.nodes)

    def successful(self) -> bool:
        """Report whether all tasks have succeeded, or keep no result."""
        return all(node.state in _WELL for node in self.nodes if not node.is_group)

    def failed(self) -> bool:
        """Report whether a task has failed or was revoked."""
        return any(node.state in states.PROPAGATE_STATES for node in self.nodes)

    def to_dict(self) -> dict[str, Any]:
        """Render what JSON can hold. The nodes are a list, and name one another by their ids."""
        return {"root": self.root.id, "counts": self.counts, "cut": self.cut, "nodes": [node.to_dict() for node in self.nodes]}

    def to_dot(self) -> str:
        """Render a graph for Graphviz; dashed lines lead to what a task has sent, dotted ones to the members of a group."""
        lines = ["digraph workflow {", "  node [shape=box, style=filled];"]
        for node in self.nodes:
            name = f"{len(node.members):,} members" if node.is_group else node.name or node.id
            label, shape = dot.quoted(f"{name}\n{node.state}"), ", shape=folder" if node.is_group else ""
            lines.append(f"  {dot.quoted(node.id)} [label={label}, fillcolor={dot.color(node.state)}{shape}];")
            if node.parent_id is not None:
                style = "solid" if node.follows else "dotted" if self._by_id[node.parent_id].is_group else "dashed"
                lines.append(f"  {dot.quoted(node.parent_id)} -> {dot.quoted(node.id)} [style={style}];")
        return "\n".join([*lines, "}", ""])
