"""Freezing: every task, group and chord of a workflow gets its id before anything is sent, so that results can be asked for at once.

The frozen form is that in which later parts of a workflow wait inside messages (Celery 5.7's): tasks have ``task_id`` and ``reply_to``, a group
has its id as ``task_id``, a chord that of its header; a chain in a group has that of its last step. Arguments and options stand at tasks alone,
chains are flat, and what follows a chord's body inside it stands in the body's option ``chain``, reversed, as in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.opening import flat, header_group, open_chord, open_group
from umbel.canvas.shapes import CHAIN, CHORD, GROUP, Draft, Shape


@dataclass(frozen=True, slots=True)
class Naming:
    """The way in which a workflow is frozen.

    Args:
        new_id: makes an id.
        reply_to: where results go that are sent as messages; ``None`` leaves it to who publishes.
        errbacks_in_header: error callbacks of a chord are its header's, too (``task_allow_error_cb_on_chord_header``).
        most_copied: bytes that a chord's body may take in all messages of its header; a larger one waits in the result store. 0 for no limit.
        polled_every: seconds between the looks of the task that waits for a chord's header; ``None`` where the result store counts its members.
        chord_timeout: seconds that a chord's header has to end (``task_chord_timeout``); ``None`` is no limit.
    """

    new_id: Callable[[], str]
    reply_to: str | None = None
    errbacks_in_header: bool = False
    most_copied: int = 0
    polled_every: float | None = None
    chord_timeout: float | None = None


def freeze(workflow: Shape, naming: Naming) -> Draft:
    """A frozen copy. Ids that are there already are kept, so that freezing twice changes nothing; but of tasks with one id only the last keeps it.

    A signature that was frozen may be used more than once, and a task may be replaced by a workflow that it is a part of
    (`signature_from_request`). A chord whose header has one id twice would wait for a result too many.

    Args:
        workflow: any signature.
        naming: makes the ids.

    Raises:
        TypeError: a group has a callback, or a chord no body.
    """
    root = shapes.draft(workflow)
    compounds: list[Draft] = []
    tasks: list[Draft] = []
    pending = [root]
    while pending:
        node = pending.pop()
        form = shapes.kind(node)
        if form == CHAIN:
            parts = _chain(node, naming)
        elif form == GROUP:
            parts = _group(node, naming)
        elif form == CHORD:
            parts = _chord(node, naming)
        else:
            parts = _task(node, naming)
            tasks.append(node)
        if form in (CHAIN, GROUP):
            compounds.append(node)
        elif form == CHORD:
            compounds.append(node["kwargs"]["header"])
        pending.extend(reversed(parts))
    _tell_apart(tasks, naming)
    for node in reversed(compounds):
        if shapes.kind(node) == GROUP:
            _number(node)
        else:
            node["options"] = {"task_id": result_id(node)}
    return root


def result_id(workflow: Shape) -> str | None:
    """The id that a frozen workflow's result has: its last task's, or its last group's.

    Args:
        workflow: frozen.
    """
    node: Any = workflow
    while True:
        form = shapes.kind(node)
        if form == CHAIN:
            steps = shapes.tasks(node)
            if not steps:
                return None
            node = steps[-1]
        elif form == CHORD:
            node = shapes.body(node)
        elif shapes.option(node, "chain"):
            node = node["options"]["chain"][0]
        else:
            found: str | None = shapes.option(node, "task_id")
            return found


def leaves(workflow: Shape) -> Iterator[Any]:
    """The tasks whose results are a workflow's result, in order: those that a chord counts.

    Args:
        workflow: frozen, or any other.
    """
    pending: list[Any] = [workflow]
    while pending:
        node = pending.pop()
        form = shapes.kind(node)
        if form == CHAIN:
            pending.extend(shapes.tasks(node)[-1:])
        elif form == GROUP:
            pending.extend(reversed(shapes.tasks(node)))
        elif form == CHORD:
            pending.append(shapes.body(node))
        elif shapes.option(node, "chain"):
            pending.append(node["options"]["chain"][0])
        else:
            yield node


def task_ids(workflow: Shape) -> Iterator[str]:
    """The ids of all tasks of a frozen workflow, and of what follows them in it.

    Args:
        workflow: frozen.
    """
    pending: list[Any] = [workflow]
    while pending:
        node = pending.pop()
        form = shapes.kind(node)
        if form in (CHAIN, GROUP):
            pending.extend(reversed(shapes.tasks(node)))
        elif form == CHORD:
            pending.extend((shapes.body(node), *reversed(shapes.header(node))))
        else:
            yield node["options"]["task_id"]
            pending.extend(node["options"].get("chain") or ())


def _chain(node: Draft, naming: Naming) -> list[Draft]:
    steps = [shapes.draft(step) for step in flat(node, errbacks_in_header=naming.errbacks_in_header)]
    node.update(args=(), kwargs={"tasks": steps}, options={}, immutable=False)
    return steps


def _group(node: Draft, naming: Naming) -> list[Draft]:
    members = [shapes.draft(member) for member in open_group(node)]
    options = {name: value for name, value in node["options"].items() if name in ("task_id", "group_id", "group_index", "chord")}
    options["task_id"] = options.get("task_id") or naming.new_id()
    node.update(args=(), kwargs={"tasks": members}, options={**options, "root_id": None, "parent_id": None}, immutable=False)
    return members


def _chord(node: Draft, naming: Naming) -> list[Draft]:
    members, body = open_chord(node, errbacks_in_header=naming.errbacks_in_header)
    if body is None or shapes.is_empty(body):
        raise TypeError("a chord needs a body, which its results go to: chord(header, body), or chord(header)(body)")
    group_id = shapes.option(header_group(node), "task_id") or naming.new_id()
    group = shapes.group_of([shapes.draft(member) for member in members], {"task_id": group_id, "root_id": None, "parent_id": None})
    first, *rest = flat(body, errbacks_in_header=naming.errbacks_in_header)
    body = shapes.draft(first)
    if rest:
        body["options"]["chain"] = [*reversed(rest), *(body["options"].get("chain") or ())]
    node.update(args=(), kwargs={"kwargs": {}, "header": group, "body": body}, options={"task_id": group_id}, immutable=False)
    return [*group["kwargs"]["tasks"], body]


def _task(node: Draft, naming: Naming) -> list[Draft]:
    options = node["options"]
    options["task_id"] = options.get("task_id") or naming.new_id()
    if naming.reply_to is not None:
        options.setdefault("reply_to", naming.reply_to)
    for name in ("link", "link_error"):
        if options.get(name):
            options[name] = [shapes.copied(each) for each in shapes.listed(options[name])]
    if not options.get("chain"):
        return []
    options["chain"] = following = [shapes.draft(each) for each in options["chain"]]
    return following


def _tell_apart(tasks: list[Draft], naming: Naming) -> None:
    """Give all but the last of the tasks with one id another: the last is the one whose result the workflow's is."""
    taken: set[str] = set()
    for node in reversed(tasks):
        options = node["options"]
        if options["task_id"] in taken:
            options["task_id"] = naming.new_id()
        taken.add(options["task_id"])


def _number(group: Draft) -> None:
    """Give the tasks that a group's results come from their places in it."""
    for index, leaf in enumerate(leaves(group)):
        leaf["options"].setdefault("group_index", index)
