"""The messages of workflows are Celery's, field by field: what a client publishes, and what workers publish after it."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import re
from typing import Any

import pytest

from golden import captures, test_publish
from umbel import Umbel
from umbel.app.sending.options import PublishOptions
from umbel.brokers.topology import Destination
from umbel.canvas.freezing import Naming
from umbel.canvas.planning import Plan, PlannedCall, plan
from umbel.canvas.signatures import Signature, StampingVisitor, chain, chord, chunks, group, xmap, xstarmap
from umbel.canvas.successors import Ended, replace, start_body, successors
from umbel.testing.clock import FakeClock
from umbel.wire.message import Message

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def s(name: str, *args: Any, immutable: bool = False) -> Signature[Any]:
    return Signature(f"tasks.{name}", args, immutable=immutable)


def add(*args: Any) -> Signature[Any]:
    return s("add", *args)


def two() -> tuple[Any, Any]:
    return add(1, 1), add(2, 2)


class Stamps(StampingVisitor):
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"mtask_id": "m-1", "stamped_headers": ["mtask_id"]}


def stamped(workflow: Signature[Any], *visitor: StampingVisitor, **stamps: Any) -> Signature[Any]:
    workflow.stamp(*visitor, **stamps)
    return workflow


def errback() -> Signature[Any]:
    return s("errback")


XSUM = s("xsum")
#: Scenario → the workflow, and calling options.
PUBLISHED: dict[str, tuple[Signature[Any], dict[str, Any]]] = {
    "chain_3": (add(2, 3) | add(4) | s("mul", 5), {}),
    "chain_immutable": (chain(s("add", 2, 3, immutable=True), s("add", 4, 4, immutable=True)), {}),
    "chain_with_link_error": (chain(add(2, 3), add(4)), {"link_error": errback()}),
    "chain_options": (chain(add(2, 3).set(queue="q1", priority=3), add(4).set(countdown=7)), {}),
    "group_2": (group(*two()), {}),
    "group_of_chains": (group(chain(add(1, 1), add(5)), chain(add(2, 2), add(6))), {}),
    "chord_2": (chord(two(), XSUM), {}),
    "chord_empty": (chord([], XSUM), {}),
    "chord_with_errback": (chord([add(1, 1), s("fail")], XSUM.clone().on_error(errback())), {}),
    "chain_then_group": (add(1, 1) | group(add(2), add(3)), {}),
    "chain_group_task": (add(1, 1) | group(add(2), add(3)) | XSUM, {}),
    "group_then_task": (group(*two()) | XSUM, {}),
    "chord_of_chains": (chord([chain(add(1, 1), add(5)), add(2, 2)], XSUM), {}),
    "nested_chord": (chord([chord(two(), XSUM), add(3, 3)], XSUM), {}),
    "map_": (xmap(XSUM, [[1, 2], [3, 4]]), {}),
    "starmap": (xstarmap(add(), [(1, 2), (3, 4)]), {}),
    "chunks": (chunks(add(), ((i, i) for i in range(4)), 2).group(), {}),
    "stamped": (stamped(add(2, 3), monitoring_id="abc-1", tags=["t1", "t2"]), {}),
    "stamped_append": (stamped(stamped(add(2, 3), tag="a"), append_stamps=True, tag="b"), {}),
    "stamped_visitor_chain": (stamped(chain(add(2, 3), add(4)).set(link_error=[errback()]), Stamps()), {}),
    "stamped_chord": (stamped(chord(two(), XSUM), batch="b-1"), {}),
    "link_and_link_error": (add(2, 3), {"link": s("mul", 10), "link_error": s("errback", "x", immutable=True)}),
}
PUBLISHED |= {f"proto1_{name}": PUBLISHED[name] for name in ("chain_3", "chord_2", "group_2")}


@pytest.fixture(scope="module")
def app():
    with Umbel("golden", broker="memory://", set_as_current=False, time=FakeClock(captures.NOW)) as app:
        for name in ("tasks.add", "tasks.mul", "tasks.xsum", "tasks.fail", "tasks.slow", "tasks.replaceme", "celery.map", "celery.starmap"):
            app.task(lambda: None, name=name)
        yield app


def rendered(app: Umbel, call: PlannedCall, reply_to: str, protocol: int = 2) -> tuple[Message, Destination]:
    app.outbox._sender = dataclasses.replace(app.outbox.sender, origin=captures.ORIGIN, reply_to=reply_to, protocol=protocol)
    _, message, to = app.outbox.prepare(call.task, call.args, call.kwargs, PublishOptions.parse(call.options))
    return message, to


def renamed(messages: list[Any]) -> Any:
    """Messages whose ids are numbered as they are met, in JSON's order of keys."""
    numbers: dict[str, str] = {}
    text = json.dumps(messages, sort_keys=True)
    return json.loads(_ID.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers)}"), text))


def ids() -> Naming:
    numbers = itertools.count(1)
    return Naming(lambda: f"10000000-0000-4000-8000-{next(numbers):012d}")


