import datetime as dt
import json
import sys
import zlib

import pytest

from umbel import Broadcast, Exchange, Queue, hooks, worker_direct
from umbel.app.connections import broker_options
from umbel.errors import EncodeError, ImproperlyConfigured, OperationalError, PublishError, QueueNotFound
from umbel.messages.ids import begins_at
from umbel.testing.fakes import FakeApp

SIGNATURE = {"task": "proj.mul", "args": [10], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}


@pytest.fixture
def app():
    return FakeApp()


@pytest.fixture
def add(app):
    @app.task(name="proj.add")
    def add(x, y=2):
        return x + y

    return add


def sent(app, index=-1):
    message, to = app.fake.sent[index]
    return message, to, json.loads(message.body)


def test_delay_sends_protocol_2_to_the_default_queue(app, add):
    result = add.delay(1, y=3)
    message, to, body = sent(app)
    assert (to.exchange, to.routing_key) == ("", "celery")
    assert body == [[1], {"y": 3}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    assert message.headers["task"] == "proj.add"
    assert message.headers["id"] == message.properties["correlation_id"] == result.id
    assert message.headers["argsrepr"] == "(1,)"
    assert message.headers["root_id"] == result.id
    assert message.headers["origin"].startswith("gen")
    assert message.properties["delivery_mode"] == 2
    assert message.properties["priority"] == 0
    assert message.properties["reply_to"]
    assert begins_at(result.id)
    assert [queue.name for queue in app.fake.declared] == ["celery"]


LASTING = [
    {},
    {"queue": "here"},
    {"queue": "here", "priority": 3},
    {"priority": 3, "queue": "here"},
    {"exchange": "over", "routing_key": "there"},
    {"routing_key": "there"},
    {"serializer": "yaml"},
    {"queue": "routed"},
    {"priority": None},
]


@pytest.mark.parametrize("routes", [None, {"proj.*": {"queue": "routed", "priority": 2}}], ids=["no routes", "routes"])
@pytest.mark.parametrize("options", LASTING, ids=str)
def test_the_short_way_sends_what_the_long_one_sends(app, add, options, routes):
    app.conf.task_routes = routes
    add.apply_async((1,), {"y": 3}, **options)
    result = add.apply_async((1,), {"y": 3}, **options)
    add.apply_async((1,), {"y": 3}, task_id="long", **options)  # an id of one's own is rendered in full
    for index in (0, 1):
        (short, to), (full, address) = app.fake.sent[index], app.fake.sent[2]
        ids = {"id": "", "root_id": ""}
        assert list(short.headers) == list(full.headers)
        assert {**short.headers, **ids} == {**full.headers, **ids}
        assert (short.body, short.content_type, short.content_encoding) == (full.body, full.content_type, full.content_encoding)
        assert {**short.properties, "correlation_id": 0} == {**full.properties, "correlation_id": 0}
        assert (to.exchange, to.routing_key) == (address.exchange, address.routing_key)
    assert app.fake.sent[1][0].headers["id"] == result.id


def test_calls_with_the_same_options_are_planned_once(app, add, monkeypatch):
    plans = []
    monkeypatch.setattr(app.outbox, "plan", lambda *given, plan=app.outbox.plan: plans.append(given[1]) or plan(*given))
    for number in range(3):
        add.apply_async((number,), queue="here")
        add.apply_async((number,), queue="there", priority=1)
    assert [(options.queue, options.priority) for options in plans] == [("here", None), ("there", 1)]
    assert {queue.name for queue in app.fake.declared} == {"here", "there"}
    for number in range(200):
        add.apply_async((1,), queue=f"q{number}")
    assert len(add._plans._by_options) <= 64
    app.conf.task_default_priority = 7
    add.apply_async((1,), queue="here")
    assert sent(app)[0].properties["priority"] == 7


def test_wrong_options_raise_on_the_fast_path_too(app, add):
    app.conf.task_create_missing_queues = False
    for _ in range(2):
        with pytest.raises(QueueNotFound):
            add.apply_async((1,), queue="nowhere")
        with pytest.raises(ImproperlyConfigured):
            add.apply_async((1,), serializer="nothing")
        with pytest.raises(TypeError):
            add.apply_async((1, 2, 3), queue="celery")
    add.apply_async((1,), queue=Queue("celery"))
    assert sent(app)[1].routing_key == "celery"
    assert len(app.fake.sent) == 1


def test_a_changed_setting_changes_the_next_plain_call(app, add):
    add.delay(1)
    app.conf.task_default_queue = "other"
    add.delay(1)
    assert [to.routing_key for _, to in app.fake.sent] == ["celery", "other"]


def test_a_changed_attribute_changes_the_next_plain_call(app, add):
    add.delay(1)
    add.queue = "mine"
    add.delay(1)
    assert sent(app)[1].routing_key == "mine"


def test_times(app, add):
    add.apply_async((1,), countdown=10, expires=60)
    message, _, _ = sent(app)
    assert message.headers["eta"] == "2030-01-01T00:00:10+00:00"
    assert message.headers["expires"] == "2030-01-01T00:01:00+00:00"
    assert "expiration" not in message.properties, "RabbitMQ would drop it, and nobody would know"
    app.conf.update(timezone="Europe/Berlin", enable_utc=False)
    add.apply_async((1,), countdown=10)
    assert sent(app)[0].headers["eta"] == "2030-01-01T01:00:10+01:00"
    add.apply_async((1,), eta=dt.datetime(2030, 5, 1, 12))
    assert sent(app)[0].headers["eta"] == "2030-05-01T12:00:00"


def test_a_naive_expiry_is_utc_whatever_the_zone(app, add):
    app.conf.update(timezone="Europe/Berlin")
    add.apply_async((1,), expires=dt.datetime(2030, 1, 1, 1))
    message, _, _ = sent(app)
    assert message.headers["expires"] == "2030-01-01T01:00:00"


def test_a_soft_limit_beyond_the_hard_one_is_an_error(app, add):
    with pytest.raises(ValueError, match=r"soft_time_limit must be less than or equal to time_limit: task proj\.add has 6 s and 5 s"):
        add.apply_async((1,), time_limit=5, soft_time_limit=6)
    add.time_limit, add.soft_time_limit = 1, 2
    with pytest.raises(ValueError, match="2 s and 1 s"):
        add.delay(1)
    with pytest.raises(ValueError, match="2 s and 1 s"):
        add.delay_many([1])
    assert not app.fake.sent


def test_options_land_where_celery_puts_them(app, add):
    add.apply_async(
        (1,), task_id="my-id", time_limit=10, soft_time_limit=5, shadow="s", headers={"tenant": "t"}, argsrepr="(***)", reply_to="r", retries=2,
        group_id="g", group_index=3, ignore_result=True, priority=5, delivery_mode="transient", app_id="a", confirm=True,
    )  # fmt: skip
    message, _, _ = sent(app)
    assert message.headers["timelimit"] == [10, 5]
    for name, value in {
        "id": "my-id",
        "shadow": "s",
        "tenant": "t",
        "argsrepr": "(***)",
        "retries": 2,
        "group": "g",
        "group_index": 3,
    }.items():
        assert message.headers[name] == value
    assert message.headers["ignore_result"] is True
    assert message.properties == {"correlation_id": "my-id", "reply_to": "r", "delivery_mode": 1, "priority": 5, "app_id": "a"}
    assert app.fake.confirmed == [True]


def test_links_travel_as_signatures(app, add):
    add.apply_async((1,), link=SIGNATURE, link_error=[SIGNATURE], chain=[SIGNATURE])
    embed = sent(app)[2][2]
    assert embed["callbacks"] == embed["errbacks"] == embed["chain"] == [SIGNATURE]


def test_serializers_and_compression(app, add):
    add.apply_async((1,), serializer="pickle")
    assert sent_type(app) == ("application/x-python-serialize", "binary")
    add.apply_async((1,), compression="gzip")
    assert app.fake.sent[-1][0].headers["compression"] == "application/x-gzip"
    app.conf.task_serializer = "yaml"
    add.delay(1)
    assert sent_type(app) == ("application/x-yaml", "utf-8")
    app.conf.task_compression = "zlib"
    add.delay(1)
    assert app.fake.sent[-1][0].headers["compression"] == "application/x-gzip"


def sent_type(app):
    message, _ = app.fake.sent[-1]
    return message.content_type, message.content_encoding


def test_precedence_of_destinations(app):
    @app.task(name="proj.job", queue="attribute", priority=1)
    def job(): ...

    @app.task(name="proj.plain")
    def plain(): ...

    def where(message, address, *_):
        return address.routing_key, message.properties["priority"]

    app.conf.task_routes = {"proj.*": {"queue": "route", "priority": 2}}
    plain.delay()
    assert where(*sent(app)) == ("route", 2)
    job.delay()
    assert where(*sent(app)) == ("attribute", 1)
    job.apply_async(queue="call", priority=3)
    assert where(*sent(app)) == ("call", 3)
    plain.apply_async(queue="call")
    assert where(*sent(app)) == ("call", 2)  # a route that is not asked for its queue still has its say
    plain.apply_async(priority=4)
    assert where(*sent(app)) == ("route", 4)


def test_a_named_queue_outranks_other_exchanges(app, add):
    app.conf.task_routes = {"proj.add": {"exchange": "elsewhere", "routing_key": "key"}}
    add.apply_async((1,), queue="here")
    assert (sent(app)[1].exchange, sent(app)[1].routing_key) == ("", "here")


def test_a_call_may_take_another_task_s_route(app, add):
    app.conf.task_routes = {"proj.slow": "slow"}
    add.apply_async((1,), route_name="proj.slow")
    assert sent(app)[1].routing_key == "slow"
    app.send_task("far.away", route_name="proj.slow")
    assert sent(app)[1].routing_key == "slow"


def test_annotations_reach_a_program_that_only_sends(app, add):
    app.conf.task_annotations = {"proj.add": {"priority": 6}, "*": {"queue": "annotated"}}
    assert not app.finalized
    add.delay(1)
    assert (sent(app)[1].routing_key, sent(app)[0].properties["priority"]) == ("annotated", 6)

    app.finalize()

    @app.task(name="proj.late")
    def late(): ...

    assert late.queue == "annotated"


def test_arguments_are_a_list_and_a_dict(app, add):
    for args, kwargs in [("ab", None), ({1, 2}, None), ({"x": 1}, None), (5, None), ((1,), [("y", 2)]), ((1,), "y")]:
        for send in (add.apply_async, lambda *given: app.send_task("proj.add", *given), add.apply):
            with pytest.raises(TypeError, match="of the task's arguments"):
                send(args, kwargs)
    assert not app.fake.sent
    add.apply_async(number for number in (1, 2))
    assert json.loads(sent(app)[0].body)[0] == [1, 2]


def test_positional_options_are_celery_s(app, add):
    signature = {"task": "proj.add", "args": [1]}
    add.apply_async((1,), {}, "an-id", None, signature, [signature], "shown")
    message = sent(app)[0]
    embed = json.loads(message.body)[2]
    assert (message.headers["id"], message.headers["shadow"]) == ("an-id", "shown")
    assert (embed["callbacks"], embed["errbacks"]) == ([signature], [signature])
    app.send_task("proj.add", (1,), {}, 60, None, "other-id")
    assert sent(app)[0].headers["id"] == "other-id"
    assert sent(app)[0].headers["eta"]


def test_dynamic_routes_are_asked_for_each_call(app, add):
    app.conf.task_routes = lambda name, args, kwargs, options, task=None, **_: {"queue": f"q{args[0]}"}
    add.delay(1)
    add.delay(2)
    assert [to.routing_key for _, to in app.fake.sent] == ["q1", "q2"]


def test_the_queue_s_exchange_decides_on_delivery_mode(app, add):
    app.conf.task_queues = [Queue("celery", Exchange("celery", delivery_mode=1))]
    add.delay(1)
    assert sent(app)[0].properties["delivery_mode"] == 1


def test_an_unknown_queue(app, add):
    app.conf.task_create_missing_queues = False
    with pytest.raises(QueueNotFound):
        add.apply_async((1,), queue="other")


def test_wrong_arguments_are_the_caller_s_error(app, add):
    for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1})]:
        with pytest.raises(TypeError, match=r"add\(x, y=2\)"):
            add.delay(*args, **kwargs)
        with pytest.raises(TypeError):
            add.apply_async(args, kwargs)
    with pytest.raises(TypeError):
        add.delay_many([()])
    assert not app.fake.sent


