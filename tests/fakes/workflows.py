"""A small model of workers, and what a workflow means: running the plans must come to the same.

Tasks are symbols: a call of ``f`` with arguments is worth ``["f", *arguments]``. Everything passes through JSON, as between processes.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.freezing import Naming
from umbel.canvas.handles import Handle
from umbel.canvas.opening import open_chain, open_chord, open_group
from umbel.canvas.planning import Plan, PlannedCall, plan
from umbel.canvas.successors import Ended, start_body, successors


def counted(prefix: str = "id", **named: Any) -> Naming:
    """Ids that count."""
    numbers = itertools.count(1)
    return Naming(lambda: f"{prefix}{next(numbers)}", **named)


def meaning(workflow: Any, given: tuple[Any, ...] = ()) -> Any:
    """The value of a workflow, by its structure."""
    form = shapes.kind(workflow)
    if form == shapes.CHAIN:
        value: Any = None
        for place, step in enumerate(open_chain(workflow)):
            value = meaning(step, given if place == 0 else (value,))
        return value
    if form == shapes.GROUP:
        return [meaning(member, given) for member in open_group(workflow)]
    if form == shapes.CHORD:
        members, body = open_chord(workflow)
        return meaning(body, ([meaning(member, given) for member in members],))
    own = shapes.merged(workflow, given)
    return [own["task"], *own["args"]]


class Workers:
    """Runs plans, in any order."""

    def __init__(self, order: int = 0) -> None:
        self.random = random.Random(order)
        self.naming = counted("later")
        self.waiting: list[PlannedCall] = []
        self.results: dict[str, Any] = {}
        self.ran: list[dict[str, Any]] = []
        self.sizes: dict[str, int] = {}
        self.headers: dict[str, Any] = {}
        self.counted: dict[str, dict[int, Any]] = {}
        self.messages: list[str] = []

    def take(self, planned: Plan) -> None:
        for record in planned.records:
            assert record.group_id not in self.sizes
            self.sizes[record.group_id] = record.size
            self.counted[record.group_id] = {}
            self.headers[record.group_id] = json.loads(json.dumps(record.header))
        self.waiting += planned.calls

    def run(self) -> None:
        while self.waiting:
            call = self.waiting.pop(self.random.randrange(len(self.waiting)))
            message = json.dumps([call.task, call.args, call.kwargs, call.options])
            self.messages.append(message)
            self.execute(*json.loads(message))

    def execute(self, task: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> None:
        own_id = options["task_id"]
        assert own_id not in self.results, "each id runs once"
        self.ran.append(options)
        value = [task, *args]
        if task == "celery.accumulate":
            value = args[kwargs["index"]]
        self.results[own_id] = value
        ended = ended_of(options)
        for each in successors(ended, value, self.naming):
            self.take(each)
        if ended.chord is not None:
            self.count(ended, value)

    def count(self, ended: Ended, value: Any) -> None:
        assert ended.group is not None and ended.group_index is not None and ended.chord is not None
        found = self.counted[ended.group]
        assert ended.group_index not in found, "each place is filled once"
        found[ended.group_index] = value
        if len(found) == self.sizes[ended.group]:
            assert sorted(found) == list(range(len(found)))
            header = self.headers[ended.group]
            values = [found[index] for index in sorted(found)] if header is None else self.arranged(header[1])
            self.take(start_body(ended.chord, values, ended, self.naming))

    def arranged(self, members: list[Any]) -> list[Any]:
        """The results in a tree."""
        return [self.results[own_id] if inner is None else self.arranged(inner) for (own_id, _), inner in members]

    def value(self, handle: Handle) -> Any:
        """What a caller reads of a result."""
        if handle.is_group:
            return [self.value(child) for child in handle.children]
        return self.results[handle.id]


def ended_of(options: dict[str, Any]) -> Ended:
    """A task that ran with these options."""
    return Ended(
        id=options["task_id"],
        root_id=options.get("root_id") or options["task_id"],
        callbacks=options.get("link") or (),
        errbacks=options.get("link_error") or (),
        chain=options.get("chain"),
        chord=options.get("chord"),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
        nesting=options.get("replaced_task_nesting", 0),
    )


def outcome(workflow: Any, *args: Any, order: int = 0) -> tuple[Any, Workers]:
    """The value of a workflow, by running it."""
    workers = Workers(order)
    planned = plan(json.loads(json.dumps(workflow)), counted(), args=args)
    workers.take(planned)
    workers.run()
    assert planned.handle is not None
    return workers.value(planned.handle), workers
