"""Running the plans of a workflow comes to what the workflow means, whatever it is made of."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import workflows as model
from umbel.canvas.freezing import freeze, result_id
from umbel.canvas.operators import combine
from umbel.canvas.signatures import Signature, chain, chord, group

NAMES = st.sampled_from("abcdefgh")
TASKS = st.builds(
    lambda name, args, immutable: Signature(name, args, immutable=immutable),
    NAMES,
    st.lists(st.integers(0, 9), max_size=2),
    st.booleans(),
)


def bigger(parts):
    some = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        st.builds(chain, some),
        st.builds(group, st.lists(parts, max_size=3)),
        st.builds(chord, st.lists(parts, max_size=3), parts),
        st.builds(lambda left, right: left | right, parts, parts),
    )


WORKFLOWS = st.recursive(TASKS, bigger, max_leaves=10)


@settings(max_examples=400, deadline=None)
@given(WORKFLOWS, st.integers(0, 99))
@example(chord([chord([], group())], Signature("a", ())), 0)
@example(chord([group(), chain(group(group()))], Signature("a", ())), 0)
def test_running_it_comes_to_what_it_means(workflow, order):
    found, workers = model.outcome(workflow, "in", order=order)
    assert found == model.meaning(workflow, ("in",))
    assert not workers.waiting
    for group_id, size in workers.sizes.items():
        assert len(workers.counted[group_id]) == size


@settings(max_examples=200, deadline=None)
@given(WORKFLOWS)
def test_parents_ran_before_and_roots_are_theirs(workflow):
    _, workers = model.outcome(workflow)
    roots: dict[str, str] = {}
    for options in workers.ran:
        parent, root = options.get("parent_id"), options.get("root_id")
        assert (parent is None) == (root is None)
        if parent is not None:
            assert root == roots[parent]
        roots[options["task_id"]] = root or options["task_id"]
    assert len(roots) == len(workers.ran)


@settings(max_examples=200, deadline=None)
@given(WORKFLOWS)
def test_freezing_twice_changes_nothing(workflow):
    naming = model.counted()
    once = freeze(workflow, naming)
    again = freeze(json.loads(json.dumps(once)), naming)
    assert json.dumps(again) == json.dumps(once)
    assert result_id(once) == result_id(again)


@settings(max_examples=200, deadline=None)
@given(WORKFLOWS)
def test_a_workflow_survives_json_and_dicts(workflow):
    read = Signature.from_dict(json.loads(json.dumps(workflow)))
    assert type(read) is type(workflow)
    assert json.dumps(read) == json.dumps(workflow)
    assert repr(read) == repr(workflow)
    assert json.dumps(workflow.clone()) == json.dumps(workflow)
    assert model.meaning(read) == model.meaning(workflow)


@settings(max_examples=200, deadline=None)
@given(WORKFLOWS)
def test_planning_leaves_it_as_it_was(workflow):
    before = json.dumps(workflow)
    model.outcome(workflow, "in")
    assert json.dumps(workflow) == before


#: A group of one is its member on the right side, as in Celery, but not on the left: there ``|`` is not associative, nor are empty chains.
SOME = st.one_of(TASKS, st.builds(group, st.lists(TASKS, min_size=2, max_size=3)), st.builds(chord, st.lists(TASKS, max_size=2), TASKS))


@settings(max_examples=300, deadline=None)
@given(SOME, SOME, SOME, SOME)
def test_the_operator_is_associative(a, b, c, d):
    one = ((a | b) | c) | d
    for other in (a | (b | (c | d)), (a | b) | (c | d), a | ((b | c) | d), chain(a, b, c, d)):
        assert type(other) is type(one)
        assert json.dumps(other) == json.dumps(one)


@pytest.mark.parametrize("order", range(5))
def test_a_workflow_with_all_there_is(order):
    s = Signature
    inner = chord([s("a"), chain(s("b"), group(s("c"), s("d")))], s("e"))
    workflow = s("x") | group(inner, s("f"), chain(s("g"), inner)) | s("h") | group(s("i"), s("j")) | group(s("k"), s("l"))
    found, _ = model.outcome(workflow, 0, order=order)
    assert found == model.meaning(workflow, (0,))


def test_combining_plain_dicts_is_enough():
    assert model.meaning(combine({"task": "a"}, {"task": "b"})) == ["b", ["a"]]
