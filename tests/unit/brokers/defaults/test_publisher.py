import pytest

from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.topology import Destination
from umbel.wire.message import Call, Message, Stencil


class Publisher(PublisherDefaults):
    def __init__(self):
        super().__init__()
        self.published = []

    def publish(self, message, to, *, confirm=False, timeout=None):
        self.published.append((message, to, confirm))

    def declare(self, queue):
        raise AssertionError


def test_a_stencil_and_many_are_published_one_by_one():
    publisher = Publisher()
    stencil = Stencil({"id": None}, {}, "application/json", "utf-8", "x", "key")
    call = Call("1", "1", None, "()", "{}", b"body")
    publisher.publish_stencil(stencil, call)
    assert publisher.publish_many([(Message(b"many", {}), Destination("", "q"))] * 2, confirm=True) == 2
    assert publisher.published[0] == (stencil.fill(call), Destination("x", "key"), False)
    assert [(message.body, confirm) for message, _, confirm in publisher.published[1:]] == [(b"many", True)] * 2


def test_a_receipt_is_settled_at_once():
    publisher, told = Publisher(), []
    with publisher.receipt() as receipt:
        publisher.publish(Message(b"", {}), Destination("", "q"))
    receipt.when_settled(told.append)
    assert told == [None]


def test_nothing_is_published_where_nothing_may_wait_unless_it_never_does():
    publisher = Publisher()
    with pytest.raises(WouldBlock), publisher.receipt(wait=False):
        pass
    publisher.never_waits = True
    with publisher.receipt(wait=False) as receipt:
        pass
    assert receipt.is_settled
