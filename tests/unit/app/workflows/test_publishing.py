"""Sending workflows: messages, records, handles."""

import json

import pytest

from umbel import Umbel, chain, chord, group, signature
from umbel.app.task.task import Task
from umbel.brokers.topology import whole
from umbel.current import request as current_request
from umbel.errors import ImproperlyConfigured
from umbel.execution.request import Request
from umbel.results.handles import AsyncResult, GroupResult


@pytest.fixture
def app():
    with Umbel("proj", broker="memory://", backend="cache+memory://", set_as_current=False) as app:

        @app.task(name="add")
        def add(x, y): ...

        @app.task(name="quiet", ignore_result=True)
        def quiet(x): ...

        yield app


@pytest.fixture
def add(app):
    return app.tasks["add"]


@pytest.fixture
def sent(app):
    """Messages in the order in which they were published."""
    found = []

    class Recorder:
        def __getattr__(self, name):
            return getattr(real, name)

        def publish(self, message, to, **_):
            found.append(message)

        def publish_many(self, pairs, **_):
            found.extend(whole(pair)[0] for pair in pairs)

        def publish_stencil(self, stencil, call):
            found.append(stencil.fill(call))

    real = app.publisher
    app.connections._publisher = Recorder()
    yield found
    app.connections._publisher = real


def bodies(messages):
    return [json.loads(message.body) for message in messages]


def test_a_task(add, sent):
    result = add.s(1).delay(2)
    assert type(result) is AsyncResult
    assert [message.headers["id"] for message in sent] == [result.id]
    assert bodies(sent)[0][:2] == [[2, 1], {}]
    add.s(1, 2).set(countdown=5).apply_async(task_id="mine")
    assert (sent[1].headers["id"], bool(sent[1].headers["eta"])) == ("mine", True)


def test_a_chain_and_its_handles(add, sent):
    result = (add.s(1, 2) | add.s(3) | add.s(4)).apply_async()
    ids = [result.parent.parent.id, result.parent.id, result.id]
    (message,) = sent
    assert message.headers["id"] == ids[0]
    assert [link["options"]["task_id"] for link in reversed(bodies(sent)[0][2]["chain"])] == ids[1:]
    assert chain().apply_async() is None


def test_a_group_goes_out_at_once(add, sent):
    result = group(add.s(place, 1) for place in range(1000)).apply_async()
    assert type(result) is GroupResult
    assert [child.id for child in result.results] == [message.headers["id"] for message in sent]
    assert {message.headers["group"] for message in sent} == {result.id}
    nested = group(add.s(1, 2), add.s(1, 2) | group(add.s(3), add.s(4))).apply_async()
    assert type(nested.results[1]) is GroupResult
    assert type(nested.results[1].parent) is AsyncResult


def test_a_group_of_one_that_ends_in_a_group_is_worth_its_values(add, sent):
    found = group(add.s(1, 2) | group(add.s(1), add.s(2)))()
    assert len(found) == 2
    assert found.parent.id == sent[0].headers["id"]


def test_results_that_a_task_returns_are_their_tuples(add):
    from umbel.wire import kombu_json

    found = group(add.s(1, 2), add.s(3, 4))()
    assert kombu_json.loads(kombu_json.dumps(found)) == [[found.id, None], [[[each.id, None], None] for each in found]]


def test_a_chord_is_recorded_first(app, add, sent, monkeypatch):
    opened = []
    monkeypatch.setattr(app.store.groups, "open", lambda *given: opened.append((*given, len(sent))))
    result = chord([add.s(1, 2), add.s(3, 4)], add.s(5)).apply_async()
    assert opened == [(result.parent.id, 2, None, 0)]
    assert len(sent) == 2
    inner = chord([group(add.s(1, 2)) | add.s(3), add.s(1, 1) | group(add.s(2), add.s(3))], add.s(5)).apply_async()
    assert [size for _, size, *_ in opened[1:]] == [3, 1]
    assert opened[1][2] == json.loads(json.dumps(inner.parent.as_tuple()))


