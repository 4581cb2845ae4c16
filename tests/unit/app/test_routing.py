import re
import types

import pytest

from umbel.app.sending.options import PublishOptions
from umbel.app.sending.queues import QueueDefaults, Queues, parse_queues
from umbel.app.sending.routing import Router, compile_routes
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.errors import ImproperlyConfigured, QueueNotFound


def queues(given=None, **defaults):
    return Queues(given, QueueDefaults(**defaults))


def router(routes=None, given=None, **defaults):
    return Router(compile_routes(routes), queues(given, **defaults))


def address(found: Router, **options):
    to = found.destination(PublishOptions(**options))
    return to.exchange, to.routing_key, to.queue.name if to.queue else None


# -- queues --------------------------------------------------------------------


def test_the_default_queue():
    assert queues().default == Queue("celery", Exchange("celery", "direct"), "celery")
    assert [queue.name for queue in queues().consume_from] == ["celery"]


def test_the_default_queue_s_parts():
    found = queues(name="q", exchange="x", exchange_type="topic", routing_key="k.#", queue_type="quorum", max_priority=9).default
    assert found.exchange == Exchange("x", "topic")
    assert found.routing_key == "k.#"
    assert found.arguments == {"x-queue-type": "quorum"}


def test_max_priority_goes_to_classic_queues():
    assert queues(max_priority=9).default.arguments == {"x-max-priority": 9}
    assert queues([Queue("a", arguments={"x-max-priority": 3})], max_priority=9)["a"].arguments == {"x-max-priority": 3}


def test_missing_queues_are_made():
    found = queues()["other"]
    assert (found.exchange, found.routing_key) == (Exchange("other", "direct"), "other")
    quorum = queues(missing_queue_type="quorum", missing_exchange_type="topic")["other"]
    assert quorum.arguments["x-queue-type"] == "quorum"
    assert quorum.exchange.type == "topic"


def test_missing_queues_are_refused_when_told_so():
    found = queues([Queue("images")], create_missing=False)
    with pytest.raises(QueueNotFound, match="did you mean 'images'"):
        found["image"]


def test_task_queues_as_a_dict():
    found = queues(
        {
            "feeds": {"exchange": "feeds", "exchange_type": "topic", "routing_key": "feed.#", "queue_arguments": {"x-max-length": 5}},
            "plain": {},
            "old": {"binding_key": "k", "exchange": "e"},
        }
    )
    assert found["feeds"].exchange == Exchange("feeds", "topic")
    assert found["feeds"].arguments == {"x-max-length": 5}
    assert found["plain"].routing_key == "plain"
    assert (found["old"].exchange.name, found["old"].routing_key) == ("e", "k")


def test_objects_with_kombu_s_attributes():
    exchange = types.SimpleNamespace(name="media", type="topic", durable=True, auto_delete=False, delivery_mode="transient", arguments=None)
    given = types.SimpleNamespace(
        name="videos", exchange=exchange, routing_key="media.video", durable=True, exclusive=False, auto_delete=False, bindings=set(),
        queue_arguments={"x-queue-mode": "lazy"}, max_priority=5, expires=1.5, message_ttl=None, consumer_arguments=None, no_declare=None,
    )  # fmt: skip
    (found,) = parse_queues([given])
    assert found.exchange == Exchange("media", "topic", delivery_mode=1)
    assert found.arguments == {"x-queue-mode": "lazy", "x-max-priority": 5, "x-expires": 1500}


@pytest.mark.parametrize("given", [[3], {"q": 3}, [object()]])
def test_wrong_queues(given):
    with pytest.raises(ImproperlyConfigured, match="task_queues"):
        queues(given)


