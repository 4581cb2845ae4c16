from __future__ import annotations

import pytest

from umbel.wire.redis.claim_order import FRESH, SPAN, ClaimOrder
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import pack

MANY = [f"q{number}" for number in range(100)]


def order(queues, strategy="round_robin", steps=(0,)):
    return ClaimOrder(Keys(steps=steps), strategy, queues)


def test_lists_are_served_step_first():
    lists = order(["a", "b"], "priority", steps=(0, 9)).next(0.0)
    assert lists.queues == ["a", "b", "a", "b"]
    assert b"*5\r\n" + lists.keys + b"$1\r\nx\r\n" == pack("a", "b", "a\x06\x169", "b\x06\x169", "x")
    assert lists.tails.count(b"\r\n") == 2 * 2  # one for each queue, not for each list


def test_every_queue_is_the_first_in_its_turn():
    served = order(["a", "b", "c"])
    assert ["".join(served.next(0.0).queues) for _ in range(4)] == ["abc", "bca", "cab", "abc"]


@pytest.mark.parametrize(("strategy", "expected"), [("sorted", "abc"), ("priority", "cab")])
def test_other_orders_stay(strategy, expected):
    served = order(["c", "a", "b"], strategy)
    assert ["".join(served.next(0.0).queues) for _ in range(2)] == [expected] * 2


def test_of_many_queues_a_few_are_looked_at_while_they_fill_a_claim():
    served = order(MANY)
    assert served.next(10.0).queues == MANY
    assert served.claimed(100, filled=True)
    first, second = served.next(10.001), served.next(10.002)
    assert (first.span, second.span) == (SPAN, SPAN)
    assert first.queues == MANY[1 : 1 + SPAN]
    assert second.queues == MANY[1 + SPAN : 1 + 2 * SPAN]


def test_all_are_looked_at_again_after_a_moment():
    served = order(MANY)
    served.next(10.0)
    served.claimed(100, filled=True)
    assert served.next(10.0 + FRESH / 2).span == SPAN
    assert served.next(10.0 + 2 * FRESH).span == 100
    assert served.next(10.0 + 2 * FRESH).span == SPAN


def test_they_are_empty_only_when_all_were_looked_at():
    served = order(MANY)
    served.next(10.0)
    served.claimed(100, filled=True)
    spans = []
    while True:
        lists = served.next(10.001)
        spans.append(lists.span)
        if not served.claimed(lists.span, filled=False):
            break
    assert spans == [SPAN, 4 * SPAN, 100]
    assert served.next(10.001).span == 100


def test_a_claim_that_asks_to_be_woken_looks_at_all():
    served = order(MANY)
    served.next(10.0)
    served.claimed(100, filled=True)
    assert served.next(10.001, everything=True).span == 100


def test_queues_come_and_go():
    served = order(MANY)
    for _ in range(30):
        served.next(0.0)
    served.change(["a", "b"])
    assert sorted(served.next(0.0).queues) == ["a", "b"]
    served.change([])
    assert served.next(0.0).queues == []
