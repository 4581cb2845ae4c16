"""Workflows read from a store that counts how often it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from umbel import Umbel
from umbel.errors import ImproperlyConfigured
from umbel.result import AsyncResult, GroupResult, ResultSet
from umbel.results import memory
from umbel.results.base import StoreOptions
from umbel.results.handles import EagerResult
from umbel.results.model import Record
from umbel.results.workflow import Workflow
from umbel.results.workflow.reading import reader_of


class Counting(memory.MemoryStore):
    """A store that notes how many ids each look asked for."""

    looks: list[int]

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        self.looks.append(len(task_ids))
        return super().fetch(task_ids)


@pytest.fixture
def app():
    with Umbel("trees", broker="memory://", backend="memory://", set_as_current=False) as app:
        yield app


@pytest.fixture
def store(tmp_path) -> Counting:
    made = memory.connect(StoreOptions(url=f"memory:///{tmp_path.name}"))
    made.__class__ = Counting
    made.looks = []
    return made


@pytest.fixture
def task(app, store):
    def make(task_id: str, parent=None, name=None) -> AsyncResult:
        return AsyncResult(task_id, store, name, app, parent)

    return make


def put(store, task_id: str, status: str = "SUCCESS", **fields) -> None:
    store.store([Record(task_id=task_id, status=status, **fields)])


def ids(workflow: Workflow) -> list[str]:
    return [node.id for node in workflow]


def test_a_task_without_a_record(task, store):
    workflow = task("a", name="shop.price").workflow()
    (node,) = workflow
    assert (node.id, node.name, node.state, node.is_waited_for) == ("a", "shop.price", "PENDING", True)
    assert (store.looks, workflow.ready(), workflow.successful(), workflow.failed(), workflow.cut) == ([1], False, False, False, None)


def test_a_chain_of_ten_thousand(task, store):
    last = None
    for place in range(10_000):
        last = task(f"t{place}", last)
    put(store, "t0")
    workflow = last.workflow()
    assert ids(workflow) == [f"t{place}" for place in range(10_000)]
    assert store.looks == [1000] * 10
    assert [node.id for node in workflow.waited_for] == ["t1"]
    assert len(workflow.to_dict()["nodes"]) == 10_000
    assert workflow.to_dot().count("->") == 9_999
    assert repr(workflow).startswith("Workflow(nodes=(WorkflowNode(id='t0'")


def test_what_tasks_have_sent_is_followed_down_and_up(task, store):
    put(
        store, "root", children=[[["a", None], None], [["body", [["g", None], [[["m1", None], None], [["m2", ["m0", None]], None]]]], None]]
    )
    put(store, "a", parent_id="root")
    put(store, "m0", parent_id="root", children=[[["m2", None], None]])
    put(store, "m2", "STARTED", parent_id="m0")
    for start in ("root", "a", "m0", "m2"):
        workflow = task(start).workflow()
        assert [(node.id, node.parent_id, node.follows) for node in workflow] == [
            ("root", None, False), ("a", "root", False), ("g", "root", False), ("m1", "g", False), ("m0", "g", False), ("m2", "m0", True),
            ("body", "g", True),
        ], start  # fmt: skip
        assert workflow["g"].members == ("m1", "m2")
        assert workflow["g"].children == ("m1", "m0", "body")


def test_one_look_for_each_level(task, store):
    put(store, "root", children=[[[f"c{place}", None], None] for place in range(1500)])
    for place in range(1500):
        put(store, f"c{place}", children=[[[f"d{place}", None], None]])
    assert len(task("root").workflow()) == 3001
    assert store.looks == [1, 1000, 500, 1000, 500]


def test_a_task_that_was_retried_is_its_own_child(task, store):
    put(store, "a", children=[[["a", None], None], [["b", None], None]])
    put(store, "b", parent_id="a", children=[[["a", None], None]])
    assert ids(task("a").workflow()) == ids(task("b").workflow()) == ["a", "b"]


def test_parents_in_a_circle_end(task, store):
    put(store, "a", parent_id="b")
    put(store, "b", parent_id="a")
    assert ids(task("a").workflow()) == ["b", "a"]


@pytest.mark.parametrize("child", [None, 5, {}, [], [[["x"], None]], [1, 2, 3]])
def test_children_that_are_none(task, store, child):
    put(store, "a", children=[child, [["b", None], None]])
    assert "b" in task("a").workflow()


def test_bounds(task, store):
    for place in range(30):
        put(store, f"t{place}", children=[[[f"t{place + 1}", None], None]], parent_id=f"t{place - 1}" if place else None)
    deep = task("t0").workflow(depth=10)
    assert (len(deep), deep.cut) == (10, "it has more than 10 levels")
    up_too = task("t15").workflow(depth=4)
    assert (ids(up_too), up_too.cut) == ([f"t{place}" for place in range(12, 19)], "it has more than 4 levels")
    assert up_too.root.parent_id is None
    assert up_too.to_dot().count("->") == 6
    large = task("t0").workflow(nodes=7)
    assert (len(large), large.cut) == (7, "it has more than 7 tasks and groups")
    wide = GroupResult("g", [task(f"m{place}") for place in range(20)], app=None).workflow(nodes=5)
    assert (len(wide), len(wide["g"].members), wide.cut) == (5, 20, "it has more than 5 tasks and groups")
    for wrong in ({"depth": 0}, {"nodes": -1}):
        with pytest.raises(ValueError, match="at least 1"):
            task("t0").workflow(**wrong)


def test_only_what_has_not_ended_is_read_again(task, store, app):
    put(store, "m0")
    reader = reader_of(GroupResult("g", [task("m0"), task("m1")], app=app))
    assert reader.read()["g"].state == "STARTED"
    put(store, "m1")
    assert reader.read()["g"].state == "SUCCESS"
    reader.read()
    assert store.looks == [2, 1]


def test_waiting_for_the_first_that_is_waited_for(task, store):
    reader = reader_of(task("b", task("a")))
    workflow = reader.read()
    reader.wait(workflow, 0.01)
    put(store, "a")
    reader.wait(workflow, 60)
    assert [node.id for node in reader.read().waited_for] == ["b"]


def test_sets_without_an_id_in_a_group(task, app):
    group = GroupResult("g", [task("a"), ResultSet([task("b"), task("c")], app=app)], app=app)
    assert ids(group.workflow()) == ["g", "a", "b", "c"]


def test_results_of_tasks_that_ran_here_need_no_store(task):
    with Umbel("alone", broker="memory://", set_as_current=False) as app:
        app.conf.result_backend = None
        eager = EagerResult("e", 1, "SUCCESS", name="add")
        eager._app = app
        assert [(node.name, node.state) for node in eager.workflow()] == [("add", "SUCCESS")]
        with pytest.raises(ImproperlyConfigured):
            app.AsyncResult("x").workflow()


class TestKept:
    def test_what_came_before_is_known_by_the_id(self, task, store, app):
        group = GroupResult("g", [task("m1", task("m0"), "price"), task("m2", None, "price")], task("first"), app)
        body = task("body", group, "total")
        body.save()
        found, whole = task("body").workflow(), body.workflow()
        assert found == whole
        assert ids(found) == ["first", "g", "m0", "m1", "m2", "body"]
        assert [node.name for node in found] == [None, None, None, "price", "price", "total"]

    def test_a_chain_of_any_length(self, task):
        last = None
        for place in range(5_000):
            last = task(f"t{place}", last, "step")
        last.save()
        found = task("t4999").workflow()
        assert (len(found), found.root.id, found["t4999"].name) == (5_000, "t0", "step")
        assert task("t4999").workflow(nodes=10).cut == "it has more than 10 tasks and groups"

    def test_a_group_that_was_saved_is_found_by_its_id(self, task, store, app):
        GroupResult("g", [task("a"), task("b")], app=app).save(store)
        assert ids(task("g").workflow()) == ["g", "a", "b"]

    def test_nonsense_is_told(self, task, store):
        for rows in (
            [["a"]],
            [[5, None, False, -1, False, None]],
            [["a", None, False, -1, False, None], ["b", None, False, 3, True, None]],
        ):
            store.groups.save("a", {"workflow": rows})
            with pytest.raises(ValueError, match="kept of a workflow cannot be understood"):
                task("a").workflow()
