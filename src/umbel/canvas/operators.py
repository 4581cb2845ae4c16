"""``a | b``: putting workflows together, as one table.

Whatever the right side is, the left side decides what is made::

    left   makes   out of
    task   chain   the task, then the steps of the right side
    chain  chain   its steps, then those of the right side; a group at its end becomes a chord
    group  chord   the group as header, the right side as body
    chord  chord   its header, and its body | the right side

So ``|`` is associative, and ``chain(a, b, c)`` is ``a | b | c``. As in Celery (5.7), a group of one on the right side of anything but a group
is its member.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from umbel.canvas import shapes
from umbel.canvas.opening import flat, open_chain, open_into_chord
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, TASK, Draft, Shape

#: Kind of the left side → kind of what is made.
MAKES: Final = {TASK: CHAIN, CHAIN: CHAIN, GROUP: CHORD, CHORD: CHORD}


def combine(left: Shape, right: Shape) -> Draft:
    """``left | right``.

    Args:
        left: runs first.
        right: gets its result.
    """
    form = shapes.kind(left)
    if form == GROUP:
        return open_into_chord(left, right)
    if form == CHORD:
        chord = open_into_chord(left)
        body = shapes.body(chord)
        chord["kwargs"]["body"] = right if body is None else combine(body, _unrolled(right))
        return chord
    return _continued(left, [_unrolled(right)])


def compose(workflows: Iterable[Shape]) -> Draft:
    """``a | b | …`` of any number, in time that grows with their number alone; of one, a chain of it.

    Args:
        workflows: one after the other.
    """
    parts = list(workflows)
    if len(parts) < 2:
        return shapes.chain_of(parts if not parts or shapes.kind(parts[0]) != CHAIN else flat(*parts))
    first, second, *rest = parts
    if MAKES[shapes.kind(first)] == CHORD:
        return combine(first, second if not rest else compose((second, *rest)))
    return _continued(first, [*map(_unrolled, (second, *rest))])


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
