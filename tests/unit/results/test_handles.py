from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from umbel import current, states
from umbel.errors import ChordError, ImproperlyConfigured, IncompleteStream, ResultExpired, TaskRevokedError, TimeoutError, UnknownTaskId
from umbel.messages.ids import uuid7
from umbel.results import registry
from umbel.results.base import StoreOptions
from umbel.results.handles import AsyncResult, EagerResult, GroupResult
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM

FAILED = {"exc_type": "ValueError", "exc_message": ["boom", 42], "exc_module": "builtins"}


@pytest.fixture
def store(unique):
    made = registry.connect(StoreOptions(url=f"memory:///{unique('handles')}", expires=60))
    yield made
    made.close()


def put(store, task_id, status=states.SUCCESS, result=None, **fields):
    store.store([Record(task_id=task_id, status=status, result=result, **fields)])


def test_a_success(store):
    put(
        store,
        "t",
        result=5,
        date_done="2026-11-20T19:48:07+00:00",
        extended={"name": "tasks.add", "args": [2, 3], "kwargs": {}, "retries": 1},
    )
    result = AsyncResult("t", store)
    assert result.get(timeout=1) == result.get() == result.result == result.info == 5
    assert (result.state, result.status) == ("SUCCESS", "SUCCESS")
    assert result.ready()
    assert result.successful()
    assert not result.failed()
    assert result.exists()
    assert result.date_done == datetime(2026, 11, 20, 19, 48, 7, tzinfo=UTC)
    assert (result.name, result.args, result.kwargs, result.retries, result.worker, result.queue) == (
        "tasks.add",
        [2, 3],
        {},
        1,
        None,
        None,
    )
    assert result.children == []
    assert result.traceback is None


def test_a_failure(store):
    put(store, "t", states.FAILURE, FAILED, traceback="Traceback …\nValueError: boom")
    result = AsyncResult("t", store)
    with pytest.raises(ValueError, match="boom") as caught:
        result.get(timeout=1)
    assert caught.value.args == ("boom", 42)
    assert "Traceback …" in caught.value.__notes__[0]
    assert isinstance(result.get(propagate=False), ValueError)
    assert isinstance(result.result, ValueError)
    assert result.failed()
    assert result.traceback.startswith("Traceback")
    with pytest.raises(ValueError, match="boom"):
        result.maybe_throw()


