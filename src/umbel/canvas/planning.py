"""Planning: which calls start a workflow, and what has to be on record before they are published. Nothing is sent here.

``plan(workflow, …)`` freezes and starts; `start` starts what is frozen already: a link of a chain, a chord's body. What runs later travels in
the messages of what runs first: the rest of a chain in the option ``chain``, reversed; a chord's body in ``chord`` of each header task. That is
Celery's form (5.7), which its workers understand.

Each part of a workflow stands in a message once: messages grow with what is still to come, not with how it is nested. The body of a chord is one
object that all calls of its header share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.freezing import Naming, freeze, leaves, task_ids
from umbel.canvas.handles import Handle, handle_of
from umbel.canvas.kept_parts import CHORD_DEADLINE, CHORD_UNLOCK, body_key, cut, first_task, is_to_be_kept, stand_in
from umbel.canvas.membership import joined, members_of
from umbel.canvas.opening import open_into_chord
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, Draft, Shape


@dataclass(frozen=True, slots=True)
class Lineage:
    """The task that a workflow comes from.

    Args:
        root_id: the task that everything began with; ``None`` at its beginning.
        parent_id: the task that this follows.
        priority: what a task without one inherits.
        nesting: how often the task that this replaces was replaced.
    """

    root_id: str | None = None
    parent_id: str | None = None
    priority: int | None = None
    nesting: int = 0


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One message to publish."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: Calling options: ids, membership, what follows (`link`, `link_error`, `chain`, `chord`), routing, …
    options: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The task's id."""
        found: str = self.options["task_id"]
        return found


@dataclass(frozen=True, slots=True)
class ChordStart:
    """To be recorded before a chord's header is published: how many results its body waits for."""

    group_id: str
    size: int
    #: Frozen.
    body: Shape
    #: The tree of its header's results (`Handle.as_tuple`) where it holds groups: the body gets their results as lists. ``None``: a row of results.
    header: list[Any] | None = None
    #: The name under which the body is to wait in the result store, where the messages of the header carry a stand-in.
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The start of a workflow: calls, and what to record before them."""

    calls: tuple[PlannedCall, ...]
    records: tuple[ChordStart, ...] = ()
    #: Of the workflow's result.
    handle: Handle | None = None
    #: The tasks that come later, by their ids.
    later: tuple[str, ...] = ()
    #: Parts of long chains that are to wait in the result store, with their names.
    kept: tuple[tuple[str, Shape], ...] = ()


def plan(
    workflow: Shape,
    naming: Naming,
    *,
    args: Iterable[Any] = (),
    kwargs: Shape | None = None,
    options: Shape | None = None,
    lineage: Lineage | None = None,
    most_chained: int = 0,
) -> Plan:
    """Plan ``workflow.apply_async(args, kwargs, **options)``.

    Args:
        workflow: any signature.
        naming: makes the ids.
        args: in front of the first tasks' own.
        kwargs: over the first tasks' own.
        options: calling options.
        lineage: whom it comes from.
        most_chained: bytes that the rest of a chain may take in a message; of a longer one, parts wait in the result store. 0 for no limit.

    Raises:
        TypeError: a group has a callback, or a chord no body.
    """
    frozen = freeze(shapes.merged(workflow, args, kwargs, options), naming)
    calls, records = start(frozen, lineage=lineage or Lineage(), naming=naming)
    at_once = {call.id for call in calls}
    later = tuple(each for each in task_ids(frozen) if each not in at_once)
    kept: list[tuple[str, Shape]] = []
    if most_chained:
        calls = tuple([_with_short_chain(call, most_chained, kept) for call in calls])
    return Plan(calls, records, handle_of(frozen), later, tuple(kept))


def _with_short_chain(call: PlannedCall, most: int, kept: list[tuple[str, Shape]]) -> PlannedCall:
    chain = call.options.get("chain")
    if not chain:
        return call
    near, parts = cut(chain, lambda number: f"{call.id}.chain.{number}", most)
    if not parts:
        return call
    kept += parts
    return replace(call, options={**call.options, "chain": near})


@dataclass(slots=True)
class _Starting:
    """Gathers the calls of what is started."""

    lineage: Lineage
    naming: Naming
    #: The place of the first member of the next chord.
    first: int = 0
    calls: list[PlannedCall] = field(default_factory=list)
    records: list[ChordStart] = field(default_factory=list)
    #: (what to start, arguments in front of its own, what follows it: reversed).
    pending: list[tuple[Any, tuple[Any, ...], Sequence[Any] | None]] = field(default_factory=list)


def start(
    frozen: Shape,
    args: tuple[Any, ...] = (),
    rest: Sequence[Any] | None = None,
    *,
    lineage: Lineage,
    naming: Naming,
    first: int = 0,
) -> tuple[tuple[PlannedCall, ...], tuple[ChordStart, ...]]:
    """The calls that start what is frozen, and what to record before them.

    Args:
        frozen: see `umbel.canvas.freezing`.
        args: the result that it follows.
        rest: what follows it, reversed: the remaining links of a chain.
        lineage: whom it comes from.
        naming: how chords are started.
        first: of a chord that is started in parts: the place of the first of these members.
    """
    starting = _Starting(lineage, naming, first)
    starting.pending.append((frozen, args, rest))
    while starting.pending:
        node, given, following = starting.pending.pop()
        form = shapes.kind(node)
        if form == CHAIN:
            steps = shapes.tasks(node)
            if steps:
                after = [*(following or ()), *reversed(steps[1:])]
                starting.pending.append((steps[0], given, after if after or following is not None else None))
        elif form == CHORD or (form == GROUP and following):
            _start_chord(starting, node, given, following)
        elif form == GROUP:
            starting.pending.extend((member, given, None) for member in reversed(members_of(node)))
        else:
            starting.calls.append(_call(node, given, following, lineage))
    return tuple(starting.calls), tuple(starting.records)


def _start_chord(starting: _Starting, node: Shape, args: tuple[Any, ...], rest: Sequence[Any] | None) -> None:
    if shapes.kind(node) == GROUP:
        assert rest
        node, rest = open_into_chord(node, rest[-1]), rest[:-1]
    group_id = node["options"]["task_id"]
    body = _body(shapes.body(node), group_id, rest, starting.lineage)
    size = sum(1 for member in shapes.header(node) for _ in leaves(member))
    every = starting.naming.polled_every
    is_kept = every is None and size > 1 and is_to_be_kept(body, size, starting.naming.most_copied)
    key = body_key(group_id) if is_kept else ""
    carried = stand_in(key, body) if is_kept else body
    members = joined(shapes.header(node), group_id, carried if every is None else None, starting.first)
    starting.first = 0
    if size and every is not None:
        starting.calls.append(_unlock(group_id, members, body, every))
    elif size:
        header = Handle(group_id, None, None, tuple(members))
        tree = header.as_tuple() if header.holds_groups else None
        starting.records.append(ChordStart(group_id, size, body, tree, key))
        own = shapes.option(first_task(body), "chord_timeout")
        after = starting.naming.chord_timeout if own is None else own
        if after:
            starting.calls.append(_deadline(header, body, carried, float(after)))
    else:
        starting.pending.append((body, (_values_of_nothing(members),), None))
    starting.pending.extend((member, args, None) for member in reversed(members))


def _unlock(group_id: str, members: Sequence[Any], body: Draft, every: float) -> PlannedCall:
    """The call of the task that waits for a chord's header, and goes where the body goes; as Celery sends it (5.7, ``Backend.fallback_chord_unlock``)."""
    for member in members:
        for leaf in leaves(member):
            leaf["options"]["ignore_result"] = False  # its end would be waited for in vain
    results = Handle(group_id, None, None, tuple(members)).as_tuple()[1]
    options = {**stand_in("", body)["options"], "task_id": f"{group_id}.unlock", "countdown": every, "add_to_parent": False}
    return PlannedCall(CHORD_UNLOCK, (group_id, body), {"result": results, "interval": every}, options)