def test_checking_can_be_turned_off(app):
    @app.task(typing=False)
    def loose(x): ...

    loose.delay()
    assert len(app.fake.sent) == 1
    assert FakeApp(strict_typing=False).task(lambda x: x).delay()


def test_arguments_that_json_cannot_hold_raise(app, add):
    with pytest.raises(EncodeError):
        add.delay({1, 2})


def test_a_broker_that_fails_is_an_operational_error(app, add):
    app.fake.error = OperationalError("down")
    with pytest.raises(add.OperationalError):
        add.delay(1)


def test_send_task_needs_no_task(app):
    app.send_task("far.away", (1,), {"a": 2}, queue="q")
    message, to, body = sent(app)
    assert (message.headers["task"], to.routing_key) == ("far.away", "q")
    assert message.headers["ignore_result"] is None
    assert body[:2] == [[1], {"a": 2}]


def test_protocol_1(app, add):
    app.conf.task_protocol = 1
    add.delay(1)
    message, _, body = sent(app)
    assert message.headers == {}
    assert body["task"] == "proj.add"
    assert body["args"] == [1]


def test_many_at_once(app, add):
    results = add.delay_many([(1, 2), 3, (4,)], queue="bulk")
    assert [json.loads(message.body)[0] for message, _ in app.fake.sent] == [[1, 2], [3], [4]]
    assert {to.routing_key for _, to in app.fake.sent} == {"bulk"}
    assert [result.id for result in results] == [message.headers["id"] for message, _ in app.fake.sent]


