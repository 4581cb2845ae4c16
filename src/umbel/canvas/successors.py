"""Successors of a task that has ended: its callbacks, the next link of its chain, the body of its chord, what it is replaced by.

Each may be a task, a chain, a group or a chord. What was frozen keeps its ids; callbacks get theirs here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel.canvas import shapes
from umbel.canvas.freezing import Naming, freeze
from umbel.canvas.handles import handle_of
from umbel.canvas.opening import flat
from umbel.canvas.planning import Lineage, Plan, start
from umbel.canvas.shapes import GROUP, Draft, Shape
from umbel.errors import ImproperlyConfigured

#: The task that hands on the results of a group that replaces a task.
ACCUMULATE: Final = "celery.accumulate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A task that has ended, by the fields of its message.

    Args:
        id: its own.
        root_id: the task that everything began with.
        callbacks: signatures that take its result.
        errbacks: signatures that take its failure.
        chain: the remaining links, reversed.
        chord: the body that its result counts for.
        group: the group that it is a member of.
        group_index: its place there.
        nesting: how often it was replaced (``replaced_task_nesting``).
        priority: what its successors inherit; ``None`` where they do not.
    """

    id: str
    root_id: str
    callbacks: Sequence[Shape] = ()
    errbacks: Sequence[Shape] = ()
    chain: Sequence[Shape] | None = None
    chord: Shape | None = None
    group: str | None = None
    group_index: int | None = None
    nesting: int = 0
    priority: int | None = None

    @property
    def lineage(self) -> Lineage:
        """The lineage of what follows it."""
        return Lineage(root_id=self.root_id, parent_id=self.id, priority=self.priority)


def successors(ended: Ended, value: Any, naming: Naming) -> tuple[Plan, ...]:
    """Plan what follows a success: each callback, then the next link.

    Args:
        ended: the task.
        value: what it returned.
        naming: makes the ids of callbacks.

    Raises:
        TypeError: one of them cannot be started: a chord without a body, a group with a callback.
    """
    plans = [_follow(callback, (value,), None, ended, naming) for callback in ended.callbacks or ()]
    if ended.chain:
        *rest, following = ended.chain
        plans.append(_follow(following, (value,), rest, ended, naming))
    return tuple(plans)


def start_body(body: Shape, values: Sequence[Any], last: Ended, naming: Naming) -> Plan:
    """The body of a chord, when the results of its header are there.

    Args:
        body: as the header's messages carry it.
        values: the results, in order.
        last: the task that ended last.
        naming: for what has no id.
    """
    return _follow(body, (list(values),), None, last, naming)


def replace(ended: Ended, replacement: Shape, naming: Naming) -> Plan:
    """Plan what a task is replaced by. The last task takes over the id, so that the result is found where it was promised, and all that follows.

    The results of a group are handed on as one, by `ACCUMULATE`.

    Args:
        ended: the task that is replaced.
        replacement: any signature; no empty chain.
        naming: makes the ids of what comes before its last task.

    Raises:
        ImproperlyConfigured: there is nothing in the replacement.
    """
    steps = flat(replacement)
    if not steps:
        raise ImproperlyConfigured("Cannot replace with an empty chain: there is nothing to run in the task's place")
    if shapes.kind(steps[-1]) == GROUP or _ends_in_group(steps[-1]):
        steps = flat(*steps, {"task": ACCUMULATE, "kwargs": {"index": 0}})
    nesting = ended.nesting + 1
    if len(steps) > 1:
        steps = [_nested(step, nesting) for step in steps]
    inherited: dict[str, Any] = {
        "task_id": ended.id,
        "link": list(ended.callbacks or ()),
        "link_error": list(ended.errbacks or ()),
        "group_id": ended.group,
        "group_index": ended.group_index,
        "chord": ended.chord,
        "chain": [_nested(link, nesting) for link in ended.chain or ()],
    }
    chained: Any = steps[0] if len(steps) == 1 else shapes.chain_of(steps)
    taking_over = shapes.merged(chained, options={name: value for name, value in inherited.items() if value not in (None, [])})
    lineage = Lineage(root_id=ended.root_id, parent_id=ended.id, priority=ended.priority, nesting=nesting)
    return _plan(freeze(taking_over, naming), (), None, lineage, naming)


def _nested(step: Shape, nesting: int) -> Draft:
    """A step that tells how often what it belongs to was replaced. As in Celery (5.7), all steps do: of the replacement, and of the chain that it is in."""
    return shapes.merged(step, options={"replaced_task_nesting": nesting})


def _ends_in_group(step: Shape) -> bool:
    node: Any = step
    while shapes.kind(node) == shapes.CHORD and shapes.body(node) is not None:
        node = shapes.body(node)
    return shapes.kind(node) == GROUP


def _follow(signature: Shape, args: tuple[Any, ...], rest: Sequence[Any] | None, ended: Ended, naming: Naming) -> Plan:
    frozen = freeze(signature, naming)
    return _plan(frozen, () if signature.get("immutable") else args, rest, ended.lineage, naming)


def _plan(frozen: Draft, args: tuple[Any, ...], rest: Sequence[Any] | None, lineage: Lineage, naming: Naming) -> Plan:
    return Plan(*start(frozen, args, rest, lineage=lineage, naming=naming), handle_of(frozen))