def _deadline(header: Handle, body: Draft, carried: Shape, after: float) -> PlannedCall:
    """The call of the task that fails the body of a chord when its header has not ended by then."""
    options = {**stand_in("", body)["options"], "task_id": f"{header.id}.deadline", "countdown": after, "add_to_parent": False}
    return PlannedCall(CHORD_DEADLINE, (header.id, carried), {"after": after, "result": header.as_tuple()[1]}, options)


def _values_of_nothing(members: Iterable[Shape]) -> list[Any]:
    """List what workflows without tasks are worth: the lists that their groups are. An empty chain has no value, and so no place among them."""
    found = []
    for member in members:
        node: Any = member
        while shapes.kind(node) == CHORD or (shapes.kind(node) == CHAIN and shapes.tasks(node)):
            node = shapes.body(node) if shapes.kind(node) == CHORD else shapes.tasks(node)[-1]
        if not shapes.is_empty(node):
            found.append(_values_of_nothing(shapes.tasks(node)))
    return found


def _body(found: Shape, group_id: str, rest: Sequence[Any] | None, lineage: Lineage) -> Draft:
    """The body of a chord as its header's messages carry it."""
    body = last = shapes.draft(found)
    while shapes.kind(last) == CHORD or (rest and shapes.kind(last) == GROUP):
        if shapes.kind(last) == GROUP:
            last.update(open_into_chord(last, rest[-1]))  # type: ignore[index]  # `rest` is not empty here
            rest = rest[:-1]  # type: ignore[index]
        last["kwargs"]["body"] = last = shapes.draft(shapes.body(last))
    if rest is not None:
        last["options"]["chain"] = [*rest, *(last["options"].get("chain") or ())]
    if shapes.kind(body) == shapes.TASK:
        _tell_of_kin(body["options"], group_id, lineage, follows=rest is not None)
    return body


def _tell_of_kin(options: dict[str, Any], group_id: str, lineage: Lineage, *, follows: bool) -> None:
    if lineage.root_id is not None:
        options["root_id"] = lineage.root_id
        if follows:
            options["priority"] = lineage.priority
    if options.get("group_id") is None:
        options["group_id"] = group_id
    else:  # a member of another group: the task that publishes it is not its parent alone
        options.update(add_to_parent=False, root_id=lineage.root_id)


def _call(task: Shape, args: tuple[Any, ...], rest: Sequence[Any] | None, lineage: Lineage) -> PlannedCall:
    options = dict(task["options"])
    following = options.get("chain")
    if rest is not None or following is not None:
        options["chain"] = (*(rest or ()), *(following or ()))
    for name, value in (("root_id", lineage.root_id), ("parent_id", lineage.parent_id)):
        if options.get(name) is None:
            options.pop(name, None)
            if value is not None:
                options[name] = value
    if lineage.priority is not None and options.get("priority") is None:
        options["priority"] = lineage.priority
    if lineage.nesting:
        options["replaced_task_nesting"] = lineage.nesting
    own = tuple(task["args"])
    return PlannedCall(task["task"], own if task.get("immutable") else (*args, *own), dict(task["kwargs"]), options)
