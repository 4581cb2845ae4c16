"""The one road out: many calls of different tasks in one bulk, and every duty for each of them."""

from __future__ import annotations

import json

import pytest

from umbel import current, hooks
from umbel.app.sending.calls import TaskCall
from umbel.errors import EncodeError, OperationalError
from umbel.execution.request import Request
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    return FakeApp()


@pytest.fixture
def add(app):
    @app.task(name="proj.add")
    def add(x, y=2):
        return x + y

    return add


@pytest.fixture
def mul(app):
    @app.task(name="proj.mul", queue="slow", ignore_result=True)
    def mul(x, y):
        return x * y

    return mul


@pytest.fixture
def running(app, add):
    """The request of a task that runs here, and sends."""
    request = Request(add, "parent", (), {}, {"root_id": "root"}, None, {})
    token = current.request.set(request)
    yield request
    current.request.reset(token)


@pytest.fixture
def listening():
    """What listeners are told, in its order."""
    told = []

    def before(sender, headers, **_):
        told.append(("before", sender, headers["id"]))

    def after(sender, headers, **_):
        told.append(("after", sender, headers["id"]))

    hooks.before_task_publish.connect(before)
    hooks.after_task_publish.connect(after)
    yield told
    hooks.before_task_publish.disconnect(before)
    hooks.after_task_publish.disconnect(after)


def summary(app):
    return [(message.headers["task"], to.routing_key, json.loads(message.body)[:2]) for message, to in app.fake.sent]


def test_one_bulk_of_different_tasks_each_with_its_own_options(app, add, mul):
    handles = app.outbox.publish(
        [
            TaskCall("proj.add", (1,), {}, {}, add),
            TaskCall("proj.mul", (2, 3), {}, {"task_id": "mine", "group_id": "g", "group_index": 1}, mul),
            TaskCall("far.away", (), {"a": 4}, {"queue": "there"}),
            TaskCall("proj.add", (5,), {"y": 6}, {"queue": "here", "countdown": 9}, add),
        ],
        {"priority": 3},
    )
    assert summary(app) == [
        ("proj.add", "celery", [[1], {}]),
        ("proj.mul", "slow", [[2, 3], {}]),
        ("far.away", "there", [[], {"a": 4}]),
        ("proj.add", "here", [[5], {"y": 6}]),
    ]
    messages = [message for message, _ in app.fake.sent]
    assert [handle.id for handle in handles] == [message.headers["id"] for message in messages]
    assert [handle.ignored for handle in handles] == [False, True, False, False]
    assert [message.properties["priority"] for message in messages] == [3, 3, 3, 3]
    assert (handles[1].id, messages[1].headers["group"], messages[1].headers["group_index"]) == ("mine", "g", 1)
    assert messages[3].headers["eta"]


def test_one_call_and_a_bulk_of_one_send_the_same(app, add, mul):
    for options in ({}, {"queue": "here"}, {"countdown": 5}, {"link": {"task": "proj.mul"}}, {"headers": {"tenant": "t"}}):
        for task in (add, mul):
            app.fake.sent.clear()
            app.outbox.publish_one(task.name, (1, 2), {}, options, task)
            app.outbox.publish([(task.name, (1, 2), {}, options, task)])
            (one, to), (many, address) = app.fake.sent
            own = dict.fromkeys(("id", "root_id"))
            assert {**one.headers, **own} == {**many.headers, **own}
            assert list(one.headers) == list(many.headers)
            assert {**one.properties, "correlation_id": 0} == {**many.properties, "correlation_id": 0}
            assert (one.body, to.exchange, to.routing_key) == (many.body, address.exchange, address.routing_key)


def test_the_calls_of_a_generator_are_not_held(app, add):
    taken, most = 0, 0

    def calls():
        nonlocal taken
        for number in range(100_000):
            taken += 1
            yield (add.name, (number,), {}, {}, add)

    def publish_many(messages, *, confirm=False):
        nonlocal most
        for published, _ in enumerate(messages):
            most = max(most, taken - published)

    app.fake.publish_many = publish_many
    handles = app.outbox.publish(calls())
    assert len(handles) == 100_000
    assert most <= 500


def test_calls_that_are_delivered_otherwise_do_not_share_a_bulk(app, add):
    runs = []
    app.fake.publish_many = lambda messages, *, confirm=False: runs.append((confirm, len(list(messages))))
    options = [{}, {"queue": "q"}, {"confirm": True}, {"confirm": True, "countdown": 1}, {}, {"retry": False}]
    app.outbox.publish([TaskCall(add.name, (1,), {}, each, add) for each in options])
    assert runs == [(False, 2), (True, 2), (False, 1), (False, 1)]
    assert app.fake.retries == [0]


