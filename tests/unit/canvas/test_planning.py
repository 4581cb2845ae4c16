"""Ids, membership, and where arguments and options go."""

import pytest

from fakes import workflows as model
from umbel.canvas import shapes
from umbel.canvas.freezing import Naming, freeze, result_id
from umbel.canvas.handles import handle_of
from umbel.canvas.planning import Lineage, plan, start
from umbel.canvas.signatures import Signature, chain, chord, group
from umbel.canvas.successors import Ended, start_body


def s(name, *args, **options):
    return Signature(name, args, options=options)


def calls(workflow, *args, **how):
    found = plan(workflow, model.counted(), args=args, **how)
    return {call.task: call for call in found.calls}


def ends(call):
    return {name: call.options.get(name) for name in ("group_id", "group_index", "chord")}


def test_ids_that_are_given_are_kept():
    own = chain(s("a", task_id="A"), chord([s("b", task_id="B")], s("c", task_id="C")))
    assert result_id(freeze(own, model.counted())) == "C"
    found = calls(chain(s("a"), s("b")), options={"task_id": "mine"})
    assert found["a"].id != "mine"
    assert found["a"].options["chain"][0]["options"]["task_id"] == "mine"
    found = calls(group(s("a"), s("b")), options={"task_id": "G"})
    assert {call.options["group_id"] for call in found.values()} == {"G"}
    found = calls(chord([s("a")], s("b")), options={"task_id": "body"})
    assert found["a"].options["chord"]["options"]["task_id"] == "body"


def test_of_tasks_with_one_id_the_last_keeps_it():
    twin = s("a", task_id="A")
    frozen = freeze(chord([twin, twin], s("b", task_id="B")), model.counted())
    first, second = (member["options"]["task_id"] for member in shapes.header(frozen))
    assert (second, result_id(frozen)) == ("A", "B")
    assert first not in ("A", "B")
    assert freeze(frozen, model.counted()) == frozen
    replacing = freeze(chord([twin, s("b")], s("c", task_id="A")), model.counted())
    assert result_id(replacing) == "A"
    assert "A" not in [member["options"]["task_id"] for member in shapes.header(replacing)]


def test_where_options_of_a_chain_go():
    done, failed = s("done"), s("failed")
    found = calls(chain(s("a"), s("b"), s("c")), 1, options={"link": [done], "link_error": failed, "countdown": 3, "queue": "q"})
    first = found["a"]
    third, second = first.options["chain"]
    assert first.args == (1,)
    assert (first.options["countdown"], first.options["queue"], first.options["link_error"]) == (3, "q", [failed])
    assert "link" not in first.options
    assert second["options"].keys() == {"task_id", "link_error"}
    assert third["options"].keys() == {"task_id", "link", "link_error"}


def test_where_options_of_a_chord_go():
    workflow = chord([s("a"), chain(s("b"), s("c"))], s("d"))
    options = {"countdown": 3, "queue": "q", "link": [s("done")], "link_error": [s("failed")]}
    found = calls(workflow, 1, kwargs={"k": 2}, options=options)
    assert [(call.args, call.kwargs) for call in found.values()] == [((1,), {"k": 2})] * 2
    for call in found.values():
        assert (call.options["countdown"], call.options["queue"]) == (3, "q")
        assert not {"link", "link_error"} & call.options.keys()
    body = found["a"].options["chord"]
    assert body["options"].keys() == {"queue", "link", "link_error", "task_id", "group_id"}
    assert "countdown" not in found["b"].options["chain"][0]["options"]


def test_error_callbacks_of_the_header_when_asked_for():
    workflow = chain(s("x"), chord([s("a"), chain(s("b"), s("c"))], s("d")))
    naming = model.counted(errbacks_in_header=True)
    frozen = freeze(workflow.set(link_error=[s("failed")]), naming)
    made = frozen["kwargs"]["tasks"][1]
    plain, chained = made["kwargs"]["header"]["kwargs"]["tasks"]
    everyone = [frozen["kwargs"]["tasks"][0], plain, *chained["kwargs"]["tasks"], made["kwargs"]["body"]]
    assert [each["task"] for each in everyone] == ["x", "a", "b", "c", "d"]
    assert all(each["options"]["link_error"] == [s("failed")] for each in everyone)


