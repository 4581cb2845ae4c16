from __future__ import annotations

import asyncio
import os
import threading

from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.fanout.defaults import BroadcastDefaults
from umbel.brokers.topology import Exchange
from umbel.errors import EncodeError, OperationalError
from umbel.wire.message import Message

ONE, TWO = Exchange("one", "fanout"), Exchange("two", "topic")


class Broadcaster(BroadcastDefaults):
    """Remembers what it sent; may be away, or made to fail."""

    def __init__(self, *, away: bool = False) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.batches: list[int] = []
        self.present = threading.Event()
        self.asked = threading.Event()
        self.sending = threading.Event()
        self.may_send = threading.Event()
        self.may_send.set()
        self.failure: Exception | None = None
        self.closed = 0
        if not away:
            self.present.set()

    def connect(self) -> None:
        self.asked.set()
        if not self.present.is_set():
            raise OperationalError("nobody is there")

    def broadcast_many(self, exchange, messages, *, keep=0.0) -> None:
        self.sending.set()
        self.may_send.wait(5)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.batches.append(len(messages))
        self.sent += [(exchange.name, key, message.body) for message, key in messages]

    def close(self) -> None:
        self.closed += 1


def message(number) -> Message:
    return Message(b"%d" % number, {})


def test_one_message_is_one_of_many():
    broadcaster = Broadcaster()
    broadcaster.broadcast(ONE, message(1), "key")
    assert broadcaster.sent == [("one", "key", b"1")]


def test_messages_leave_in_order_and_together():
    broadcaster = Broadcaster()
    broadcaster.may_send.clear()
    buffer = BroadcastBuffer(broadcaster)
    buffer.broadcast(ONE, message(0))
    assert broadcaster.sending.wait(5)
    for number in range(1, 6):
        buffer.broadcast(TWO if number in (3, 4) else ONE, message(number), "k")
    broadcaster.may_send.set()
    buffer.close()
    assert [body for _, _, body in broadcaster.sent] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert broadcaster.batches == [1, 2, 2, 1]
    assert (buffer.dropped, broadcaster.closed) == (0, 1)


def test_while_the_broker_is_away_the_newest_are_kept(caplog):
    broadcaster = Broadcaster(away=True)
    buffer = BroadcastBuffer(broadcaster, size=3)
    for number in range(10):
        buffer.broadcast(ONE, message(number))
    assert broadcaster.asked.wait(5)
    broadcaster.present.set()
    buffer.close(5)
    assert [body for _, _, body in broadcaster.sent] == [b"7", b"8", b"9"]
    assert buffer.dropped == 7
    assert caplog.text.count("broadcasts are dropped") == 1


def test_a_batch_that_failed_is_dropped_and_the_next_is_sent(caplog):
    for failure in (OperationalError("cut"), EncodeError("no such type")):
        broadcaster = Broadcaster()
        broadcaster.failure = failure
        broadcaster.may_send.clear()
        buffer = BroadcastBuffer(broadcaster)
        buffer.broadcast(ONE, message(1))
        assert broadcaster.sending.wait(5)
        buffer.broadcast(ONE, message(2))
        broadcaster.may_send.set()
        buffer.close()
        assert [body for _, _, body in broadcaster.sent] == [b"2"]
        assert buffer.dropped == 1
        assert str(failure) in caplog.text


def test_the_loop_is_not_blocked_by_a_broker_that_is_away():
    async def main():
        broadcaster = Broadcaster(away=True)
        buffer = BroadcastBuffer(broadcaster)
        buffer.broadcast(ONE, message(1))
        await buffer.aclose(0.05)
        await buffer.aclose(0.05)
        buffer.broadcast(ONE, message(2))
        return broadcaster, buffer

    broadcaster, buffer = asyncio.run(main())
    assert (broadcaster.sent, buffer.dropped) == ([], 2)


def test_a_buffer_that_was_never_used_is_closed():
    broadcaster = Broadcaster()
    BroadcastBuffer(broadcaster).close()
    assert not broadcaster.asked.is_set()


def test_what_is_buffered_at_a_fork_is_sent_by_the_parent_alone():
    broadcaster = Broadcaster(away=True)
    buffer = BroadcastBuffer(broadcaster)
    buffer.broadcast(ONE, message(1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            broadcaster.present.set()
            buffer.broadcast(ONE, message(2))
            buffer.close(5)
            assert [body for _, _, body in broadcaster.sent] == [b"2"]
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    broadcaster.present.set()
    buffer.close(5)
    assert [body for _, _, body in broadcaster.sent] == [b"1"]
