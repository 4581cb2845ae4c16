"""The forms of ``task_queues``."""

import types
from datetime import timedelta

import pytest

from umbel.app.sending.queue_forms import parse_queues
from umbel.app.sending.queues import QueueDefaults, Queues
from umbel.brokers.topology import Binding, Broadcast, Exchange, Queue
from umbel.errors import ImproperlyConfigured


def queues(given=None, **defaults):
    return Queues(given, QueueDefaults(**defaults))


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


def test_every_option_of_a_dict():
    given = {
        "exchange": "files", "exchange_type": "headers", "exchange_durable": False, "exchange_auto_delete": True, "exchange_arguments": {"x": 1},
        "delivery_mode": "transient", "binding_key": "b", "routing_key": "r", "queue_durable": False, "queue_auto_delete": True,
        "queue_arguments": {"x-queue-mode": "lazy"}, "binding_arguments": {"format": "pdf"}, "consumer_arguments": {"x-priority": 2}, "no_ack": True,
        "alias": "f", "max_priority": 5, "message_ttl": 1.5, "expires": timedelta(seconds=2), "max_length": 7, "max_length_bytes": 8, "exclusive": True,
        "bindings": [{"exchange": "more", "exchange_type": "topic", "routing_key": "m.#"}, Binding(Exchange("last", "fanout"))],
    }  # fmt: skip
    (found,) = parse_queues({"q": given})
    assert found.exchange == Exchange("files", "headers", durable=False, auto_delete=True, delivery_mode=1, arguments={"x": 1})
    assert (found.routing_key, found.durable, found.auto_delete, found.exclusive, found.no_ack) == ("b", False, True, True, True)
    assert (found.binding_arguments, found.consumer_arguments, found.alias) == ({"format": "pdf"}, {"x-priority": 2}, "f")
    assert found.arguments == {
        "x-queue-mode": "lazy", "x-max-priority": 5, "x-message-ttl": 1500, "x-expires": 2000, "x-max-length": 7, "x-max-length-bytes": 8,
    }  # fmt: skip
    assert found.bindings == (Binding(Exchange("more", "topic"), "m.#"), Binding(Exchange("last", "fanout")))


def test_one_durable_for_both():
    (found,) = parse_queues({"q": {"exchange": "x", "durable": False, "auto_delete": True}})
    assert (found.durable, found.auto_delete, found.exchange.durable, found.exchange.auto_delete) == (False, True, False, True)


def test_names_alone():
    assert [queue.name for queue in parse_queues("a, b,")] == ["a", "b"]
    assert [queue.name for queue in parse_queues(["a", "b"])] == ["a", "b"]
    assert [queue.name for queue in parse_queues({"a": None, "b": Queue("b")})] == ["a", "b"]


def test_a_typing_error_in_an_option_is_told(caplog):
    parse_queues({"q": {"exchnge": "x"}})
    assert "exchnge is not an option; did you mean exchange?" in caplog.text


def test_two_queues_of_one_name_must_be_the_same():
    assert len(parse_queues([Queue("q"), Queue("q")])) == 1
    with pytest.raises(ImproperlyConfigured, match="two queues 'q' that differ"):
        parse_queues([Queue("q", routing_key="a"), Queue("q", routing_key="b")])


@pytest.mark.parametrize(
    "given", [5, {"q": {"bindings": [3]}}, {"q": {"exchange": 3}}, {"q": {"max_priority": "high"}}, {"q": {"bindings": [{}]}}]
)
def test_what_is_no_queue(given):
    with pytest.raises(ImproperlyConfigured):
        parse_queues(given)


def kombu_queue(**attributes):
    """An object with all attributes of kombu's ``Queue`` (5.7)."""
    plain = dict.fromkeys(
        ("queue_arguments", "binding_arguments", "consumer_arguments", "no_ack", "alias", "expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")
    )  # fmt: skip
    exchange = types.SimpleNamespace(
        name="x", type="topic", durable=True, auto_delete=False, delivery_mode=None, arguments=None, passive=False
    )
    flags = {"durable": True, "exclusive": False, "auto_delete": False, "no_declare": False}
    return types.SimpleNamespace(
        **{**plain, **flags, "name": "q", "exchange": exchange, "routing_key": "r.#", "bindings": set(), **attributes}
    )


def test_all_of_a_kombu_queue():
    binding = types.SimpleNamespace(exchange=kombu_queue().exchange, routing_key="b", arguments={"a": 1}, unbind_arguments=None)
    found, _ = parse_queues(
        [kombu_queue(bindings=[binding], exchange=None, no_ack=True, alias="other", max_length=3), kombu_queue(name="p")]
    )
    assert found.bindings == (Binding(Exchange("x", "topic"), "b", {"a": 1}),)
    assert (found.no_ack, found.alias, found.arguments, found.exchange) == (True, "other", {"x-max-length": 3}, None)


def test_a_kombu_broadcast():
    """It says its name twice: as ``name`` and as ``queue``."""
    name = Broadcast("all").name
    exchange = types.SimpleNamespace(name="all", type="fanout")
    (found,) = parse_queues([kombu_queue(name=name, queue=name, exchange=exchange, routing_key="", alias="all", auto_delete=True)])
    assert found.is_broadcast
    assert found.for_one_worker().name != name
    assert not parse_queues([kombu_queue()])[0].is_broadcast