def test_places_in_a_group_are_counted_along():
    """Celery gives the tasks of an inner group places that are taken already."""
    workflow = chord([group(s("a"), s("b")), chain(s("c"), group(s("d"), s("e"))), chord([s("f")], s("g")), s("h")], s("sum"))
    found = plan(workflow, model.counted())
    (outer,) = (record for record in found.records if record.body["task"] == "sum")
    assert outer.size == 6
    places = {}
    for call in found.calls:
        places[call.task] = call.options.get("group_index"), call.options.get("group_id") == outer.group_id
        for waiting in call.options.get("chain") or ():
            places |= {each["task"]: (each["options"]["group_index"], True) for each in waiting["kwargs"]["tasks"]}
    inner = next(call for call in found.calls if call.task == "f").options["chord"]
    places["g"] = inner["options"]["group_index"], inner["options"]["group_id"] == outer.group_id
    assert places == {
        "a": (0, True),
        "b": (1, True),
        "c": (None, False),
        "d": (2, True),
        "e": (3, True),
        "f": (0, False),
        "g": (4, True),
        "h": (5, True),
    }


def test_a_body_is_one_object_for_all_that_carry_it():
    found = plan(chord([s("a"), chain(s("b"), s("c")), s("d")], s("e")), model.counted())
    bodies = [call.options.get("chord") or call.options["chain"][0]["options"]["chord"] for call in found.calls]
    assert len({id(body) for body in bodies}) == 1


def test_an_empty_header_starts_the_body_at_once():
    for workflow in (chord([], s("b")), chord([group()], s("b")), group() | s("b")):
        found = plan(workflow, model.counted())
        assert [(call.task, call.args) for call in found.calls] == [("b", ([],))]
        assert found.records == ()


def test_nothing_to_start():
    assert plan(chain(), model.counted()).calls == ()
    assert plan(chain(), model.counted()).handle is None
    found = plan(group(), model.counted())
    assert (found.calls, found.handle.is_group, list(found.handle.children)) == ((), True, [])


def test_what_cannot_be_started():
    with pytest.raises(TypeError, match="a chord needs a body"):
        plan(chord([s("a")]), model.counted())
    with pytest.raises(TypeError, match="a chord needs a body"):
        plan(chord([s("a")], chain()), model.counted())
    with pytest.raises(TypeError, match=r"write group\(…\) \| callback"):
        plan(group(s("b"), s("c")), model.counted(), options={"link": [s("d")]})


def test_callbacks_of_what_ends_in_a_group():
    """As in Celery (5.7): of a chain, each task of the group has them; of a chord, the first one, which keeps its result for itself."""
    callback = s("d")
    (call,) = plan(chain(s("a"), group(s("b"), chain(s("c"), s("e")))), model.counted(), options={"link": [callback]}).calls
    first, second = call.options["chain"][0]["kwargs"]["tasks"]
    assert first["options"]["link"] == [callback]
    assert [step["options"].get("link") for step in second["kwargs"]["tasks"]] == [None, [callback]]
    (call,) = plan(chord([s("a")], group(s("b"), s("c"))), model.counted(), options={"link": callback}).calls
    first, second = call.options["chord"]["kwargs"]["tasks"]
    assert [(each["task"], each["immutable"]) for each in first["options"]["link"]] == [("d", True)]
    assert "link" not in second["options"]
    (call,) = plan(chord([s("a")], group()), model.counted(), options={"link": callback}).calls
    assert call.options["chord"]["kwargs"]["tasks"] == []


@pytest.mark.parametrize(
    ("members", "value"), [([chain()], []), ([chain(), group()], []), ([chain(chain()), chord([], group(chain()))], [[]])]
)
def test_an_empty_chain_has_no_value(members, value):
    (call,) = plan(chord(members, s("b")), model.counted()).calls
    assert call.args == (value,)


@pytest.mark.parametrize("empty", [group(), chain(), shapes.chain_of([group()]), group(group())])
def test_arguments_and_options_of_a_chain_pass_steps_in_which_nothing_runs(empty):
    callback = s("c")
    for steps in ([empty, s("a", 1), empty, s("b"), empty], [shapes.chain_of([empty, s("a", 1)]), s("b"), empty]):
        found = plan(shapes.chain_of(steps), model.counted(), args=(5,), options={"task_id": "last", "link": callback, "countdown": 3})
        (call,) = found.calls
        assert (call.task, call.args, call.options["countdown"]) == ("a", (5, 1), 3)
        (following,) = call.options["chain"]
        assert (following["task"], following["options"]["task_id"], following["options"]["link"]) == ("b", "last", [callback])
        assert found.handle.id == "last"