def test_its_traceback_does_not_grow_with_each_look(store):
    put(store, "t", states.FAILURE, FAILED, traceback="Traceback: …")
    result, depths = AsyncResult("t", store), []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            result.get(timeout=1)
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_a_revoked_one(store):
    put(
        store,
        "t",
        states.REVOKED,
        {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"},
        children=None,
    )
    with pytest.raises(TaskRevokedError):
        AsyncResult("t", store).get(timeout=1)
    assert AsyncResult("t", store).children is None


def test_a_retry_is_not_raised_but_shown(store):
    put(store, "t", states.RETRY, FAILED)
    result = AsyncResult("t", store)
    assert not result.ready()
    assert isinstance(result.result, ValueError)
    with pytest.raises(TimeoutError, match="t"):
        result.get(timeout=0.01)


def test_waiting(store):
    seen = []
    result = AsyncResult("t", store)
    put(store, "t", "PROGRESS", {"done": 1})
    timer = threading.Timer(0.05, put, (store, "t"), {"result": 7})
    timer.start()
    assert result.get(timeout=5, on_message=lambda meta: seen.append((meta["status"], meta["result"]))) == 7
    timer.join()
    assert seen == [("PROGRESS", {"done": 1}), ("SUCCESS", 7)]


def test_callbacks(store):
    told = []
    result = AsyncResult("t", store)
    result.then(told.append)
    put(store, "t", result=1)
    assert result.get(timeout=1, callback=lambda task_id, value: told.append((task_id, value))) == 1
    assert told == [result, ("t", 1)]
    result.then(lambda handle: told.append("at once"))
    assert told[2:] == ["at once"]
    put(store, "f", states.FAILURE, FAILED)
    failed = AsyncResult("f", store)
    failed.then(told.append, on_error=lambda error: told.append(type(error)))
    assert failed.ready()
    assert told[3:] == [ValueError]


def test_intervals(store):
    ticks = []
    timer = threading.Timer(0.1, put, (store, "t"), {"result": 7})
    timer.start()
    assert AsyncResult("t", store).get(timeout=5, interval=0.02, on_interval=lambda: ticks.append(1)) == 7
    timer.join()
    assert len(ticks) >= 2


def test_coroutines(store):
    async def wait():
        result = AsyncResult("t", store)
        with pytest.raises(TimeoutError):
            await result.aget(timeout=0.02)
        asyncio.get_running_loop().call_later(0.02, put, store, "t", states.SUCCESS, 9)
        return await result.aget(timeout=5)

    assert asyncio.run(wait()) == 9


def test_a_failed_parent_ends_the_waiting(store):
    parent = AsyncResult("p", store)
    child = AsyncResult("c", store, parent=parent)
    timer = threading.Timer(0.05, put, (store, "p", states.FAILURE, FAILED))
    timer.start()
    with pytest.raises(ValueError, match="boom"):
        child.get(timeout=10, interval=0.02)
    timer.join()
    with pytest.raises(TimeoutError):
        child.get(timeout=0.02, follow_parents=False)
    assert child.as_tuple() == (("c", (("p", None), None)), None)
    assert child.as_list() == ["c", "p"]


def test_pending_expired_unknown(store):
    young, old = uuid7(SYSTEM.now()), uuid7(SYSTEM.now() - 61)
    assert AsyncResult(young, store).state == states.PENDING
    assert AsyncResult("no-uuid", store).state == states.PENDING
    assert not AsyncResult(young, store).ready()
    gone = AsyncResult(old, store)
    assert gone.state == states.EXPIRED
    assert not gone.ready(), "its age is a guess: it may wait behind others"
    assert gone.result is None
    assert not gone.exists()
    with pytest.raises(ResultExpired, match=f"{old}.*still waits or runs"):
        gone.get()
    with pytest.raises(ResultExpired) as caught:
        gone.get(timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(ResultExpired):
        asyncio.run(gone.aget(timeout=0.01))
    waiter = threading.Timer(0.05, put, (store, old), {"result": 2})
    waiter.start()
    assert gone.get(timeout=10) == 2
    waiter.join()
    late = uuid7(SYSTEM.now() - 61)
    put(store, late, result=3)
    assert AsyncResult(late, store).get() == 3


def test_unknown_needs_a_record_of_everything_sent(store):
    app = SimpleNamespace(store=store, conf=SimpleNamespace(task_store_queued=True))
    never = AsyncResult(uuid7(SYSTEM.now()), app=app)
    assert never.state == states.UNKNOWN
    with pytest.raises(UnknownTaskId):
        never.get()
    with pytest.raises(UnknownTaskId):
        asyncio.run(never.aget())
    put(store, never.id, states.PENDING)
    assert never.state == states.PENDING
    with pytest.raises(TimeoutError):
        never.get(timeout=0.01)


def test_within_a_task(store):
    put(store, "t", result=1)
    token = current.request.set(SimpleNamespace(is_eager=False))
    try:
        with pytest.raises(RuntimeError, match="within a task"):
            AsyncResult("t", store).get()
        with pytest.raises(RuntimeError, match="within a task"):
            asyncio.run(AsyncResult("t", store).aget())
        assert AsyncResult("t", store).get(disable_sync_subtasks=False) == 1
        with current.allow_join_result():
            assert AsyncResult("t", store).get() == 1
    finally:
        current.request.reset(token)


def test_forgetting(store):
    put(store, "p", result=1)
    put(store, "c", result=2)
    result = AsyncResult("c", store, parent=AsyncResult("p", store))
    assert result.get() == 2
    result.forget()
    assert result.state == states.PENDING
    assert not result.parent.exists()


def test_what_came_of_it(store):
    put(store, "a", result=1, children=[[["b", None], None], [["g", None], [[["c", None], None], [["d", None], None]]]])
    for name, value in (("b", 2), ("c", 3), ("d", 4)):
        put(store, name, result=value)
    result = AsyncResult("a", store)
    assert [(node.id, value) for node, value in result.collect()] == [
        ("a", 1),
        ("b", 2),
        ("g", [3, 4]),
        ("c", 3),
        ("d", 4),
    ]
    assert result.get_leaf() == 4
    put(store, "e", result=1, children=[[["waiting", None], None]])
    with pytest.raises(IncompleteStream):
        list(AsyncResult("e", store).iterdeps())
    assert len(list(AsyncResult("e", store).iterdeps(intermediate=True))) == 2


def test_the_child_that_a_chain_is_is_its_first_task(store):
    header = [["g", None], [[["m", None], None]]]
    put(store, "a", result=1, children=[[["c", [["b", None], None]], None], [["d", header], None], [["h", header], []]])
    children = AsyncResult("a", store).children
    assert [child.id for child in children] == ["b", "d", "h"]
    assert children[1].parent.id == children[2].parent.id == "g"
    put(store, "b", result=2, children=[[["c", None], None]])
    for name, value in (("c", 3), ("d", 4)):
        put(store, name, result=value)
    assert [node.id for node, _ in AsyncResult("a", store).collect()] == ["a", "b", "d", "h", "c"]


def test_identity(store):
    result = AsyncResult("t", store, "tasks.add")
    assert result == AsyncResult("t") == "t"
    assert result != AsyncResult("u")
    assert len({result, AsyncResult("t")}) == 1
    assert (str(result), repr(result), result.task_id, result.name) == ("t", "<AsyncResult: t>", "t", "tasks.add")
    assert pickle.loads(pickle.dumps(result)) == result
    assert copy.copy(result) == result
    with pytest.raises(ValueError, match="task id"):
        AsyncResult("")


def test_no_store_is_said():
    with pytest.raises(ImproperlyConfigured, match="result_backend"):
        _ = AsyncResult("t", app=SimpleNamespace(store=None)).state


def test_ignored(store):
    result = AsyncResult("t", store)
    result.ignored = True
    assert result.get() is None


def test_eager():
    result = EagerResult("t", 5, states.SUCCESS, name="tasks.add")
    assert result.get() == result.result == asyncio.run(result.aget()) == 5
    assert (result.state, result.ready(), result.successful(), result.name, result.children) == ("SUCCESS", True, True, "tasks.add", [])
    assert repr(result) == "<EagerResult: t>"
    assert pickle.loads(pickle.dumps(result)).get() == 5
    failed = EagerResult("t", ValueError("no"), states.FAILURE, traceback="tb")
    with pytest.raises(ValueError, match="no"):
        failed.get()
    assert isinstance(failed.get(propagate=False), ValueError)
    assert (failed.traceback, failed.failed()) == ("tb", True)
    failed.forget()


def test_get_takes_no_unknown_options(store):
    with pytest.raises(TypeError):
        AsyncResult("x", store).get(time_out=1)
    assert AsyncResult.TimeoutError is TimeoutError


def test_a_body_raises_what_a_member_of_its_header_has_raised(store):
    header = GroupResult("g", [AsyncResult("l", store), AsyncResult("m", store)])
    put(store, "l", "SUCCESS", 1)
    put(store, "m", "FAILURE", {"exc_type": "ValueError", "exc_message": ["bad"], "exc_module": "builtins"})
    put(store, "body", "FAILURE", {"exc_type": "ChordError", "exc_message": ["Dependency m"], "exc_module": "celery.exceptions"})
    body = AsyncResult("body", store, parent=header)
    for get in (lambda: body.get(timeout=5), lambda: asyncio.run(body.aget(timeout=5)), AsyncResult("rest", store, parent=body).get):
        with pytest.raises(ValueError, match="bad"):
            get()
    assert isinstance(body.result, ChordError)
    for get in (lambda: body.get(follow_parents=False), AsyncResult("body", store).get):
        with pytest.raises(ChordError, match="Dependency m"):
            get()
