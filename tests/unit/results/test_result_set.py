"""`ResultSet` and `GroupResult` over a store in this process."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from umbel import Umbel, current
from umbel.errors import ChordError, ImproperlyConfigured, TaskRevokedError, TimeoutError
from umbel.execution.request import Request
from umbel.result import AsyncResult, GroupResult, ResultSet, result_from_tuple
from umbel.results.model import Record
from umbel.wire import failures


@pytest.fixture
def app(tmp_path):
    made = Umbel("sets", broker="memory://", backend=f"memory:///{tmp_path.name}", set_as_current=False)
    yield made
    made.close()


def end(app: Umbel, *ids: str, status: str = "SUCCESS", result: object = None) -> None:
    assert app.store is not None
    app.store.store([Record(task_id=name, status=status, result=name.upper() if result is None else result) for name in ids])


def results(app: Umbel, *ids: str) -> list[AsyncResult]:
    return [app.AsyncResult(name) for name in ids]


class TestMembers:
    def test_a_task_is_in_once(self, app):
        some = ResultSet(results(app, "a", "b", "a"), app=app)
        assert [member.id for member in some] == ["a", "b"]
        some.add(app.AsyncResult("b"))
        some.update(results(app, "c", "a"))
        assert len(some) == 3
        assert some[2].id == "c"
        assert "c" in some
        assert app.AsyncResult("z") not in some

    def test_taking_out(self, app):
        some = ResultSet(results(app, "a", "b", "c"), app=app)
        some.remove("a")
        some.remove(app.AsyncResult("b"))
        some.discard("b")
        with pytest.raises(KeyError, match="b"):
            some.remove("b")
        assert [member.id for member in some] == ["c"]
        some.clear()
        assert not some.results

    def test_a_group_may_hold_one_task_twice(self, app):
        assert len(GroupResult("g", results(app, "a", "a"), app=app)) == 2

    def test_an_empty_group_is_true_and_an_empty_set_is_not(self, app):
        assert GroupResult("g", [], app=app)
        assert not ResultSet([], app=app)

    def test_equality_and_hash_go_by_the_members(self, app):
        assert ResultSet(results(app, "a"), app=app) == ResultSet(results(app, "a"), app=app)
        assert GroupResult("g", results(app, "a"), app=app) == GroupResult("g", results(app, "a"), app=app) == "g"
        assert GroupResult("g", results(app, "a"), app=app) != GroupResult("g", results(app, "b"), app=app)
        assert len({GroupResult("g", []), GroupResult("g", [])}) == 1

    def test_classes_of_an_app(self, app):
        assert app.GroupResult("g", []).app is app
        assert app.ResultSet([]).app is app
        assert app.GroupResult is app.GroupResult


class TestStanding:
    def test_counts_and_flags(self, app):
        some = ResultSet(results(app, "a", "b"), app=app)
        assert (some.ready(), some.waiting(), some.successful(), some.failed(), some.completed_count()) == (False, True, False, False, 0)
        end(app, "a")
        assert (some.ready(), some.successful(), some.completed_count()) == (False, False, 1)
        end(app, "b", status="FAILURE", result=failures.render(ValueError("bad")))
        assert (some.ready(), some.waiting(), some.successful(), some.failed(), some.completed_count()) == (True, False, False, True, 1)
        with pytest.raises(ValueError, match="bad"):
            some.maybe_throw()

    def test_a_thousand_are_read_in_a_few_round_trips(self, app, monkeypatch):
        names = [f"n{number}" for number in range(2500)]
        end(app, *names)
        asked = []
        fetch = app.store.fetch
        monkeypatch.setattr(app.store, "fetch", lambda ids: asked.append(len(ids)) or fetch(ids))
        assert ResultSet(results(app, *names), app=app).get(timeout=5) == [name.upper() for name in names]
        assert sum(asked) == 2500
        assert len(asked) == 3


class TestGetting:
    def test_values_in_order_and_nested(self, app):
        inner = GroupResult("g", results(app, "b", "c"), app=app)
        some = ResultSet([app.AsyncResult("a"), inner, app.AsyncResult("d")], app=app)
        end(app, "d", "c", "b", "a")
        assert some.get(timeout=5) == some.join() == some.join_native() == ["A", ["B", "C"], "D"]

    def test_waiting_for_what_has_not_ended(self, app):
        some = ResultSet(results(app, "a", "b", "c"), app=app)
        for delay, name in ((0.05, "c"), (0.1, "a"), (0.15, "b")):
            threading.Timer(delay, end, (app, name)).start()
        assert some.get(timeout=10) == ["A", "B", "C"]

    def test_the_time_is_for_all_of_them(self, app):
        end(app, "a")
        with pytest.raises(TimeoutError):
            ResultSet(results(app, "a", "b"), app=app).get(timeout=0.05)

    def test_a_failure_is_raised_or_stands_among_the_values(self, app):
        end(app, "a")
        end(app, "b", status="FAILURE", result=failures.render(ValueError("bad")))
        some = ResultSet(results(app, "a", "b"), app=app)
        with pytest.raises(ValueError, match="bad"):
            some.get(timeout=5)
        values = some.get(timeout=5, propagate=False)
        assert values[0] == "A"
        assert isinstance(values[1], ValueError)

    def test_a_callback_takes_the_values(self, app):
        end(app, "a", "b")
        seen = []
        assert ResultSet(results(app, "a", "b"), app=app).get(callback=lambda *each: seen.append(each)) == []
        assert seen == [("a", "A"), ("b", "B")]

    def test_not_inside_a_task(self, app):
        token = current.request.set(Request(None, "outer", (), {}, {}))
        try:
            with pytest.raises(RuntimeError, match="within a task"):
                ResultSet(results(app, "a"), app=app).get()
        finally:
            current.request.reset(token)

    def test_in_a_coroutine(self, app):
        some = ResultSet([app.AsyncResult("a"), GroupResult("g", results(app, "b"), app=app)], app=app)
        threading.Timer(0.05, end, (app, "b", "a")).start()
        assert asyncio.run(some.aget(timeout=10)) == ["A", ["B"]]


class TestAsTheyEnd:
    def test_whichever_ends_first_comes_first(self, app):
        some = ResultSet(results(app, "a", "b", "c"), app=app)
        order = []
        end(app, "b")
        following = {"b": "c", "c": "a"}
        for task_id, meta in some.iter_native(timeout=10):
            order.append((task_id, meta["result"]))
            if task_id in following:
                threading.Timer(0.02, end, (app, following[task_id])).start()
        assert order == [("b", "B"), ("c", "C"), ("a", "A")]

    def test_values(self, app):
        end(app, "a", "b")
        assert sorted(ResultSet(results(app, "a", "b"), app=app).iterate(timeout=5)) == ["A", "B"]

    def test_what_does_not_end_is_counted_in_the_error(self, app):
        end(app, "b")
        with pytest.raises(TimeoutError, match=r"1 of 2 tasks have not ended within 0\.05 s"):
            list(ResultSet(results(app, "a", "b"), app=app).iter_native(timeout=0.05))

    def test_in_a_coroutine(self, app):
        some = GroupResult("g", results(app, "a", "b"), app=app)
        threading.Timer(0.02, end, (app, "b")).start()
        threading.Timer(0.1, end, (app, "a")).start()

        async def story() -> list[str]:
            return [result.id async for result in some]

        assert sorted(asyncio.run(story())) == ["a", "b"]

    def test_then_is_told_once_when_all_have_ended(self, app):
        told = []
        some = ResultSet(results(app, "a", "b"), app=app)
        some.then(told.append)
        end(app, "a")
        some.ready()
        assert told == []
        end(app, "b")
        some.ready()
        assert told == [some]

    def test_forgetting(self, app):
        end(app, "a", "b")
        some = ResultSet(results(app, "a", "b"), app=app)
        assert some.ready()
        some.forget()
        assert app.store.fetch(["a", "b"]) == {}
        assert some.completed_count() == 0


class TestGroups:
    def test_its_tuple_and_back(self, app):
        parent = app.AsyncResult("p")
        inner = GroupResult("inner", results(app, "b"), app=app)
        group = GroupResult("g", [app.AsyncResult("a"), inner], parent=parent, app=app)
        tree = group.as_tuple()
        assert tree == (("g", (("p", None), None)), [(("a", None), None), (("inner", None), [(("b", None), None)])])
        again = result_from_tuple(tree, app)
        assert again == group
        assert again.parent == parent
        assert result_from_tuple(again, app) is again
        assert result_from_tuple("x", app) == app.AsyncResult("x")

    def test_saved_restored_deleted(self, app):
        group = GroupResult("g", [app.AsyncResult("a"), GroupResult("h", results(app, "b"), app=app)], app=app)
        assert GroupResult.restore("g", app=app) is None
        group.save()
        assert app.GroupResult.restore("g") == group
        group.delete()
        assert GroupResult.restore("g", app=app) is None

    def test_a_store_that_keeps_no_groups(self):
        app = Umbel("none", broker="amqp://127.0.0.1:1//", backend="rpc://", set_as_current=False)
        with pytest.raises(ImproperlyConfigured, match=r"rpc://.* cannot keep groups: use redis://"):
            GroupResult("g", [app.AsyncResult("a")], app=app).save()
        app.close()

    def test_pickle(self, app):
        group = app.GroupResult("g", results(app, "a"), parent=app.AsyncResult("p"))
        again = pickle.loads(pickle.dumps(group))
        assert (again.id, [member.id for member in again], again.parent.id) == ("g", ["a"], "p")

    def test_children_of_a_task_that_has_sent_a_group(self, app):
        app.store.store([Record(task_id="a", status="SUCCESS", children=[[["g", None], [[["b", None], None]]], [["c", None], None]])])
        group, single = app.AsyncResult("a").children
        assert isinstance(group, GroupResult)
        assert [member.id for member in group] == ["b"]
        assert single == app.AsyncResult("c")
        end(app, "b", "c")
        assert [node.id for _, node in app.AsyncResult("a").iterdeps()] == ["a", "g", "c", "b"]


class TestFailing:
    def test_a_failure_is_not_waited_past(self, app):
        failed = failures.render(ValueError("second"))
        end(app, "b", status="FAILURE", result=failed)
        with pytest.raises(ValueError, match="second"):
            ResultSet(results(app, "a", "b"), app=app).get(timeout=30, interval=0.02)

    def test_of_a_body_that_is_a_group_the_error_of_the_header_is_raised(self, app):
        end(app, "h", status="FAILURE", result=failures.render(ValueError("of the header")))
        end(app, "a", "b", status="FAILURE", result=failures.render(ChordError("h failed")))
        header = GroupResult("header", results(app, "h"), app=app)
        body = GroupResult("body", results(app, "a", "b"), header, app)
        with pytest.raises(ValueError, match="of the header"):
            body.get(timeout=5)
        with pytest.raises(ValueError, match="of the header"):
            asyncio.run(body.aget(timeout=5))
        with pytest.raises(ChordError):
            GroupResult("body", results(app, "a", "b"), app=app).get(timeout=5)

    def test_a_body_is_not_waited_for_when_a_member_of_its_header_has_failed(self, app):
        end(app, "h", status="REVOKED", result=failures.render(TaskRevokedError("revoked")))
        header = GroupResult("header", results(app, "g", "h"), app=app)
        with pytest.raises(TaskRevokedError):
            AsyncResult("body", app=app, parent=header).get(timeout=30)