def test_a_chord_without_a_store_that_counts():
    for backend in (None, ""):
        with Umbel("proj", broker="memory://", backend=backend, set_as_current=False) as app:
            s = app.signature("add", (1, 2))
            with pytest.raises(ImproperlyConfigured, match="a chord needs a result store that counts"):
                chord([s, s], app.signature("sum"), app=app).apply_async()


def test_by_name(app, sent):
    result = app.signature("elsewhere", (1,), queue="other").apply_async()
    assert (sent[0].headers["task"], sent[0].headers["id"]) == ("elsewhere", result.id)
    group([app.signature("elsewhere"), signature("there", app=app)], app=app).apply_async()
    assert [message.headers["task"] for message in sent[1:]] == ["elsewhere", "there"]


def test_arguments_are_checked(add, sent):
    for wrong in (add.s(1), add.s(1) | add.s(2), group(add.s(1, 2), add.s(1, 2, 3))):
        with pytest.raises(TypeError, match="add"):
            wrong.apply_async()
    with pytest.raises(TypeError, match="no calling option contdown; did you mean countdown"):
        (add.s(1, 2) | add.s(3)).apply_async(contdown=3)
    assert sent == []


def test_the_result_of_a_task_that_has_none(app, add, sent):
    quiet = app.tasks["quiet"]
    assert (add.s(1, 2) | quiet.s()).apply_async().ignored
    assert not (add.s(1, 2) | quiet.s().set(ignore_result=False)).apply_async().ignored
    assert (add.s(1, 2) | add.s(3).set(ignore_result=True)).apply_async().ignored
    assert quiet.s(1).apply_async().ignored


def test_from_within_a_task(app, add, sent):
    request = Request(add, "me", (), {}, {"root_id": "root"})
    token = current_request.set(request)
    try:
        result = (group(add.s(1, 2), add.s(3, 4)) | add.s(5)).apply_async()
        alone = add.s(1, 2).apply_async()
        hidden = (add.s(1, 2) | add.s(3)).apply_async(add_to_parent=False)
    finally:
        current_request.reset(token)
    assert {(message.headers["root_id"], message.headers["parent_id"]) for message in sent} == {("root", "me")}
    body = bodies(sent)[0][2]["chord"]
    assert body["options"]["root_id"] == "root"
    assert json.loads(json.dumps(request.children)) == json.loads(json.dumps([result.as_tuple(), alone.as_tuple()]))
    assert hidden.id not in str(request.children)
    assert request.has_sent


def test_a_class_that_sends_in_its_own_way(app, sent):
    calls = []

    class Own(Task):
        def apply_async(self, args=None, kwargs=None, **options):
            calls.append(args)
            return super().apply_async(args, kwargs, **options)

    own = app.task(base=Own, name="own")(lambda x: x)
    own.s(1).delay()
    group(own.s(2), own.s(3)).apply_async()
    assert calls == [(1,), (2,), (3,)]
    assert len(sent) == 3


def test_links_in_a_message_are_plain(app, add):
    with Umbel("other", broker="memory://", set_as_current=False, accept_content=["json", "msgpack"]) as other:
        callback = group(add.s(1), add.s(2))
        _, message, _ = other.prepare("add", (1, 2), {}, {"link": callback, "serializer": "pickle"})
    assert b"umbel" not in message.body


def test_later_tasks_are_announced(app, add, sent):
    app.conf.task_store_queued = True
    result = (add.s(1, 2) | add.s(3) | group(add.s(4), add.s(5))).apply_async()
    ids = [result.parent.parent.id, result.parent.id, *(child.id for child in result.results)]
    assert [app.AsyncResult(each).state for each in ids] == ["PENDING"] * 4
    assert app.AsyncResult(app.workflows.naming().new_id()).state != "PENDING"


def test_freezing_fixes_the_ids(add, sent):
    workflow = add.s(1, 2) | group(add.s(3), add.s(4)) | add.s(5)
    handle = workflow.freeze()
    sending = workflow.apply_async()
    assert (sending.id, sending.parent.id) == (handle.id, handle.parent.id)
    assert workflow.id == handle.id
    alone = add.s(1, 2)
    assert alone.freeze("mine", group_id="g", group_index=2).id == alone.id == "mine"
    assert (alone.options["group_id"], alone.options["group_index"]) == ("g", 2)
