"""Queues and addresses as values."""

from umbel.brokers.topology import Destination, Exchange, Queue


def test_equal_queues_are_one_key():
    same = [Queue("q", Exchange("e", "topic"), arguments={"x-max-priority": 3}) for _ in range(2)]
    assert len({*same, Queue("other")}) == 2
    assert len({Destination.of(queue) for queue in same}) == 1
