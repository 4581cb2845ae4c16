"""The queues of an app."""

import pytest

from umbel.app.sending.queues import QueueDefaults, Queues, worker_direct
from umbel.brokers.topology import Binding, Broadcast, Exchange, Queue
from umbel.errors import QueueNotFound


def queues(given=None, **defaults):
    return Queues(given, QueueDefaults(**defaults))


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


def test_selecting():
    found = queues([Queue("a"), Queue("b"), Queue("c")])
    assert [queue.name for queue in found.select()] == ["a", "b", "c"]
    assert [queue.name for queue in found.select("a,b")] == ["a", "b"]
    assert [queue.name for queue in found.select(None, "b")] == ["a", "c"]
    assert [queue.name for queue in found.select(["x"])] == ["x"]
    with pytest.raises(QueueNotFound):
        queues([Queue("a")], create_missing=False).select("x")


def test_an_alias_is_another_name():
    found = queues([Queue("a", alias="first"), Queue("b")], create_missing=False)
    assert found["first"] is found["a"]
    assert "first" in found
    assert list(found) == ["a", "b"]
    assert [queue.name for queue in found.select("first")] == ["a"]
    assert [queue.name for queue in found.select(None, "first")] == ["b"]
    with pytest.raises(QueueNotFound, match="did you mean 'first'"):
        found["frist"]


def test_a_broadcast_is_known_by_the_name_of_its_exchange():
    found = queues([Broadcast("all")], create_missing=False)
    queue = found["all"]
    assert queue.name.startswith("bcast.")
    assert (queue.exchange, queue.routing_key) == (Exchange("all", "fanout"), "celery")
    assert found.broadcast_to("all") is queue
    assert found.broadcast_to("other") is None
    assert queues([Broadcast("all")], routing_key="k")["all"].routing_key == "k"
    with pytest.raises(QueueNotFound, match="there are all"):
        found["zzz"]


def test_a_queue_of_bindings_alone_has_no_exchange_of_its_own():
    """One of its name would be direct, and in the way of the other one."""
    found = queues([Queue("media", bindings=[Binding(Exchange("media", "topic"), "video.#")])], exchange="x")["media"]
    assert found.exchange == Exchange("")
    assert [each.exchange.type for each in found.all_bindings()] == ["topic"]


def test_the_queue_of_one_worker():
    queue = worker_direct("w1@host")
    assert (queue.name, queue.exchange, queue.routing_key) == ("w1@host.dq2", Exchange("C.dq2"), "w1@host")
    assert worker_direct(queue) is queue