def test_a_chain_of_an_empty_group_is_worth_a_list():
    for steps in ([group()], [group(), chain()], [chain(), group()], [group(), group()]):
        assert model.outcome(shapes.chain_of(steps))[0] == []


def test_immutable_workflows_take_no_result():
    for workflow in (chain(s("a", 1), s("b")), group(s("a", 1), s("c")), chord([s("a", 1)], s("b"))):
        fixed = workflow.clone()
        fixed["immutable"] = True
        assert calls(workflow, 9)["a"].args == (9, 1)
        assert calls(fixed, 9)["a"].args == (1,)
        after = s("x") | fixed
        assert model.outcome(after)[1].results
        ran = [json_args for json_args in model.outcome(after)[1].messages if '"a"' in json_args[:5]]
        assert ran[0].startswith('["a", [1],')


def test_lineage():
    body = s("b")
    found = plan(chord([s("a"), chord([s("c")], s("d"))], body), model.counted(), lineage=Lineage("root", "parent", 7, 2))
    for call in found.calls:
        assert (call.options["root_id"], call.options["parent_id"], call.options["replaced_task_nesting"]) == ("root", "parent", 2)
    assert {record.body["task"]: record.body["options"]["root_id"] for record in found.records} == {"b": "root", "d": "root"}
    with_own = plan(s("a", parent_id="mine"), model.counted(), lineage=Lineage("root", "parent"))
    assert with_own.calls[0].options["parent_id"] == "mine"


def test_a_group_that_something_follows_is_started_as_a_chord():
    naming = Naming(iter("abcdefgh").__next__)
    frozen = freeze(group(s("one"), s("two")), naming)
    after = [freeze(s("last"), naming), freeze(s("next"), naming)]
    made, (record,) = start(frozen, rest=after, lineage=Lineage(), naming=naming)
    assert [call.task for call in made] == ["one", "two"]
    assert (record.size, record.body["task"], [each["task"] for each in record.body["options"]["chain"]]) == (2, "next", ["last"])


def test_a_chord_that_is_polled():
    naming = Naming(iter("abcdefgh").__next__, polled_every=2.0, most_copied=1)
    body = chain(s("body", queue="q"), s("last"))
    found = plan(chord([s("one"), chain(s("two"), s("three", ignore_result=True))], body), naming)
    made = {call.task: call for call in found.calls}
    one, two, unlock = made["one"], made["two"], made["celery.chord_unlock"]
    (three,) = two.options["chain"]
    assert found.records == ()
    assert [call.options.get("ignore_result") for call in (one, two)] == [False, None]
    assert three["options"]["ignore_result"] is False
    assert not [call for call in (one, two) if "chord" in call.options]
    group_id = one.options["group_id"]
    assert unlock.id == f"{group_id}.unlock"
    assert (unlock.options["queue"], unlock.options["countdown"]) == ("q", 2.0)
    assert unlock.kwargs == {"interval": 2.0, "result": found.handle.parent.parent.as_tuple()[1]}
    assert (unlock.args[0], unlock.args[1]["task"], unlock.args[1]["options"]["chain"][0]["task"]) == (group_id, "body", "last")
    assert plan(chord([], s("body")), naming).calls[0].args == ([],)


def test_handles():
    found = handle_of(freeze(chain(s("a"), group(s("b"), chain(s("c"), s("d"))), s("e"), s("f")), model.counted()))
    assert found.name == "f"
    names = [each.name for each in found.parents]
    assert names == ["e", None, "a"]
    header = list(found.parents)[1]
    assert header.is_group
    assert [(each.name, [parent.name for parent in each.parents]) for each in header.children] == [("b", []), ("d", ["c"])]
    assert not found.is_group
    assert list(found.children) == []


def test_what_is_sent_inherits_the_priority_of_what_it_comes_from():
    header = chord([s("a"), Signature("b", (), priority=7)], s("c"))
    planned = plan(header, model.counted(), lineage=Lineage("root", "parent", 5))
    assert {call.task: call.options["priority"] for call in planned.calls} == {"a": 5, "b": 7}
    (call,) = start_body(s("c"), [1], Ended(id="a", root_id="root", priority=5), model.counted()).calls
    assert call.options["priority"] == 5
    assert "priority" not in plan(header, model.counted()).calls[0].options
