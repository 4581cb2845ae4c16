import re
import types

import pytest

from umbel.app.sending.options import PublishOptions
from umbel.app.sending.queues import QueueDefaults, Queues
from umbel.app.sending.routing import Router, compile_routes
from umbel.brokers.topology import Broadcast, Destination, Exchange, Queue
from umbel.errors import ImproperlyConfigured


def queues(given=None, **defaults):
    return Queues(given, QueueDefaults(**defaults))


def router(routes=None, given=None, **defaults):
    return Router(compile_routes(routes), queues(given, **defaults))


def address(found: Router, **options):
    to = found.destination(PublishOptions(**options))
    return to.exchange, to.routing_key, to.queue.name if to.queue else None


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
    module.route_nothing = lambda *a, **k: None
    assert router(("some_router.route_nothing", {"proj.*": {"queue": "table"}})).lookup("proj.x", (), {}, {}) == {"queue": "table"}
    assert router(("some_router.route_task", {"proj.x": "table"})).lookup("proj.x", (), {}, {}) == {"queue": "imported"}
    assert router(("proj.*", {"queue": "pair"})).lookup("proj.x", (), {}, {}) == {"queue": "pair"}


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


def test_an_exchange_without_a_key_gets_the_default_one():
    feeds = Queue("feeds", Exchange("feeds", "topic"), "feed.#")
    assert address(router(given=[feeds]), exchange="feeds") == ("feeds", "celery", None)
    assert address(router(given=[feeds], routing_key="usual"), exchange="feeds") == ("feeds", "usual", None)
    assert address(router(given=[feeds]), exchange="feeds", queue="feeds") == ("feeds", "feed.#", "feeds")
    assert address(router(), exchange="") == ("", "celery", "celery")


@pytest.mark.parametrize(
    "options",
    [
        {"queue": "all"},
        {"queue": "all", "exchange": "all"},
        {"exchange": "all"},
        {"exchange": "all", "routing_key": "celery"},
    ],
)
def test_a_broadcast_may_reach_nobody(options):
    found = router(given=[Queue("celery"), Broadcast("all")])
    to = found.destination(PublishOptions(**options))
    assert (to.exchange, to.routing_key, to.mandatory) == ("all", "celery", False)
    assert to.queue.is_broadcast
    assert found.destination(PublishOptions(**options, mandatory=True)).mandatory


def test_a_queue_is_found_by_its_alias():
    found = router(given=[Queue("a", alias="b")], create_missing=False)
    assert address(found, queue="b") == ("", "a", "a")


def test_a_typing_error_in_a_route_is_told(caplog):
    compile_routes({"proj.add": {"quue": "fast"}, "proj.mul": {"queue": "fast", "priority": 3}})
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "task_routes, the route of 'proj.add': quue is not an option; did you mean queue?"
