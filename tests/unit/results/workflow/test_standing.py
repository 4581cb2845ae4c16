"""What is concluded from how tasks hang together and from their records; no store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from umbel.messages.ids import uuid7
from umbel.results.model import Record
from umbel.results.progress import Progress
from umbel.results.workflow import Workflow
from umbel.results.workflow.links import Links
from umbel.results.workflow.standing import workflow_of


def chain(*ids, before=None):
    """The tuple of the last of these, each after the one before it; a pair is a group with its members."""
    node = before
    for each in ids:
        node = [[each, node], None] if isinstance(each, str) else [[each[0], node], [chain(*member) for member in each[1]]]
    return node


def draw(tree, absent: str = "PENDING", **records: str | Record) -> Workflow:
    """Draw a tree, each of whose tasks has a state, a record, or neither; all have been looked up."""
    links = Links(tree, 1000)
    for entry in links.entries.values():
        entry.is_read = True
        known = records.get(entry.id)
        entry.record = Record(task_id=entry.id, status=known) if isinstance(known, str) else known
    return workflow_of(links, lambda _: absent)


CHORD = chain("a", ("g", [["m0", "m1"], ["n"]]), "body", "end")


def waited_for(workflow: Workflow) -> str:
    return " ".join(node.id for node in workflow.waited_for)


@pytest.mark.parametrize(
    ("records", "group", "waits", "ready"),
    [
        ({}, "PENDING", "a", False),
        ({"a": "SUCCESS"}, "PENDING", "m0 n", False),
        ({"a": "SUCCESS", "m0": "SUCCESS"}, "PENDING", "m1 n", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "n": "STARTED"}, "STARTED", "m1 n", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS"}, "STARTED", "n", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS", "n": "RETRY"}, "STARTED", "n", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS", "n": "SUCCESS"}, "SUCCESS", "body", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS", "n": "SUCCESS", "body": "PROGRESS"}, "SUCCESS", "body", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS", "n": "SUCCESS", "body": "SUCCESS", "end": "SUCCESS"}, "SUCCESS", "", True),
        # what failed ends what follows it, not what runs beside it
        ({"a": "FAILURE"}, "PENDING", "", True),
        ({"a": "REVOKED"}, "PENDING", "", True),
        ({"a": "SUCCESS", "n": "FAILURE"}, "FAILURE", "m0", False),
        ({"a": "SUCCESS", "m0": "FAILURE", "n": "SUCCESS"}, "FAILURE", "", True),
        # the body of a chord is failed while other members run
        ({"a": "SUCCESS", "m0": "SUCCESS", "n": "FAILURE", "body": "FAILURE"}, "FAILURE", "m1", False),
        ({"a": "SUCCESS", "m0": "SUCCESS", "m1": "SUCCESS", "n": "FAILURE", "body": "FAILURE"}, "FAILURE", "", True),
        # no record of a task that something came after: it keeps no result
        ({"m0": "SUCCESS"}, "PENDING", "m1 n", False),
        ({"body": "SUCCESS"}, "PENDING", "end", False),
        ({"end": "SUCCESS"}, "PENDING", "", True),
    ],
)
def test_what_is_waited_for(records, group, waits, ready):
    workflow = draw(CHORD, **records)
    if "body" not in records and "end" not in records:
        assert workflow["g"].state == group
    assert (waited_for(workflow), workflow.ready()) == (waits, ready)


def test_states_of_what_has_no_record():
    assert draw(chain("a"), absent="UNKNOWN").root.state == "UNKNOWN"
    assert draw(chain("a"), absent="EXPIRED").ready()
    workflow = draw(chain("a", "b", "c"), absent="UNKNOWN", a="SUCCESS")
    # "c" has not been sent, whatever its id says
    assert [node.state for node in workflow] == ["SUCCESS", "PENDING", "PENDING"]
    assert [node.state for node in draw(chain("a", "b", "c"), absent="EXPIRED", a="SUCCESS")] == ["SUCCESS", "EXPIRED", "PENDING"]


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ("", "SUCCESS"),
        ("SUCCESS SUCCESS", "SUCCESS"),
        ("SUCCESS PENDING", "STARTED"),
        ("PENDING PENDING", "PENDING"),
        ("SUCCESS FAILURE STARTED", "FAILURE"),
        ("REVOKED PENDING", "FAILURE"),
        ("MINE PENDING", "STARTED"),
    ],
)
def test_states_of_groups(members, state):
    found = {f"m{place}": word for place, word in enumerate(members.split())}
    workflow = draw(chain(("g", [[name] for name in found])), **found)
    assert workflow.root.state == state
    nested = draw(chain(("outer", [[("g", [[name] for name in found])]])), **found)
    assert nested.root.state == state


def test_counts_and_verdicts():
    workflow = draw(CHORD, a="SUCCESS", m0="SUCCESS", n="FAILURE")
    assert workflow.counts == {"PENDING": 3, "SUCCESS": 2, "FAILURE": 1}
    assert (workflow.successful(), workflow.failed()) == (False, True)
    assert len(workflow.tasks) == len(workflow) - 1 == 6


NOON = 1_893_456_000.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOON + seconds, UTC).isoformat()


def ended(task_id: str, seconds: float, **fields) -> Record:
    return Record(task_id=task_id, status="SUCCESS", date_done=at(seconds), **fields)


def test_times_begin_when_a_task_could_run():
    first, second, third, body, other = (uuid7(NOON, bytes([number] * 10)) for number in range(5))
    workflow = draw(
        chain(first, ("g", [[second], [third]]), body, other),
        **{first: ended(first, 2), second: ended(second, 5), third: ended(third, 4), body: ended(body, 5.5)},
    )
    assert [workflow[each].seconds for each in (first, second, third, body, other)] == [2.0, 5.0, 4.0, 0.5, None]
    assert workflow["g"].date_done == datetime.fromtimestamp(NOON + 5, UTC)


def test_times_of_what_a_task_has_sent():
    sender, link, later = uuid7(NOON), uuid7(NOON), uuid7(NOON + 1)
    links = Links(sender, 10)
    links.add([[link, None], None], sender)
    links.add([[later, None], None], sender)
    for task_id, seconds in ((sender, 2), (link, 5), (later, 3)):
        links.entries[task_id].record = ended(task_id, seconds)
    workflow = workflow_of(links, lambda _: "PENDING")
    # The id of the link was made with that of its sender, so it is the next step; the other was sent meanwhile.
    assert (workflow[link].seconds, workflow[later].seconds) == (3.0, 2.0)


def test_times_that_nothing_tells():
    workflow = draw(chain("a", "b"), a=Record(task_id="a", status="SUCCESS", date_done="nonsense"), b=ended("b", 3))
    assert [(node.seconds, node.date_done is None) for node in workflow] == [(None, True), (None, False)]


def test_names_errors_and_progress():
    failure = {"exc_type": "ValueError", "exc_message": ["no", 5], "exc_module": "builtins"}
    workflow = draw(
        chain("a", "b", "c"),
        a=Record(task_id="a", status="SUCCESS", extended={"name": "shop.price"}),
        b=Record(task_id="b", status="PROGRESS", result={"current": 1, "total": 4}),
        c=Record(task_id="c", status="FAILURE", result=failure),
    )
    assert [node.name for node in workflow] == ["shop.price", None, None]
    assert [node.progress for node in workflow] == [None, Progress(1, 4), None]
    assert [node.error for node in workflow] == [None, None, "ValueError: no 5"]
    long = draw(chain("a"), a=Record(task_id="a", status="FAILURE", result={"exc_type": "E", "exc_message": "x" * 900}))
    assert len(long.root.error or "") == 200


def test_json():
    workflow = draw(chain("a", ("g", [["m"]]), "b"), a=ended("a", 1), m="STARTED")
    assert workflow.to_dict() == {
        "root": "a",
        "counts": {"SUCCESS": 1, "STARTED": 1, "PENDING": 1},
        "cut": None,
        "nodes": [
            {"id": "a", "kind": "task", "name": None, "state": "SUCCESS", "children": ["g"], "date_done": at(1)},
            {
                "id": "g", "kind": "group", "name": None, "state": "STARTED", "children": ["m", "b"], "parent_id": "a", "follows": True,
                "members": ["m"], "waited_for": True,
            },
            {"id": "m", "kind": "task", "name": None, "state": "STARTED", "children": [], "parent_id": "g", "waited_for": True},
            {"id": "b", "kind": "task", "name": None, "state": "PENDING", "children": [], "parent_id": "g", "follows": True},
        ],
    }  # fmt: skip


def test_dot():
    text = draw(chain("a", ("g", [['m"\\']])), a=Record(task_id="a", status="SUCCESS", extended={"name": "two\nlines"})).to_dot()
    assert text.splitlines() == [
        "digraph workflow {",
        "  node [shape=box, style=filled];",
        '  "a" [label="two\\nlines\\nSUCCESS", fillcolor=palegreen];',
        '  "g" [label="1 members\\nPENDING", fillcolor=gray92, shape=folder];',
        '  "a" -> "g" [style=solid];',
        '  "m\\"\\\\" [label="m\\"\\\\\\nPENDING", fillcolor=gray92];',
        '  "g" -> "m\\"\\\\" [style=dotted];',
        "}",
    ]


def test_looking_nodes_up():
    workflow = draw(chain("a", "b"))
    assert workflow["b"] is workflow.get("b")
    assert workflow.get("z") is None
    assert "a" in workflow
    assert "z" not in workflow
    with pytest.raises(KeyError):
        _ = workflow["z"]
