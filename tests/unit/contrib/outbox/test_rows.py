from datetime import UTC, datetime

import pytest

from umbel.brokers.topology import Binding, Destination, Exchange, Queue
from umbel.contrib.outbox.base import Row
from umbel.contrib.outbox.rows import read, render
from umbel.errors import DecodeError
from umbel.wire.message import Message

MESSAGE = Message(
    b"\x00[[], {}, {}]", {"id": "1", "task": "a.b", "eta": None, "when": datetime(2026, 1, 2, tzinfo=UTC)}, properties={"priority": 3}
)
QUEUE = Queue("q", Exchange("x", "topic"), "a.#", bindings=[Binding(Exchange("y"), "k")], max_priority=9, alias="other")


@pytest.mark.parametrize(
    "to", [Destination("", "q", Queue("q")), Destination("x", "a.b", QUEUE, mandatory=False), Destination("x", "k"), Destination.of(QUEUE)]
)
def test_a_message_comes_back_as_it_was(to):
    row = render(MESSAGE, to)
    assert row[:2] == ("1", "a.b")
    message, address = read(row)
    assert (message, address) == (MESSAGE, to)
    if to.queue is not None:
        assert address.queue.all_bindings() == to.queue.all_bindings()
        assert address.queue.arguments == to.queue.arguments


@pytest.mark.parametrize(
    "envelope", ["", "[]", "{}", '{"headers": {}, "content_type": "", "content_encoding": "", "properties": {}, "to": {"exchange": ""}}']
)
def test_what_is_no_message(envelope):
    with pytest.raises(DecodeError):
        read(Row("1", "a.b", envelope, b""))
