"""What follows a task that has ended."""

import pytest

from fakes import workflows as model
from umbel.canvas.freezing import freeze
from umbel.canvas.planning import plan
from umbel.canvas.signatures import Signature, chain, chord, group
from umbel.canvas.successors import ACCUMULATE, Ended, replace, start_body, successors
from umbel.errors import ImproperlyConfigured


def s(name, *args, **options):
    return Signature(name, args, options=options)


def followers(value=5, **ended):
    found = successors(Ended(id="me", root_id="root", **ended), value, model.counted())
    return (
        tuple(call for each in found for call in each.calls),
        tuple(record for each in found for record in each.records),
        tuple(each.handle for each in found),
    )


def freeze_each(signatures, naming):
    return [freeze(each, naming) for each in signatures]


@pytest.mark.parametrize(
    "callback", [s("a", 1), chain(s("a", 1), s("b")), group(s("a", 1)), chord([s("a", 1)], s("b"))], ids=["task", "chain", "group", "chord"]
)
def test_callbacks_of_every_kind(callback):
    (call,), _, (handle,) = followers(callbacks=[callback])
    assert (call.task, call.args) == ("a", (5, 1))
    assert (call.options["parent_id"], call.options["root_id"]) == ("me", "root")
    assert handle.id
    fixed = callback.clone()
    fixed["immutable"] = True
    assert followers(callbacks=[fixed])[0][0].args == (1,)


@pytest.mark.parametrize("kind", ["task", "chain", "group", "chord"])
def test_the_next_link_of_every_kind(kind):
    following = {
        "task": s("a"), "chain": chain(s("a"), s("x")), "group": group(s("a")), "chord": chord([s("a")], s("x")),
    }[kind]  # fmt: skip
    last, following = freeze_each([s("last"), following], model.counted())
    (call,), records, _ = followers(chain=[last, following])
    assert (call.task, call.args, call.options["parent_id"]) == ("a", (5,), "me")
    if kind in ("group", "chord"):
        (record,) = records
        after = [record.body, *reversed(record.body["options"]["chain"])]
    else:
        after = list(reversed(call.options["chain"]))
    assert [each["task"] for each in after] == {"task": ["last"], "chain": ["x", "last"], "group": ["last"], "chord": ["x", "last"]}[kind]


def test_the_last_link_says_that_nothing_follows():
    (call,), _, _ = followers(chain=freeze_each([s("a")], model.counted()))
    assert call.options["chain"] == ()
    assert followers(chain=[]) == ((), (), ())
    assert followers() == ((), (), ())


def test_a_body_inherits_what_the_chain_goes_on_with():
    last, made = freeze_each([s("last"), chord([s("a")], s("b"))], model.counted())
    (call,), (record,), _ = followers(chain=[last, made], priority=3)
    assert record.body["options"]["priority"] == 3
    ended = model.ended_of(call.options)
    (body,) = start_body(record.body, [1], ended, model.counted()).calls
    assert (body.task, body.args, body.options["priority"], body.options["root_id"]) == ("b", ([1],), 3, "root")
    assert [each["task"] for each in body.options["chain"]] == ["last"]


REPLACEMENTS = {
    "a task": s("a", 1),
    "a chain": chain(s("a", 1), s("b")),
    "a group": group(s("a", 1), s("b")),
    "a chord": chord([s("a", 1), s("c")], s("b")),
    "a chord with a group for a body": chord([s("a", 1)], group(s("b"), s("c"))),
    "a chain that ends in a group": s("a", 1) | group(s("b"), s("c")),
    "a group in a group": group(group(s("a", 1)), s("b")),
}


def replaced(around, replacement):
    """Run a workflow whose task ``me`` replaces itself."""
    workers = model.Workers()
    planned = plan(around, model.counted())
    workers.take(planned)
    (own,) = [call for call in workers.waiting if call.task == "me"]
    workers.waiting.remove(own)
    workers.take(replace(model.ended_of(own.options), replacement, model.counted("new")))
    workers.run()
    return workers, workers.value(planned.handle), own.id


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_a_replacement_stands_in_its_place(name):
    replacement = REPLACEMENTS[name]
    value = model.meaning(replacement)
    workers, found, own_id = replaced(s("me"), replacement)
    assert found == workers.results[own_id] == value
    for options in workers.ran:
        assert options["root_id"] == own_id
    workers, found, _ = replaced(chain(s("me"), s("next")), replacement)
    assert found == ["next", value]
    workers, found, _ = replaced(chord([s("other"), s("me"), s("third")], s("sum")), replacement)
    assert found == ["sum", [["other"], value, ["third"]]]
    workers, found, _ = replaced(group(chord([s("me")], s("sum")), s("other")), replacement)
    assert found == [["sum", [value]], ["other"]]


def test_what_a_replacement_takes_over():
    ended = Ended(id="me", root_id="root", callbacks=[s("done")], errbacks=[s("failed")], nesting=1)
    planned = replace(ended, chain(s("a"), s("b")), model.counted())
    (call,) = planned.calls
    (last,) = call.options["chain"]
    assert planned.handle.id == "me"
    assert (last["options"]["task_id"], last["options"]["link"], last["options"]["link_error"]) == ("me", [s("done")], [s("failed")])
    assert call.options["link_error"] == [s("failed")]
    assert "link" not in call.options
    assert call.options["replaced_task_nesting"] == last["options"]["replaced_task_nesting"] == 2
    (call,) = replace(Ended(id="me", root_id="root", chain=[s("next")], nesting=1), s("a"), model.counted()).calls
    assert call.options["replaced_task_nesting"] == call.options["chain"][0]["options"]["replaced_task_nesting"] == 2
    with pytest.raises(ImproperlyConfigured, match="empty chain"):
        replace(ended, chain(), model.counted())


def test_an_own_id_of_the_replacement_gives_way():
    (call,) = replace(Ended(id="me", root_id="me"), s("a", task_id="other"), model.counted()).calls
    assert call.id == "me"


def test_results_of_a_group_are_handed_on_by_a_task():
    planned = replace(Ended(id="me", root_id="me"), group(s("a"), s("b")), model.counted())
    (record,) = planned.records
    assert (record.body["task"], record.body["kwargs"], record.body["options"]["task_id"]) == (ACCUMULATE, {"index": 0}, "me")


def test_a_frozen_workflow_may_replace():
    frozen = freeze(chain(s("a"), s("b")), model.counted())
    assert replace(Ended(id="me", root_id="me"), frozen, model.counted()).handle.id == "me"
