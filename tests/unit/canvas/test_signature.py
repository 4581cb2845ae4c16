"""Signatures: their form, copies, changes, and looks."""

import copy
import json
import pickle
from types import SimpleNamespace

import pytest

from umbel import current
from umbel.canvas.freezing import Naming
from umbel.canvas.signatures import Signature, chain, chord, chunks, group, maybe_signature, signature, subtask, xmap, xstarmap


def s(name="a", *args, **kwargs):
    return Signature(name, args, kwargs)


class Task:
    name = "proj.task"
    app = "the app"

    def run(self): ...

    def __call__(self, *args, **kwargs):
        return args, kwargs


def test_its_form():
    found = signature("a", (1,), {"k": 2}, {"queue": "q"}, immutable=True, countdown=3)
    assert json.dumps(found) == json.dumps({
        "task": "a", "args": [1], "kwargs": {"k": 2}, "options": {"queue": "q", "countdown": 3}, "subtask_type": None, "immutable": True,
    })  # fmt: skip
    assert (found.task, found.name, found.args, found.kwargs, found.subtask_type, found.immutable) == ("a", "a", (1,), {"k": 2}, None, True)
    assert (found.id, found.parent_id, found.root_id) == (None, None, None)
    assert s("a", 1) == {"task": "a", "args": (1,), "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
    assert subtask is signature


def test_of_a_task_it_has_the_task_and_its_app():
    task = Task()
    found = signature(task, (1,))
    assert (found.task, found.type, found.app) == ("proj.task", task, "the app")
    assert found(2, k=3) == ((2, 1), {"k": 3})
    assert found.clone((5,)).type is task
    with pytest.raises(TypeError, match=r"chain takes signatures, .* not the task proj.task; write its signature, task.s\(…\)"):
        chain(task, task)


def test_a_task_as_a_member_is_its_signature():
    task = Task()
    task.s = lambda: signature(task)
    assert repr(group(task, s("a")).tasks) == "[proj.task(), a()]"
    assert repr(chord([task], s("z"))) == "chord([proj.task()], z())"


@pytest.fixture
def no_app(monkeypatch):
    monkeypatch.setattr(current, "find_app", lambda: None)


def test_the_app_is_the_current_one_when_it_is_needed(no_app, monkeypatch):
    found = s()
    with pytest.raises(RuntimeError, match="a belongs to no app"):
        _ = found.app
    app = Task()
    monkeypatch.setattr(current, "find_app", lambda: app)
    assert found.app is app
    assert Signature("a", app="mine").app == "mine"


def test_arguments_go_in_front_and_options_over():
    found = s("a", 1, k=2).set(queue="q", link=[s("x")]).clone((9,), {"k": 3, "z": 1}, priority=4, link=[s("y")])
    assert found.args == (9, 1)
    assert found.kwargs == {"k": 3, "z": 1}
    assert found.options == {"queue": "q", "priority": 4, "link": [s("x"), s("y")]}
    fixed = Signature("a", (1,), immutable=True).clone((9,), {"k": 3}, queue="q")
    assert (fixed.args, fixed.kwargs, fixed.options) == ((1,), {}, {"queue": "q"})
    assert Signature.partial is Signature.clone


def test_a_copy_shares_nothing_that_changes():
    inner = s("b").set(link=[s("c")])
    found = chain(s("a"), group(inner, s("d")), s("e"))
    for each in (found.clone(), copy.copy(found), copy.deepcopy(found)):
        assert type(each) is chain
        each.tasks[0].set(queue="q")
        each.tasks[1].tasks[0].link(s("f"))
        each.tasks[1].body.set(countdown=1)
    assert "queue" not in json.dumps(found)
    assert "countdown" not in json.dumps(found)
    assert inner.options == {"link": [s("c")]}


def test_replacing_and_setting():
    found = s("a", 1, k=2)
    assert dict(found.replace(args=[5], options={"queue": "q"})) == dict(s("a", 5, k=2).set(queue="q"))
    assert found == s("a", 1, k=2)
    assert found.set(immutable=True, queue="q") is found
    assert (found.immutable, found.options) == (True, {"queue": "q"})


def test_links_are_added_once():
    found, done = s("a"), s("b")
    assert found.link(done) is done
    found.link(s("b"))
    assert found.on_error(s("e")) is found
    assert found.link_error(s("f")) == s("f")
    assert found.options == {"link": [s("b")], "link_error": [s("e"), s("f")]}
    done.link(s("c"))
    assert [each["task"] for each in found.flatten_links()] == ["a", "b", "c"]
    with pytest.raises(TypeError, match="link takes signatures"):
        found.link("b")
    found.extend_list_option("tags", ["x", "x"])
    found.extend_list_option("tags", "y")
    assert found.options["tags"] == ["x", "y"]


def test_what_a_group_does_with_links():
    found = group(s("a"), s("b"))
    found.link(s("done"))
    found.link_error(s("failed"))
    assert found.tasks[0].options == {"link": [Signature("done", immutable=True)], "link_error": [s("failed")]}
    assert found.tasks[1].options == {"link_error": [s("failed")]}
    with pytest.raises(TypeError, match=r"write group\(…\) \| callback"):
        found.apply_async(link=s("x"))
    with pytest.raises(TypeError, match="no task"):
        group().link(s("x"))


def test_what_a_chord_does_with_links(no_app):
    found = chord([s("a")], s("b"))
    found.link(s("done"))
    found.link_error(s("failed"))
    assert found.body.options == {"link": [s("done")], "link_error": [s("failed")]}
    assert found.tasks[0].options == {}
    app = SimpleNamespace(workflows=SimpleNamespace(naming=lambda: Naming(str, errbacks_in_header=True)))
    found = chord([s("a")], s("b"), app=app)
    found.link_error(s("failed"))
    assert found.body.options == found.tasks[0].options == {"link_error": [s("failed")]}


def test_forms_of_dicts():
    made = {
        chain: chain(s("a"), s("b")), group: group(s("a")), chord: chord([s("a")], s("b")), xmap: xmap(s("a"), [1]),
        xstarmap: xstarmap(s("a"), [(1,)]), chunks: chunks(s("a"), [(1,)], 1), Signature: s("a"),
    }  # fmt: skip
    for kind, value in made.items():
        read = json.loads(json.dumps(value))
        for found in (
            signature(read),
            Signature.from_dict(read),
            kind.from_dict(read),
            maybe_signature(read),
            pickle.loads(pickle.dumps(value)),
        ):
            assert type(found) is kind
            assert json.dumps(found) == json.dumps(value)
    assert maybe_signature(None) is None
    assert maybe_signature([1]) == [1]
    assert maybe_signature(made[chain]) is made[chain]
    assert maybe_signature(made[chain], clone=True) is not made[chain]
    assert signature(made[chain]) is not made[chain]
    assert dict(maybe_signature({"task": "a"})) == {"task": "a"}
    with pytest.raises(TypeError, match="from_dict takes signatures"):
        Signature.from_dict({"x": 1})


def test_a_kind_of_ones_own():
    @Signature.register_type("loud")
    class Loud(Signature):
        pass

    try:
        read = Signature.from_dict(json.loads(json.dumps(Signature("a", subtask_type="loud"))))
        assert type(read) is Loud
        assert type(read.clone((1,))) is Loud
        assert repr(read | s("b")) == "a() | b()"
    finally:
        del Signature.TYPES["loud"]


def test_looks():
    many = [s(f"t{place}") for place in range(30)]
    assert repr(s("a", 1, k="x")) == "a(1, k='x')"
    assert s("a", 1).reprcall("y") == "a('y', 1)"
    assert repr(chord([s("a")])) == "chord([a()])"
    assert repr(group()) == "group()"
    assert repr(chain(many)).endswith("| … (30 tasks)")
    assert repr(group(many)).endswith("t19(), …)")
    assert repr(xmap(s("a"), [1, 2])) == "[a(x) for x in [1, 2]]"
    assert repr(xstarmap(s("a"), [(1,)] * 9)) == "[a(*x) for x in [(1,), (1,), (1,), (1,), (1,), … (9 items)]]"
    assert repr(chunks(s("a"), [(1,)], 2)) == "chunks(a(), [(1,)], 2)"


def test_chunks():
    found = chunks(s("a"), zip(range(5), range(5), strict=True), 2).group()
    assert [member.kwargs["it"] for member in found.tasks] == [[(0, 0), (1, 1)], [(2, 2), (3, 3)], [(4, 4)]]
    assert {member.task for member in found.tasks} == {"celery.starmap"}
    with pytest.raises(ValueError, match="1 or more, not 0"):
        chunks(s("a"), [], 0)


def test_a_skewed_group():
    def countdowns(**how):
        return [member.options["countdown"] for member in group(s() for _ in range(5)).skew(**how).tasks]

    assert countdowns() == [1, 2, 3, 4, 5]
    assert countdowns(start=2, stop=8, step=3) == [2, 5, 2, 5, 2]


def test_a_chord_of_any_header():
    for header in ([s("a"), s("b")], (s("a"), s("b")), (s(each) for each in "ab"), group(s("a"), s("b"))):
        assert repr(chord(header, s("c"))) == "chord([a(), b()], c())"
    assert repr(chord(s("a"), s("c"))) == "chord([a()], c())"
    assert chord([s("a"), s() | group(s("b"), s("c")), group(s("d"), s("e"))], s("x")).__length_hint__() == 5
    assert len(group(s("a"), s("b"))) == 2
    assert bool(group())


def test_steps_of_a_chain_with_its_callbacks():
    found = chain(s("a"), s("b")).set(link=[s("done")], link_error=[s("failed")])
    first, last = found.unchain_tasks()
    assert first.options == {"link_error": [s("failed")]}
    assert last.options == {"link_error": [s("failed")], "link": [s("done")]}
    assert found.tasks[0].options == {}
