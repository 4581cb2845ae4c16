"""Taking chains, groups and chords apart: their own arguments and options go one level down, to the parts that they are meant for.

================ ========================= ============== =========================
option           of a chain                of a group     of a chord
================ ========================= ============== =========================
task_id          the last step             the group      the body
link             the last step, or         refused        the body, or the first
                 every task of a group                    task of a group, which
                                                          then is immutable
link_error       every step                every member   the body (and, where
                                                          asked for, the header)
countdown, eta   the first step            every member   the header
membership       the last step             the group      the body
chain            the last step             –              the body
all others       the first step            every member   header and body
================ ========================= ============== =========================

Membership is ``group_id``, ``group_index`` and ``chord``: of what the results count for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from umbel.canvas import shapes
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, Draft, Shape

MEMBERSHIP: Final = ("group_id", "group_index", "chord")
_OF_THE_LAST: Final = frozenset({"task_id", "link", "chain", *MEMBERSHIP})
_OF_THE_GROUP: Final = frozenset({"task_id", "chain", *MEMBERSHIP})
_OF_THE_HEADER: Final = frozenset({"countdown", "eta"})
#: Unset, they say no more than absent.
_KIN: Final = frozenset({"root_id", "parent_id"})


def open_chain(chain: Shape) -> list[Any]:
    """The steps of a chain. As in Celery (5.7), those without tasks, such as empty groups, are none where others are.

    Args:
        chain: any.
    """
    steps = with_tasks(shapes.tasks(chain))
    args, kwargs, options = _own(chain)
    if steps and chain.get("immutable"):
        steps[0] = _immutable(shapes.merged(steps[0], args, kwargs))
        args, kwargs = (), {}
    if not steps or not (args or kwargs or options):
        return steps
    last = {name: options.pop(name) for name in _OF_THE_LAST & options.keys()}
    errbacks = options.pop("link_error", None)
    steps[0] = shapes.merged(steps[0], args, kwargs, options)
    if last:
        callbacks = last.pop("link", None)
        steps[-1] = shapes.merged(steps[-1], options=last)
        if callbacks:
            steps[-1] = _linked(steps[-1], callbacks)
    if errbacks:
        steps = [shapes.merged(step, options={"link_error": errbacks}) for step in steps]
    return steps


def with_tasks(steps: list[Any]) -> list[Any]:
    """Those of a chain's steps in which anything runs. If nothing does, a group stays: a chain of an empty one is worth a list.

    Args:
        steps: signatures.
    """
    return list(filter(shapes.has_tasks, steps)) or [step for step in steps if shapes.kind(step) == GROUP][-1:] or steps


def open_group(group: Shape) -> list[Any]:
    """The members of a group, those of groups in it included.

    Args:
        group: any.

    Raises:
        TypeError: it has a callback: there is no one result to call it with.
    """
    found: list[Any] = []
    pending = [group]
    while pending:
        node = pending.pop()
        if shapes.kind(node) == GROUP:
            pending.extend(reversed(_members(node)))
        else:
            found.append(node)
    return found


def _members(group: Shape) -> list[Any]:
    members = shapes.tasks(group)
    args, kwargs, options = _own(group)
    if options.pop("link", None):
        raise TypeError("a group has no one result that its callback could take: write group(…) | callback")
    for name in _OF_THE_GROUP & options.keys():
        del options[name]
    if args or kwargs or options:
        members = [shapes.merged(member, args, kwargs, options) for member in members]
    return [_immutable(member) for member in members] if group.get("immutable") else members


def open_chord(chord: Shape, *, errbacks_in_header: bool = False) -> tuple[list[Any], Any]:
    """The members of a chord's header, and its body.

    Args:
        chord: any.
        errbacks_in_header: error callbacks of the chord are the header's, too (``task_allow_error_cb_on_chord_header``).
    """
    body = shapes.body(chord)
    members = open_group(header_group(chord))
    args, kwargs, options = _own(chord)
    errbacks = options.get("link_error")
    if is_frozen(chord):
        options.pop("task_id", None)  # there it is the header's
    if args or kwargs or options:
        of_header = {name: value for name, value in options.items() if name not in _OF_THE_LAST and name != "link_error"}
        members = [shapes.merged(member, args, kwargs, of_header) for member in members]
        if body is not None:
            body = _body_with(body, {name: value for name, value in options.items() if name not in _OF_THE_HEADER})
    if errbacks and errbacks_in_header:
        members = [shapes.merged(member, options={"link_error": errbacks}) for member in members]
    if chord.get("immutable"):
        members = [_immutable(member) for member in members]
    return members, body


def _body_with(body: Shape, options: dict[str, Any]) -> Any:
    """The body of a chord with options. What a group comes to is no one result: a callback follows its first task, and does not take the result."""
    callbacks = options.get("link") if shapes.kind(body) == GROUP else None
    if not callbacks:
        return shapes.merged(body, options=options)
    body = shapes.merged(body, options={name: value for name, value in options.items() if name != "link"})
    first, *others = shapes.tasks(body) or [None]
    if first is not None:
        once = [_immutable(callback) for callback in shapes.listed(callbacks)]
        body["kwargs"]["tasks"] = [_body_with(first, {"link": once}), *others]
    return body


def _linked(step: Shape, callbacks: Any) -> Draft:
    """The last step of a chain with callbacks; of a group, each of its tasks has them."""
    if shapes.kind(step) != GROUP:
        return shapes.merged(step, options={"link": callbacks})
    new = shapes.draft(step)
    new["kwargs"]["tasks"] = [_linked(member, callbacks) for member in shapes.tasks(step)]
    return new


def open_into_chord(chord_or_group: Shape, body: Any = None, *, errbacks_in_header: bool = False) -> Draft:
    """A chord without arguments and options of its own, whose header keeps its id.

    Args:
        chord_or_group: a chord, or the group that becomes the header of one.
        body: what follows the group.
        errbacks_in_header: as in `open_chord`.
    """
    group = chord_or_group
    if shapes.kind(group) == GROUP:
        members = open_group(group)
    else:
        members, body = open_chord(group, errbacks_in_header=errbacks_in_header)
        group = header_group(chord_or_group)
    group_id = shapes.option(group, "task_id")
    if group_id is None:
        return shapes.chord_of(members, body)
    return shapes.chord_of(shapes.group_of(members, {"task_id": group_id}), body, {"task_id": group_id})


def is_frozen(chord: Shape) -> bool:
    """Say that a chord's ``task_id`` is its header's, as in messages, and not what its caller wants the body to have.

    Args:
        chord: any.
    """
    return shapes.option(header_group(chord), "task_id") is not None


def header_group(chord: Shape) -> Shape:
    """A chord's header as a group.

    Args:
        chord: any.
    """
    header = (chord.get("kwargs") or {}).get("header") or ()
    return header if isinstance(header, Mapping) else shapes.group_of(list(header))


def flat(*workflows: Shape, errbacks_in_header: bool = False) -> list[Any]:
    """Workflows that follow one another, as steps none of which is a chain.

    A group that something follows becomes a chord with it for a body. A chord's body is one step; what follows it there follows the chord.
    So a workflow of any length is a list, and not a tree as deep as it is long.

    Args:
        workflows: one after the other.
        errbacks_in_header: as in `open_chord`.
    """
    steps: list[Any] = []
    pending: list[Any] = list(reversed(workflows))
    last: Any = None  # the step that was found last…
    holder: Any = steps  # … and where it stands
    key: Any = 0
    bodiless: Draft | None = None
    while pending:
        node = pending.pop()
        if shapes.kind(node) == CHAIN:
            pending.extend(reversed(open_chain(node)))
            continue
        is_chord = shapes.kind(node) == CHORD
        if is_chord:
            node = open_into_chord(node, errbacks_in_header=errbacks_in_header)
            following = node["kwargs"]["body"]
            if following is not None:
                pending.append(following)
        if bodiless is not None:
            holder, key = bodiless["kwargs"], "body"
        elif last is not None and shapes.kind(last) == GROUP:
            holder[key] = upgraded = open_into_chord(last)
            holder, key = upgraded["kwargs"], "body"
        else:
            steps.append(None)
            holder, key = steps, len(steps) - 1
        holder[key] = last = node
        bodiless = node if is_chord else None
    return steps


def _own(compound: Shape) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Arguments, keyword arguments and options that a compound has for its parts."""
    options = {name: value for name, value in (compound.get("options") or {}).items() if value is not None or name not in _KIN}
    return tuple(compound.get("args") or ()), shapes.own_kwargs(compound), options


def _immutable(shape: Shape) -> Draft:
    new = shapes.draft(shape)
    new["immutable"] = True
    return new
