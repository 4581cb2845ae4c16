import json
import re
import shlex
from dataclasses import replace

import pytest

from umbel.brokers.amqp.topology import (
    LEVELS,
    LONGEST_DELAY,
    bind_delayed,
    counts_deliveries,
    dead_queue,
    declare_address,
    declare_delayed,
    declare_queue,
    delayed_key,
    entry_level,
    limit_advice,
)
from umbel.brokers.topology import Binding, Broadcast, Exchange, Queue


def shown(methods):
    return [(each.name, {key: value for key, value in each if value not in (False, None, {}, 0)}) for each in methods]


def test_a_queue_is_declared_as_celery_does():
    assert shown(declare_queue(Queue("celery"))) == [
        ("Exchange.Declare", {"exchange": "celery", "exchange_type": "direct", "durable": True}),
        ("Queue.Declare", {"queue": "celery", "durable": True}),
        ("Queue.Bind", {"queue": "celery", "exchange": "celery", "routing_key": "celery"}),
    ]


def test_more_bindings_and_arguments():
    queue = Queue("q", Exchange("t", "topic"), "a.*", bindings=(Binding(Exchange("f", "fanout")),), arguments={"x-max-priority": 10})
    assert [name for name, _ in shown(declare_queue(queue))] == [
        "Exchange.Declare",
        "Exchange.Declare",
        "Queue.Declare",
        "Queue.Bind",
        "Queue.Bind",
    ]
    assert declare_queue(queue)[2].arguments == {"x-max-priority": 10}
    assert declare_queue(Queue("q", no_declare=True)) == []


def test_headers_that_a_binding_wants():
    queue = Queue("q", Exchange("h", "headers"), binding_arguments={"x-match": "any", "a": 1})
    assert declare_queue(queue)[-1].arguments == {"x-match": "any", "a": 1}


def test_exchanges_that_may_not_be_declared():
    queue = Queue("q", Exchange("theirs", "topic", no_declare=True), "a", bindings=[Binding(Exchange("mine", "fanout", no_declare=True))])
    assert [name for name, _ in shown(declare_queue(queue))] == ["Queue.Declare", "Queue.Bind", "Queue.Bind"]


def test_publishers_leave_the_queues_of_a_broadcast_to_workers():
    assert [name for name, _ in shown(declare_address(Broadcast("all")))] == ["Exchange.Declare"]
    assert declare_address(Broadcast("all", no_declare=True)) == []
    assert shown(declare_address(Queue("q"))) == shown(declare_queue(Queue("q")))


def test_a_broadcast_is_declared_as_celery_does():
    """Golden: Celery 5.7, ``Broadcast('bcast')``; the routing key is that of the default queue."""
    queue = replace(Broadcast("bcast"), routing_key="celery")
    exchange, declared, bound = shown(declare_queue(queue))
    assert exchange == ("Exchange.Declare", {"exchange": "bcast", "exchange_type": "fanout", "durable": True})
    assert declared == ("Queue.Declare", {"queue": queue.name, "durable": True, "auto_delete": True})
    assert bound == ("Queue.Bind", {"queue": queue.name, "exchange": "bcast", "routing_key": "celery"})


def test_dead_letters_rest_in_a_plain_queue():
    assert shown(declare_queue(dead_queue("celery"))) == [("Queue.Declare", {"queue": "celery.dead", "durable": True})]


def test_the_delayed_exchanges_are_celerys():
    groups = list(declare_delayed("quorum"))
    highest, lowest = groups[0], groups[LEVELS - 1]
    assert shown(highest)[1] == (
        "Queue.Declare",
        {
            "queue": "celery_delayed_27",
            "durable": True,
            "arguments": {
                "x-queue-type": "quorum",
                "x-overflow": "reject-publish",
                "x-message-ttl": 134217728000,
                "x-dead-letter-exchange": "celery_delayed_26",
                "x-dead-letter-strategy": "at-least-once",
            },
        },
    )
    assert highest[2].routing_key == "1.#"
    assert lowest[1].arguments["x-dead-letter-exchange"] == "celery_delayed_delivery"
    assert lowest[2].routing_key == "*." * 27 + "1.#"
    bindings = groups[-1]
    assert (bindings[0].source, bindings[0].destination, bindings[0].routing_key) == ("celery_delayed_27", "celery_delayed_26", "0.#")
    assert (bindings[-1].source, bindings[-1].destination) == ("celery_delayed_0", "celery_delayed_delivery")
    assert "x-dead-letter-strategy" not in next(declare_delayed("classic"))[1].arguments


@pytest.mark.parametrize(
    ("seconds", "bits"),
    [(0, "0" * 28), (-5, "0" * 28), (0.99, "0" * 28), (20.9, "0" * 23 + "10100"), (LONGEST_DELAY, "1" * 28), (1e12, "1" * 28)],
)
def test_delays_are_whole_seconds_in_bits(seconds, bits):
    assert delayed_key("celery", seconds) == ".".join(bits) + ".celery"


@pytest.mark.parametrize("name", ["celery", "a.b.c", "x" * 255, "☃" * 80])
def test_any_queue_has_a_key_that_its_binding_matches(name):
    key, pattern = delayed_key(name, 5), bind_delayed(name).routing_key
    assert len(key.encode()) <= 255
    assert pattern.split(".")[:LEVELS] == ["*"] * LEVELS
    assert key.split(".")[LEVELS:] == pattern.split(".")[LEVELS:]


@pytest.mark.parametrize(("seconds", "level"), [(-5, 0), (0, 0), (0.9, 0), (1, 0), (2.5, 1), (3600, 11), (4096, 12), (10**12, LEVELS - 1)])
def test_a_message_enters_at_its_highest_level(seconds, level):
    assert entry_level(seconds) == level
    bits = delayed_key("q", seconds).split(".")[:LEVELS]
    assert "1" not in bits[: LEVELS - 1 - level]


@pytest.mark.parametrize(
    ("arguments", "alone", "among_others"),
    [
        ({"x-queue-type": "quorum"}, True, True),
        ({"x-delivery-limit": 2}, True, True),
        ({}, False, True),
        ({"x-queue-type": "classic"}, False, False),
        ({"x-queue-type": "stream"}, False, False),
    ],
)
def test_queues_that_count_deliveries(arguments, alone, among_others):
    queue = Queue("q", arguments=arguments)
    assert (counts_deliveries(queue, some_do=False), counts_deliveries(queue, some_do=True)) == (alone, among_others)


@pytest.mark.parametrize(
    ("arguments", "version", "limit"),
    [
        ({}, "3.13.7", None),
        ({}, "", None),
        ({}, "4.1.2", "20 times"),
        ({"x-delivery-limit": 2}, "3.10.8", "2 times"),
        ({"x-delivery-limit": -1}, "4.1.2", None),
        ({"x-delivery-limit": 2, "x-dead-letter-exchange": ""}, "4.1.2", None),
    ],
)
def test_advice_on_a_delivery_limit(arguments, version, limit):
    advice = limit_advice(Queue("a.b", arguments=arguments), version, "shop")
    if limit is None:
        assert advice is None
        return
    assert limit in advice
    command = shlex.split(advice[advice.index("rabbitmqctl") :])
    assert command[:4] == ["rabbitmqctl", "set_policy", "-p", "shop"]
    assert re.fullmatch(command[5], "a.b")
    assert not re.fullmatch(command[5], "axb")
    assert json.loads(command[6]) == {"dead-letter-exchange": "", "dead-letter-routing-key": "a.b.dead"}
