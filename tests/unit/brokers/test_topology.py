"""Queues and addresses as values."""

from dataclasses import replace
from datetime import timedelta

import pytest

from umbel import binding
from umbel.brokers.topology import Binding, Broadcast, Destination, Exchange, Queue
from umbel.errors import ImproperlyConfigured


def test_equal_queues_are_one_key():
    same = [Queue("q", Exchange("e", "topic"), arguments={"x-max-priority": 3}) for _ in range(2)]
    assert len({*same, Queue("other")}) == 2
    assert len({Destination.of(queue) for queue in same}) == 1


def test_kombu_s_words():
    queue = Queue(
        "x", Exchange("x", type="topic", delivery_mode="transient"), routing_key="x.#", queue_arguments={"x-queue-type": "quorum"}, max_priority=9,
        message_ttl=60, expires=timedelta(hours=1), max_length=1000, max_length_bytes=10, no_ack=None, no_declare=None, alias="y",
    )  # fmt: skip
    assert queue.exchange == Exchange("x", "topic", delivery_mode=1)
    assert queue.arguments == {
        "x-queue-type": "quorum", "x-max-priority": 9, "x-message-ttl": 60_000, "x-expires": 3_600_000, "x-max-length": 1000, "x-max-length-bytes": 10,
    }  # fmt: skip
    assert queue.queue_arguments is queue.arguments
    assert (queue.no_ack, queue.no_declare, queue.alias) == (False, False, "y")
    assert Queue("x", "y").exchange == Exchange("y")
    assert replace(queue, routing_key="z").arguments == queue.arguments


def test_several_bindings():
    queue = Queue("q", bindings=[binding(Exchange("media", "topic"), routing_key="video.#"), binding("files", "f", {"a": 1})])
    assert queue.all_bindings() == [Binding(Exchange("media", "topic"), "video.#"), Binding(Exchange("files"), "f", {"a": 1})]
    assert Destination.of(queue) == Destination("", "q", queue.resolved())


def test_a_broadcast():
    queue = Broadcast("all")
    mine = queue.for_one_worker()
    assert (queue.alias, queue.public_name, queue.exchange, queue.auto_delete) == ("all", "all", Exchange("all", "fanout"), True)
    assert mine.name.startswith("bcast.")
    assert mine.name != queue.name
    assert replace(mine, name=queue.name) == queue
    assert not Destination.of(queue).mandatory
    assert Queue("q").for_one_worker() == Queue("q")


def test_a_broadcast_by_other_names():
    shared = Broadcast("all", queue="shared", alias="everyone")
    assert (shared.for_one_worker().name, shared.public_name) == ("shared", "everyone")
    assert Broadcast("all", queue="mine", unique=True).name.startswith("mine.")
    assert Broadcast(exchange="x", routing_key="k", no_ack=True).exchange == Exchange("x")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Queue(""),
        lambda: Queue(3),
        lambda: Queue("q", 3),
        lambda: Queue("q", routing_key=3),
        lambda: Queue("q", bindings=[3]),
        lambda: Queue("q", max_priority="9"),
        lambda: Queue("q", max_priority=True),
        lambda: Queue("q", expires=-1),
        lambda: Queue("q", message_ttl="1m"),
        lambda: Exchange("x", delivery_mode=3),
        lambda: Queue("q", expires=float("nan")),
        Broadcast,
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ImproperlyConfigured):
        make()


def test_an_unknown_word_is_refused():
    with pytest.raises(TypeError, match="max_prio"):
        Queue("q", max_prio=3)
