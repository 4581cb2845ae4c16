"""Bodies that are too large to be copied into each message of their header."""

from itertools import count

import pytest

from umbel.canvas import kept_parts
from umbel.canvas.freezing import Naming
from umbel.canvas.planning import plan
from umbel.wire import kombu_json


def sig(name, **options):
    return {"task": name, "args": (), "kwargs": {}, "options": options, "subtask_type": None, "immutable": False}


def group_of(*members):
    return {
        "task": "celery.group",
        "args": (),
        "kwargs": {"tasks": list(members)},
        "options": {},
        "subtask_type": "group",
        "immutable": False,
    }


def chain_of(*steps):
    return {
        "task": "celery.chain",
        "args": (),
        "kwargs": {"tasks": list(steps)},
        "options": {},
        "subtask_type": "chain",
        "immutable": False,
    }


def naming(most):
    numbers = count()
    return Naming(new_id=lambda: f"id-{next(numbers)}", most_copied=most)


def wide(stages, members):
    return chain_of(
        *(step for stage in range(stages) for step in (group_of(*(sig(f"m{stage}") for _ in range(members))), sig(f"b{stage}")))
    )


def size_of(planned):
    kept = sum(len(kombu_json.dumps(record.body)) for record in planned.records if record.kept)
    return kept + sum(len(kombu_json.dumps([call.args, call.kwargs, call.options])) for call in planned.calls)


def test_messages_grow_with_the_workflow_not_with_its_square():
    workflow = wide(20, 100)
    own = len(kombu_json.dumps(workflow))
    assert size_of(plan(workflow, naming(1 << 20))) <= 3 * own
    assert size_of(plan(workflow, naming(0))) > 50 * own


def test_small_bodies_travel():
    planned = plan(wide(2, 3), naming(1 << 20))
    (record,) = planned.records
    assert record.kept == ""
    assert {call.options["chord"]["task"] for call in planned.calls} == {"b0"}


def test_large_ones_leave_a_stand_in_that_goes_where_they_go():
    workflow = chain_of(group_of(sig("m"), chain_of(sig("m"), sig("n"))), sig("b", queue="q", link_error=[sig("e")]), sig("c"))
    planned = plan(workflow, naming(10))
    (record,) = planned.records
    assert (record.kept, record.body["task"], record.size) == (f"{record.group_id}.body", "b", 2)
    first, second = planned.calls
    stand_in = first.options["chord"]
    assert stand_in == second.options["chain"][0]["options"]["chord"]
    assert (stand_in["task"], stand_in["kwargs"], stand_in["options"]) == ("umbel.start_kept", {"key": record.kept}, {"queue": "q"})
    assert kept_parts.kept_key(stand_in) == record.kept


def test_a_header_of_one_carries_its_body():
    assert plan(chain_of(group_of(sig("m")), sig("b"), sig("c")), naming(10)).records[0].kept == ""


def test_what_json_cannot_hold_travels():
    body = sig("b") | {"args": (object(),)}
    assert not kept_parts.is_to_be_kept(body, 1000, 10)


@pytest.mark.parametrize("body", [sig("b"), {"task": "umbel.start_kept"}, {"task": "umbel.start_kept", "kwargs": {"key": 5}}])
def test_other_bodies_have_no_key(body):
    assert kept_parts.kept_key(body) == ""


def links_after(planned):
    """Follow a plan's only call: the tasks that run after it, in their order, as the parts that wait are read."""
    kept = dict(planned.kept)
    (call,) = planned.calls
    chain = list(call.options["chain"])
    found = []
    while chain:
        link = chain.pop()
        key = kept_parts.kept_key(link)
        if key:
            assert not chain, "a stand-in is the last link"
            chain = kept_parts.links_of(kept.pop(key))
        else:
            found.append(link["task"])
    assert not kept
    return found


@pytest.mark.parametrize("links", [66, 97, 98, 1000])
def test_a_long_chain_waits_in_parts(links):
    workflow = chain_of(*(sig(f"t{number}") for number in range(links)))
    planned = plan(workflow, naming(0), most_chained=1000)
    assert len(planned.calls[0].options["chain"]) <= 33
    assert all(len(kept_parts.links_of(part)) <= 33 for _, part in planned.kept)
    assert links_after(planned) == [f"t{number}" for number in range(1, links)]
    assert len(planned.later) == links - 1


@pytest.mark.parametrize(("links", "most"), [(65, 0), (65, 1 << 20), (65, 10)])
def test_a_short_one_travels(links, most):
    assert plan(chain_of(*(sig("t") for _ in range(links))), naming(0), most_chained=most).kept == ()
