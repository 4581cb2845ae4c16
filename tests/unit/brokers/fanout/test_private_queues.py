from __future__ import annotations

import pytest

from umbel.brokers.fanout import private_queues
from umbel.brokers.topology import Exchange, Queue, ReplyAddress


def test_every_pattern_is_a_binding():
    queue = private_queues.event_queue("id", ["task.#", "worker.online", "#.x"], expires=None, message_ttl=None)
    assert (queue.routing_key, [binding.routing_key for binding in queue.bindings]) == ("task.#", ["worker.online", "#.x"])
    assert all(binding.exchange == queue.exchange for binding in queue.bindings)
    assert queue.arguments == {}


def test_names_follow_the_settings():
    assert private_queues.control_queue("w1@h", "staff").name == "w1@h.staff.pidbox"
    assert private_queues.control_reply_queue("id", "staff", expires=1.5).arguments == {"x-expires": 1500, "x-message-ttl": 300_000}
    queue = private_queues.event_queue("id", exchange="ev", prefix="watch")
    assert (queue.name, queue.exchange.name, queue.exchange.type) == ("watch.id", "ev", "topic")


@pytest.mark.parametrize(
    ("queue", "address"),
    [
        (private_queues.control_reply_queue("id"), ReplyAddress("reply.celery.pidbox", "id")),
        (private_queues.result_queue("id", 60.0), ReplyAddress("", "id")),
        (Queue("q", Exchange("")), ReplyAddress("", "q")),
    ],
    ids=["control", "result", "by name"],
)
def test_addresses(queue, address):
    assert ReplyAddress.of(queue) == address


def test_when_a_queue_without_a_reader_ends():
    assert private_queues.expires_of(private_queues.result_queue("id", 60.0), 5.0) == 60.0
    assert private_queues.expires_of(private_queues.result_queue("id", None), 5.0) == 5.0
    assert private_queues.result_queue("id", 0.0).arguments == {"x-expires": 1}