def test_signals_around_publishing(app, add):
    seen = []

    def before(sender, headers, **named):
        headers["tenant"] = "t1"
        seen.append(("before", sender, sorted(named)))

    def after(sender, **named):
        seen.append(("after", sender, named["routing_key"]))

    hooks.before_task_publish.connect(before)
    hooks.after_task_publish.connect(after)
    try:
        add.delay(1)
    finally:
        hooks.before_task_publish.disconnect(before)
        hooks.after_task_publish.disconnect(after)
    assert sent(app)[0].headers["tenant"] == "t1"
    assert seen == [
        ("before", "proj.add", ["body", "declare", "exchange", "properties", "retry_policy", "routing_key", "signal"]),
        ("after", "proj.add", "celery"),
    ]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_listeners_see_the_body_and_may_change_it(app, add, compression):
    seen = []

    def before(body, retry_policy, **_):
        seen.append((body, retry_policy["max_retries"]))
        body[1]["y"] = 5

    def after(body, **_):
        seen.append(body)

    hooks.before_task_publish.connect(before)
    hooks.after_task_publish.connect(after)
    try:
        add.apply_async((1,), retry_policy={"max_retries": 9}, compression=compression)
        add.delay_many([2])
    finally:
        hooks.before_task_publish.disconnect(before)
        hooks.after_task_publish.disconnect(after)
    args, kwargs, embed = seen[0][0]
    assert (args, kwargs, seen[0][1]) == ([1], {"y": 5}, 9)
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}
    assert seen[1] == seen[0][0]
    assert seen[3][:2] == ([2], {"y": 5})
    plain = [zlib.decompress(app.fake.sent[0][0].body) if compression else app.fake.sent[0][0].body, app.fake.sent[1][0].body]
    assert [json.loads(body)[:2] for body in plain] == [[[1], {"y": 5}], [[2], {"y": 5}]]


