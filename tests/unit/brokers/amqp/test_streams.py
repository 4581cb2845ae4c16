"""How far a consumer has read its streams."""

from datetime import UTC, datetime

from umbel.brokers.amqp.streams import OFFSET, StreamOffsets, is_stream
from umbel.brokers.base import Delivery
from umbel.brokers.topology import Queue

STREAM = Queue("s", arguments={"x-queue-type": "stream"}, consumer_arguments={OFFSET: "first", "x-priority": 1})


def read(*offsets, queue="s"):
    return [Delivery(b"", {OFFSET: offset} if offset is not None else {}, "", "", {}, 1, 1, queue, "", queue) for offset in offsets]


def told(found):
    return [(each.headers.get(OFFSET), each.redelivered) for each in found]


def test_streams_are_told_by_their_arguments():
    assert is_stream(STREAM)
    assert is_stream(Queue("s", no_declare=True, consumer_arguments={OFFSET: 0}))
    assert not is_stream(Queue("s", arguments={"x-queue-type": "quorum"}))


def test_a_new_consumer_goes_on_where_the_last_one_stopped():
    offsets = StreamOffsets()
    assert offsets.arguments(STREAM, 1.0) == STREAM.consumer_arguments
    offsets.received(read(5, 6, 7))
    assert offsets.arguments(STREAM, 2.0) == {OFFSET: 8, "x-priority": 1}
    assert told(offsets.received(read(6, 7, 8, None))) == [(8, False), (None, False)]


def test_what_was_lost_comes_again_and_is_marked():
    offsets = StreamOffsets()
    deliveries = offsets.received(read(*range(5)))
    offsets.lost([deliveries[1], deliveries[3], *read(None, 0, queue="other")])
    assert offsets.arguments(STREAM, 1.0)[OFFSET] == 1
    assert told(offsets.received(read(0, 1, 2, 3, 4, 5))) == [(1, True), (2, True), (3, True), (4, True), (5, False)]


def test_where_nothing_came_it_is_looked_for_from_the_first_time_on():
    offsets, fresh = StreamOffsets(), Queue("s", arguments={"x-queue-type": "stream"})
    assert offsets.arguments(fresh, 100.0) == {}
    assert offsets.arguments(fresh, 200.0) == {OFFSET: datetime.fromtimestamp(100, UTC)}
    assert offsets.arguments(STREAM, 200.0)[OFFSET] == "first"
    assert offsets.arguments(Queue("q", consumer_arguments={"x-priority": 2}), 1.0) == {"x-priority": 2}