def test_nothing_of_a_batch_leaves_if_one_of_its_calls_is_wrong(app, add):
    with pytest.raises(TypeError):
        app.outbox.publish([(add.name, (1,), {}, {}, add), (add.name, (), {}, {}, add)])
    with pytest.raises(EncodeError):
        add.delay_many([1, 2, {3}])
    assert not app.fake.sent


def test_listeners_are_told_of_each_call(app, add, listening):
    first = add.delay(1)
    many = add.delay_many([2, 3])
    last = app.send_task("proj.other")
    told = [(what, sender) for what, sender, _ in listening]
    assert told == [
        ("before", "proj.add"),
        ("after", "proj.add"),
        ("before", "proj.add"),
        ("before", "proj.add"),
        ("after", "proj.add"),
        ("after", "proj.add"),
        ("before", "proj.other"),
        ("after", "proj.other"),
    ]
    assert {task_id for _, _, task_id in listening} == {each.id for each in (first, *many, last)}


def test_what_listeners_see_is_sent_as_without_them(app, add, request):
    add.delay(1, y=3)
    request.getfixturevalue("listening")
    add.delay(1, y=3)
    (alone, _), (heard, to) = app.fake.sent
    own = dict.fromkeys(("id", "root_id"))
    assert list(alone.headers) == list(heard.headers)
    assert {**alone.headers, **own} == {**heard.headers, **own}
    assert (alone.body, to.routing_key) == (heard.body, "celery")


@pytest.mark.parametrize("send", ["plain", "options", "many", "by name"])
def test_the_running_task_is_the_parent_of_what_it_sends(app, add, running, send):
    results = {
        "plain": lambda: [add.delay(1)],
        "options": lambda: [add.apply_async((1,), countdown=1)],
        "many": lambda: add.delay_many([1, 2]),
        "by name": lambda: [app.send_task("proj.other")],
    }[send]()
    headers = [message.headers for message, _ in app.fake.sent]
    assert {(each["parent_id"], each["root_id"]) for each in headers} == {("parent", "root")}
    assert running.children == [[[result.id, None], None] for result in results]
    assert running.has_sent


def test_a_call_that_is_not_to_be_remembered_is_none_of_the_children(app, add, running):
    add.apply_async((1,), add_to_parent=False)
    assert running.children == []
    assert running.has_sent


@pytest.mark.parametrize("options", [{}, {"countdown": 1}], ids=str)
def test_what_could_not_be_published_is_none_of_the_children(app, add, running, options):
    app.fake.error = OperationalError("down")
    with pytest.raises(OperationalError):
        add.apply_async((1,), **options)
    assert running.children == []


def test_every_way_to_send_asks_for_the_name_to_show(app):
    @app.task(name="shown")
    def shown(x): ...

    class Named(type(shown)):
        abstract = True

        def shadow_name(self, args, kwargs, options):
            return f"shown {args[0]}"

    named = app.task(base=Named, name="named")(lambda x: x)
    named.delay(1)
    named.apply_async((2,), queue="q")
    named.delay_many([3])
    named.apply_async((4,), shadow="mine")
    assert [message.headers["shadow"] for message, _ in app.fake.sent] == ["shown 1", "shown 2", "shown 3", "mine"]


def test_delay_goes_by_a_task_s_own_apply_async(app):
    @app.task
    def plain(x): ...

    class Routed(type(plain)):
        abstract = True

        def apply_async(self, args=None, kwargs=None, **options):
            return super().apply_async(args, kwargs, queue="own", **options)

    routed = app.task(base=Routed, name="routed")(lambda x: x)
    routed.delay(1)
    assert app.fake.sent[-1][1].routing_key == "own"


def test_eager_tasks_run_and_names_are_sent(app, add):
    app.conf.task_always_eager = True
    eager, sent = app.outbox.publish([TaskCall(add.name, (1,), {}, {}, add), TaskCall("proj.other", (), {})])
    assert eager.get() == 3
    assert [message.headers["id"] for message, _ in app.fake.sent] == [sent.id]
    with pytest.raises(TypeError):
        add.delay()
    app.conf.task_always_eager = False
    add.delay(1)
    assert len(app.fake.sent) == 2