def test_listeners_of_protocol_1_see_a_dict(app, add):
    seen = []

    def before(sender, body, **_):
        seen.append((sender, body["kwargs"]))

    app.conf.task_protocol = 1
    hooks.before_task_publish.connect(before)
    try:
        add.delay(1, y=2)
    finally:
        hooks.before_task_publish.disconnect(before)
    assert seen == [("proj.add", {"y": 2})]


def test_listeners_are_told_of_what_a_worker_publishes(app, add):
    seen = []

    def before(sender, **_):
        seen.append(sender)

    hooks.before_task_publish.connect(before)
    try:
        app.prepare("proj.add", (1,), {}, {})
    finally:
        hooks.before_task_publish.disconnect(before)
    assert seen == ["proj.add"]


def test_handles_of_calls_without_result_return_at_once(app, add):
    assert not add.delay(1).ignored
    assert add.apply_async((1,), ignore_result=True).get() is None
    app.conf.task_ignore_result = True
    assert add.delay(1).get() is None


async def in_loop(app, add):
    return await add.adelay(1)


@pytest.mark.parametrize("blocking", [False, True])
def test_adelay_waits_for_the_confirm(app, add, blocking):
    import asyncio

    app.fake.blocking = blocking
    result = asyncio.run(in_loop(app, add))
    assert sent(app)[0].headers["id"] == result.id


