"""Members of a group that share a plan are sent as they would be one by one."""

import pytest

from umbel.app.sending.calls import TaskCall
from umbel.testing.fakes import FakeApp

BODY = {"task": "sum", "args": (), "kwargs": {}, "options": {"task_id": "body"}, "subtask_type": None, "immutable": False}


@pytest.fixture
def app():
    return FakeApp()


@pytest.fixture
def add(app):
    @app.task(name="proj.add")
    def add(x, y=2):
        return x + y

    return add


def members(task, count=20, **shared):
    """Calls of a group."""
    return [
        TaskCall(task.name, (place,), {"y": 3}, {"task_id": f"id-{place}", "group_id": "g", "group_index": place, **shared}, task)
        for place in range(count)
    ]


def sent_by(app, publish):
    del app.fake.sent[:]
    publish()
    return [(message, to.exchange, to.routing_key) for message, to in app.fake.sent]


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"reply_to": "r", "add_to_parent": False, "queue": "q", "priority": 3},
        {"chord": BODY},
        {"chord": BODY, "root_id": "root", "parent_id": "parent"},
        {"chord": BODY, "serializer": "yaml"},
        {"link": [BODY]},
        {"headers": {"x": 1}},
    ],
)
def test_they_differ_in_nothing_from_calls_of_their_own(app, add, shared):
    calls = members(add, **shared)
    together = sent_by(app, lambda: app.outbox.publish(calls))
    alone = sent_by(app, lambda: [app.outbox.publish([call]) for call in calls])
    assert together == alone
    assert [list(message.headers) for message, _, _ in together] == [list(message.headers) for message, _, _ in alone]
    assert [message.headers["group_index"] for message, _, _ in together] == list(range(20))


def test_groups_and_tasks_that_follow_each_other_are_not_confused(app, add):
    @app.task(name="proj.mul", ignore_result=True)
    def mul(x, y): ...

    calls = [*members(add), *members(add, group_id="h"), *members(mul), *members(mul, chord=BODY)]
    together = sent_by(app, lambda: app.outbox.publish(calls))
    assert together == sent_by(app, lambda: [app.outbox.publish([call]) for call in calls])


@pytest.mark.parametrize("index", [-1, 1 << 31, "7", True, None])
def test_a_place_that_is_none_is_planned_by_itself(app, add, index):
    calls = [call._replace(options={**call.options, "group_index": index}) for call in members(add)]
    assert {message.headers["group_index"] for message, _, _ in sent_by(app, lambda: app.outbox.publish(calls))} == {index}


def test_each_call_is_checked(app, add):
    calls = members(add)
    calls[15] = calls[15]._replace(args=(1, 2, 3, 4))
    with pytest.raises(TypeError):
        app.outbox.publish(calls)
    with pytest.raises(ValueError, match="priority must be"):
        app.outbox.publish(members(add, priority=999))