@pytest.mark.parametrize("broker", captures.BROKERS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_client_publishes_celerys_messages(app, broker, name):
    expected = captures.published(broker)[name].messages
    reply_to = expected[0].message.properties["reply_to"]
    workflow, options = PUBLISHED[name]
    naming = dataclasses.replace(ids(), reply_to=reply_to)
    calls = plan(workflow, naming, options=options).calls
    found = [rendered(app, call, reply_to, 1 if name.startswith("proto1_") else 2) for call in calls]
    assert renamed([parts(message) for message, _ in found]) == renamed([parts(each.message) for each in expected])
    if broker == "rabbitmq":
        assert [to.routing_key for _, to in found] == [each.queue for each in expected]


def parts(message: Any) -> Any:
    return [json.loads(message.body), list(message.headers), message.headers, message.properties]


DOES: dict[str, Any] = {
    "tasks.add": lambda x, y: x + y,
    "tasks.mul": lambda x, y: x * y,
    "tasks.xsum": sum,
    "tasks.slow": lambda seconds: seconds,
    "celery.map": lambda task, it: [sum(each) for each in it],
}
FLOWS: dict[str, Signature[Any]] = {
    "chain_3": PUBLISHED["chain_3"][0],
    "chain_failing_2nd": chain(add(2, 3), s("fail"), s("mul", 5)).set(link_error=[errback()]),
    "chain_group_task": PUBLISHED["chain_group_task"][0],
    "chord_3": chord([add(1, 1), s("slow", 1.5), add(3, 3)], XSUM),
    "chord_header_fails": PUBLISHED["chord_with_errback"][0],
    "nested_chord": PUBLISHED["nested_chord"][0],
    "replace": s("replaceme", 2, 3),
    "map": PUBLISHED["map_"][0],
    "group_2_save": PUBLISHED["group_2"][0],
    "link": add(2, 3).set(link=[s("mul", 10)]),
    "link_error": s("fail").set(link_error=[errback()]),
    "stamped": stamped(add(2, 3), tenant="acme"),
}


#: There Celery's workers send the results of what follows to themselves; Umbel's to whoever waits for the task before it.
OTHERS_ADDRESS = ("link", "replace")


class Worker:
    """Runs messages in their order; the slow one last."""

    def __init__(self, app: Umbel, naming: Naming) -> None:
        self.app, self.naming = app, naming
        self.messages: list[Any] = []
        self.waiting: collections.deque[Any] = collections.deque()
        self.sizes: dict[str, int] = {}
        self.counted: dict[str, dict[int, Any]] = collections.defaultdict(dict)

    def publish(self, planned: Plan) -> None:
        self.sizes |= {record.group_id: record.size for record in planned.records}
        for call in planned.calls:
            message = rendered(self.app, call, self.naming.reply_to or "")[0]
            self.messages.append(message)
            self.waiting.append(message)

    def run(self) -> None:
        while self.waiting:
            if self.waiting[0].headers["task"] == "tasks.slow" and len(self.waiting) > 1:
                self.waiting.rotate(-1)
            self.execute(self.waiting.popleft())

    def execute(self, message: Any) -> None:
        headers = message.headers
        args, kwargs, embed = json.loads(message.body)
        ended = Ended(
            id=headers["id"],
            root_id=headers["root_id"],
            group=headers["group"],
            group_index=headers["group_index"],
            nesting=headers["replaced_task_nesting"],
            **embed,
        )
        if headers["task"] == "tasks.fail":
            return
        if headers["task"] == "tasks.replaceme":
            self.publish(replace(ended, add(*args), self.naming))
            return
        value = DOES[headers["task"]](*args, **kwargs)
        for planned in successors(ended, value, self.naming):
            self.publish(planned)
        if ended.chord is not None:
            found = self.counted[ended.group or ""]
            found[ended.group_index or 0] = value
            if len(found) == self.sizes[ended.group or ""]:
                self.publish(start_body(ended.chord, [found[place] for place in sorted(found)], ended, self.naming))


@pytest.mark.parametrize("name", FLOWS)
def test_workers_publish_celerys_messages(app, name):
    expected = captures.flows()[name]
    worker = Worker(app, dataclasses.replace(ids(), reply_to=expected[0]["properties"]["reply_to"]))
    worker.publish(plan(FLOWS[name], worker.naming))
    worker.run()
    found = [{"headers": each.headers, "properties": each.properties, "body": json.loads(each.body)} for each in worker.messages]
    for one, other in zip(found, expected, strict=True):
        for each in (one, other):
            each["headers"] = {**each["headers"], "origin": None}
        if other["headers"]["parent_id"] and name in OTHERS_ADDRESS:
            other["properties"]["reply_to"] = one["properties"]["reply_to"]
    assert renamed(found) == renamed(expected)


def test_all_workflows_are_rendered():
    assert set(captures.flows()) == set(FLOWS)
    assert test_publish.CANVAS <= set(PUBLISHED)
