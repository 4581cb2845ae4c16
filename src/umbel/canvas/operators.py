"""``a | b``: putting workflows together, as one table.

Whatever the right side is, the left side decides what is made::

    left   makes   out of
    task   chain   the task, then the steps of the right side
    chain  chain   its steps, then those of the right side; a group at its end becomes a chord
    group  chord   the group as header, the right side as body
    chord  chord   its header, and its body | the right side

So ``|`` is associative, and ``chain(a, b, c)`` is ``a | b | c``. As in Celery (5.7), a group of one on the right side of anything but a group
is its member, and so is one that a chain begins with. An empty group on the right side adds nothing, nor does it in a chain; as the left side it
is an empty header: ``group() | a`` calls ``a([])``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from umbel.canvas import shapes
from umbel.canvas.opening import flat, open_chain, open_into_chord, with_tasks
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, TASK, Draft, Shape

#: Kind of the left side → kind of what is made.
MAKES: Final = {TASK: CHAIN, CHAIN: CHAIN, GROUP: CHORD, CHORD: CHORD}


def combine(left: Shape, right: Shape) -> Draft:
    """``left | right``.

    Args:
        left: runs first.
        right: gets its result.
    """
    if not shapes.has_tasks(right):
        return shapes.draft(left) if MAKES[shapes.kind(left)] == CHORD else _continued(left, [])
    return _combined(left, right if shapes.kind(left) == GROUP else _unrolled(right))


def _combined(left: Shape, right: Shape) -> Draft:
    """The same with a right side that is as it should be."""
    form = shapes.kind(left)
    if form == GROUP:
        return open_into_chord(left, right)
    if form == CHORD:
        chord = open_into_chord(left)
        body = shapes.body(chord)
        chord["kwargs"]["body"] = right if body is None else _combined(body, right)
        return chord
    return _continued(left, [right])


def compose(workflows: Iterable[Shape]) -> Draft:
    """``a | b | …`` of any number, in time that grows with their number alone; of one, a chain of it.

    Args:
        workflows: one after the other.
    """
    given = with_tasks(list(workflows))
    parts = [_unrolled(each) for each in given]
    if len(parts) < 2:
        return shapes.chain_of(flat(*parts))
    if shapes.kind(parts[0]) == GROUP:
        parts[1] = given[1]
    return _composed(parts)


def _composed(parts: list[Any]) -> Draft:
    """The same of two and more, which are as they should be."""
    first, second, *rest = parts
    if MAKES[shapes.kind(first)] == CHORD:
        return _combined(first, second if not rest else _composed([second, *rest]))
    return _continued(first, [second, *rest])


def _continued(left: Shape, following: list[Any]) -> Draft:
    """A task or chain, and more. Of a chain only the last step is looked at: the others are as they should be."""
    steps = [left] if shapes.kind(left) == TASK else open_chain(left)
    return shapes.chain_of([*steps[:-1], *flat(*steps[-1:], *following)])


def _unrolled(right: Shape) -> Any:
    """The member of a group of one."""
    if shapes.kind(right) == GROUP:
        members = shapes.tasks(right)
        if len(members) == 1:
            from_group = {name: value for name, value in (right.get("options") or {}).items() if name != "task_id"}
            return shapes.merged(members[0], right.get("args") or (), shapes.own_kwargs(right), from_group) if from_group else members[0]
    return right