@pytest.mark.parametrize("blocking", [False, True])
def test_adelay_raises_when_the_broker_did_not_take_it(app, add, blocking):
    import asyncio

    app.fake.blocking = blocking
    app.fake.refusal = PublishError("nack")
    with pytest.raises(PublishError, match="nack"):
        asyncio.run(in_loop(app, add))


@pytest.mark.parametrize(("setting", "value"), [("task_compression", "gzip"), ("task_inherit_parent_priority", True)])
def test_calls_without_common_parts_are_recognised_once(app, add, setting, value, monkeypatch):
    plans = []
    monkeypatch.setattr(app.outbox, "plan", lambda *given, plan=app.outbox.plan: plans.append(plan(*given)) or plans[-1])
    app.conf[setting] = value
    for number in range(3):
        add.delay(number)
    add.apply_async((3,), countdown=1)
    assert plans == [None]
    del app.conf[setting]
    add.delay(4)
    assert len(plans) == 2
    assert plans[1] is not None
    assert len(app.fake.sent) == 5


def test_with_task_store_queued_an_id_has_a_record_before_its_message_is_published(app, add):
    app.conf.task_store_queued = True
    store = app.records
    seen = []
    app.fake.publish = lambda message, *_, **__: seen.append((message.headers["id"], [record.task_id for record in store.records]))
    first = add.delay(1)
    second = add.apply_async((1,), countdown=5)
    third = app.send_task("proj.other")
    many = add.delay_many(range(3))
    assert [task_id for task_id, _ in seen] == [each.id for each in (first, second, third, *many)]
    assert all(task_id in known for task_id, known in seen)
    assert {(record.status, record.result, record.date_done) for record in store.records} == {("PENDING", None, None)}


def test_with_task_store_queued_what_follows_a_task_is_recorded_with_its_result(app, add):
    app.conf.task_store_queued = True
    add.apply_async((1,), link=SIGNATURE)
    app.run()
    follower = app.fake.sent[-1][0].headers["id"]
    assert [(record.task_id, record.status) for record in app.records.records][-1] == (follower, "PENDING")


def test_without_task_store_queued_nothing_is_stored_by_sending(app, add):
    store = app.records
    add.delay(1)
    add.delay_many([1, 2])
    assert store.records == []