def test_selecting():
    found = queues([Queue("a"), Queue("b"), Queue("c")])
    assert [queue.name for queue in found.select()] == ["a", "b", "c"]
    assert [queue.name for queue in found.select("a,b")] == ["a", "b"]
    assert [queue.name for queue in found.select(None, "b")] == ["a", "c"]
    assert [queue.name for queue in found.select(["x"])] == ["x"]
    with pytest.raises(QueueNotFound):
        queues([Queue("a")], create_missing=False).select("x")


# -- routes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "queue"),
    [
        (None, None),
        ({"proj.add": "exact"}, "exact"),
        ({"proj.add": {"queue": "exact"}}, "exact"),
        ({"proj.*": "glob", "proj.add": "exact"}, "exact"),
        ({"other.*": "glob"}, None),
        ({"proj.*": {"queue": "glob"}}, "glob"),
        ({re.compile(r"proj\.(add|mul)"): {"queue": "regex"}}, "regex"),
        ([("proj.*", {"queue": "first"}), ("proj.add", "second")], "second"),
        ([("proj.a*", "first"), ("proj.*", "second")], "first"),
        ([{"x": "no"}, {"proj.add": "yes"}], "yes"),
        (([("proj.add", "nested")],), "nested"),
        (("proj.add", "pair"), "pair"),
        (lambda name, args, kwargs, options, task=None, **kw: {"queue": f"from-{name}-{args[0]}"}, "from-proj.add-1"),
        (lambda name, args, kwargs, options, task=None, **kw: "text", "text"),
        ([lambda *a, **k: None, {"proj.add": "next"}], "next"),
        (types.SimpleNamespace(route_for_task=lambda name, args, kwargs: {"queue": "old"}), "old"),
    ],
)
def test_destinations_of_routes(routes, queue):
    route = router(routes).lookup("proj.add", (1,), {}, {})
    assert (route or {}).get("queue") == queue


def test_routes_by_import_path(monkeypatch):
    import sys

    module = types.ModuleType("some_router")
    module.route_task = lambda *a, **k: "imported"
    monkeypatch.setitem(sys.modules, "some_router", module)
    assert router("some_router.route_task").lookup("x", (), {}, {}) == {"queue": "imported"}


def test_functions_make_routing_dynamic():
    assert router({"a": "b"}).static
    assert not router(lambda *a, **k: None).static


@pytest.mark.parametrize("routes", [3, {"a": 3}, {3: "a"}, [3]])
def test_wrong_routes(routes):
    with pytest.raises(ImproperlyConfigured, match="task_routes"):
        compile_routes(routes)


# -- addresses -----------------------------------------------------------------


def test_direct_queues_are_addressed_by_name():
    assert address(router()) == ("", "celery", "celery")
    assert address(router(), queue="other") == ("", "other", "other")
    assert address(router(), queue="other", routing_key="k") == ("", "other", "other")


def test_topic_queues_are_addressed_by_exchange_and_key():
    topic = Queue("feeds", Exchange("feeds", "topic"), "feed.#")
    found = router(given=[topic])
    assert address(found, queue="feeds") == ("feeds", "feed.#", "feeds")
    assert address(found, queue="feeds", routing_key="feed.x") == ("feeds", "feed.x", "feeds")


def test_exchange_and_key_are_taken_as_they_are():
    assert address(router(), exchange="x", routing_key="k") == ("x", "k", None)


def test_a_queue_object_need_not_be_known():
    assert address(router(create_missing=False), queue=Queue("mine")) == ("", "mine", "mine")


def test_unroutable_messages_are_errors_unless_told_otherwise():
    assert router().destination(PublishOptions()).mandatory
    assert not router().destination(PublishOptions(exchange="x", routing_key="k", mandatory=False)).mandatory
    assert isinstance(router().destination(PublishOptions()), Destination)


def test_a_typing_error_in_a_route_is_told(caplog):
    compile_routes({"proj.add": {"quue": "fast"}, "proj.mul": {"queue": "fast", "priority": 3}})
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "task_routes, the route of 'proj.add': quue is not an option; did you mean queue?"
