from __future__ import annotations

from umbel.brokers.amqp.fanout.declaring import declarations, is_tolerable
from umbel.brokers.fanout import private_queues
from umbel.clients.amqp.channels import ChannelError


def test_an_exchange_is_declared_once_and_apart_from_the_queue():
    exchanges, queue = declarations(private_queues.event_queue("id", ["a.#", "b.#", "c"]))
    assert [(frame.name, frame.exchange) for frame in exchanges] == [("Exchange.Declare", "celeryev")]
    assert [frame.name for frame in queue] == ["Queue.Declare", "Queue.Bind", "Queue.Bind", "Queue.Bind"]
    assert [frame.routing_key for frame in queue[1:]] == ["a.#", "b.#", "c"]


def test_a_queue_by_name_needs_no_exchange():
    exchanges, queue = declarations(private_queues.result_queue("id", 1.0))
    assert (exchanges, [frame.name for frame in queue]) == ([], ["Queue.Declare"])


def test_who_may_not_declare_may_use():
    assert is_tolerable(ChannelError(403, "ACCESS_REFUSED"))
    assert not is_tolerable(ChannelError(503, "COMMAND_INVALID"))