def test_a_call_may_say_how_often_to_try_again(app, add):
    app.conf.task_publish_retry_policy = {"max_retries": 7}
    for options in ({"retry": False}, {"retry_policy": {"max_retries": 2}}, {"retry": True}, {"retry_policy": {"max_retries": None}}, {}):
        add.apply_async((1,), countdown=1, **options)
    assert app.fake.retries == [0, 2, 7, sys.maxsize]
    assert broker_options(app.conf).publish_retries == 7


@pytest.mark.parametrize("send", ["delay", "apply_async", "delay_many", "send_task"])
def test_bodies_larger_than_workers_take_are_refused(app, add, send):
    app.conf.message_max_body = 200
    calls = {
        "delay": add.delay,
        "apply_async": lambda text: add.apply_async((text,), countdown=1),
        "delay_many": lambda text: add.delay_many([text]),
        "send_task": lambda text: app.send_task("proj.other", (text,)),
    }
    calls[send]("x" * 100)
    with pytest.raises(
        EncodeError, match=r"the arguments of proj\.\w+ are too large: \d+ bytes, and workers take 200 \(message_max_body\)"
    ):
        calls[send]("x" * 300)
    assert len(app.fake.sent) == 1


def test_the_id_of_what_runs_later_is_as_old_as_that(app, add):
    """A result that is not there is taken for gone by the age of its id."""
    for options in ({"countdown": 7200}, {"eta": dt.datetime(2030, 1, 1, 2, tzinfo=dt.UTC)}):
        assert begins_at(add.apply_async((1,), **options).id) == dt.datetime(2030, 1, 1, 2, tzinfo=dt.UTC).timestamp()
    assert begins_at(add.apply_async((1,), eta=dt.datetime(2020, 1, 1)).id) == dt.datetime(2030, 1, 1, tzinfo=dt.UTC).timestamp()


def test_only_the_queue_that_is_sent_to_is_declared(app, add):
    """A user who may use one queue may not be allowed to make the default one."""
    add.apply_async((1,), queue="only_this")
    assert [queue.name for queue in app.fake.declared] == ["only_this"]


@pytest.mark.parametrize(
    ("order", "broker", "said", "sent_as"),
    [
        ("broker", "redis://localhost/0", 8, 8),
        ("broker", "redis://localhost/0", None, 0),
        ("higher-first", "redis://localhost/0", 8, 1),
        ("higher-first", "redis://localhost/0", 99, 0),
        ("higher-first", "redis://localhost/0", None, 9),
        ("lower-first", "redis://localhost/0", 8, 8),
        ("higher-first", "amqp://localhost//", 8, 8),
        ("lower-first", "amqp://localhost//", 8, 1),
        ("lower-first", "amqp://localhost//", None, 9),
    ],
)
def test_one_meaning_for_priorities(app, add, order, broker, said, sent_as):
    app.conf.update(priority_order=order, broker_url=broker)
    add.apply_async((1,), priority=said)
    add.apply_async((1,), priority=said, headers={"x": 1})
    assert [message.properties["priority"] for message, _ in app.fake.sent] == [sent_as, sent_as]


def test_a_broadcast_may_reach_nobody_also_on_the_fast_path(app, add):
    app.conf.task_queues = [Queue("celery"), Broadcast("all")]
    app.conf.task_routes = {"proj.add": "all"}
    add.delay(1)
    _, to, _ = sent(app)
    assert (to.exchange, to.routing_key, to.mandatory, to.queue.is_broadcast) == ("all", "celery", False, True)


def test_an_alias_and_the_queue_of_one_worker(app, add):
    app.conf.task_queues = [Queue("q", alias="other")]
    add.apply_async((1,), queue="other")
    assert sent(app)[1].routing_key == "q"
    add.apply_async((1,), queue=worker_direct("w1@host"))
    assert sent(app)[1].routing_key == "w1@host.dq2"
