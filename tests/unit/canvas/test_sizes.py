"""Workflows may be long, wide and deep: time, memory and messages grow with their parts."""

import json

import pytest

from fakes import workflows as model
from umbel.canvas.freezing import freeze
from umbel.canvas.planning import plan
from umbel.canvas.signatures import Signature, chain, chord, group
from umbel.messages.validation import check_embed


def s(name="add", *args):
    return Signature(f"tasks.{name}", args)


def own_size(workflow):
    """Bytes of the signatures as they were written, with ids of the usual length."""
    frozen = freeze(workflow, model.counted("0" * 36, reply_to="0" * 36))
    return len(json.dumps(frozen))


def planned(workflow):
    return plan(workflow, model.counted("0" * 36, reply_to="0" * 36))


def sizes(found):
    """Bytes of each message, and of the plan: there what several calls share is counted once."""
    messages = [len(json.dumps([call.args, call.kwargs, call.options])) for call in found.calls]
    return messages, sum(
        len(json.dumps([call.args, call.kwargs])) + shared_size(call.options, seen) for seen in [set()] for call in found.calls
    )


def shared_size(value, seen):
    total = 0
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if id(node) in seen:
                continue
            seen.add(id(node))
            total += sum(len(name) + 6 for name in node) + 2
            pending.extend(node.values())
        elif isinstance(node, (list, tuple)):
            total += 2 + 2 * len(node)
            pending.extend(node)
        else:
            total += len(json.dumps(node))
    return total


def chord_of(many):
    return group(s("add", place) for place in range(many)) | s("sum")


def nested_chord(depth):
    workflow = s("leaf")
    for _ in range(depth):
        workflow = chord([workflow, s("add", 1), s("add", 2)], s("sum"))
    return workflow


WORKFLOWS = {
    "a chain of 10,000": lambda: chain(s("add", place) for place in range(10_000)),
    "a chain of 20 chords of 100": lambda: chain(chord_of(100) for _ in range(20)),
    "a task and 20 chords of 100": lambda: chain(s(), *(chord_of(100) for _ in range(20))),
    "six chords in one another": lambda: nested_chord(6),
    "a hundred chords in one another": lambda: nested_chord(100),
    "a chord of chains that end in groups": lambda: chord([s() | group([s()] * 100)] * 10, chain([s("sum")] * 100)),
    "ten groups in a row": lambda: chain(group([s()] * 10) for _ in range(10)),
    "a group of 10,000": lambda: group([s()] * 10_000),
}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_messages_are_no_larger_than_what_is_in_them(name):
    workflow = WORKFLOWS[name]()
    own = own_size(workflow)
    messages, whole = sizes(planned(workflow))
    assert max(messages) <= 1.5 * own
    assert whole <= 3 * own


def test_operators_build_long_chains():
    workflow = s()
    for place in range(3000):
        workflow |= s("add", place)
    assert len(workflow.tasks) == 3001
    mixed = s()
    for _ in range(300):
        mixed = mixed | group(s(), s()) | s("sum")
    assert len(mixed.tasks) == 301
    assert len(planned(workflow).calls[0].options["chain"]) == 3000
    (call,) = planned(mixed).calls
    check_embed({"chain": call.options["chain"]})


def test_long_chains_run_to_their_end():
    workflow = chain(Signature("t", immutable=True) for _ in range(300))
    found, workers = model.outcome(workflow)
    assert found == ["t"]
    assert len(workers.ran) == 300


@pytest.mark.parametrize("depth", [150])
def test_deep_workflows_run(depth):
    workflow = nested_chord(depth)
    found, workers = model.outcome(workflow)
    assert len(workers.ran) == 3 * depth + 1
    assert json.dumps(found) == json.dumps(model.meaning(workflow))


def test_thousands_of_levels_of_what_is_flat():
    workflow = s("first")
    for _ in range(3000):
        workflow = chain(workflow, s())
    assert len(workflow.tasks) == 3001


def test_planning_nested_ten_thousand_times_does_not_recurse():
    """JSON could not carry it, but nothing here minds."""
    workflow = {"task": "leaf"}
    for _ in range(10_000):
        workflow = {"task": "celery.chord", "subtask_type": "chord", "kwargs": {"header": [workflow], "body": {"task": "sum"}}}
    found = planned(workflow)
    assert len(found.calls) == 1
    assert len(found.records) == 10_000
