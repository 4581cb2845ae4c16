"""What no broker sends: mutated and random bytes for the AMQP connection and the RESP parser. Only `ProtocolError` may come of it, and soon.

    UMBEL_FUZZ=1000000 pytest tests/integration/test_fuzz.py

Inputs are valid conversations, damaged: bits flipped, pieces cut, doubled and swapped between two of them, lengths made absurd.
They are fed in random pieces. Each round has its own seed, which a failure names.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Sequence

from pamqp import commands

from umbel.brokers.base import Delivery
from umbel.errors import ProtocolError
from umbel.wire.amqp.connection import Connection, Login, State
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.amqp.methods import method, render_method
from umbel.wire.amqp.rendering import render_message, render_publish
from umbel.wire.message import Message, MessageLimits
from umbel.wire.redis.resp import Parser

#: Seconds of processor time that one input may take: hundreds of times what it should, for busy machines.
MOST = 0.5
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63, 2**64 - 1)

Feed = Callable[[Sequence[bytes]], None]


class Hang(AssertionError):
    """An input took too long."""


def amqp_corpus() -> list[bytes]:
    """What a broker says: the handshake, deliveries, confirms, returns, closes."""
    table = {"task": "t", "id": "i" * 36, "eta": None, "n": -5, "f": 0.5, "l": [1, "a", {"b": True}], "d": {"x": {"y": [None]}}}
    properties = {"correlation_id": "i" * 36, "delivery_mode": 2, "priority": 0, "reply_to": "r"}
    content = render_message(
        1,
        render_publish(1, "", "q", mandatory=False),
        Message(b"[[1], {}, {}]" * 3, table, "application/json", "utf-8", properties),
        131072,
    )
    first = content[7 + struct.unpack(">I", content[3:7])[0] + 1 :]  # without the publish method
    deliver = render_method(commands.Basic.Deliver(consumer_tag="c", delivery_tag=7, redelivered=False, exchange="", routing_key="q"), 1)
    returned = render_method(commands.Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="", routing_key="q"), 1)
    got = render_method(commands.Basic.GetOk(delivery_tag=1, redelivered=False, exchange="", routing_key="q", message_count=3), 1)
    start = commands.Connection.Start(
        server_properties={"product": "RabbitMQ", "capabilities": {"a": True}}, mechanisms="PLAIN", locales="en_US"
    )
    handshake = [
        render_method(start, 0),
        render_method(commands.Connection.Tune(channel_max=2047, frame_max=131072, heartbeat=60), 0),
        render_method(commands.Connection.OpenOk(), 0),
    ]
    acks = b"".join(render_method(commands.Basic.Ack(delivery_tag=tag, multiple=bool(tag % 2)), 1) for tag in range(5))
    ends = [
        render_method(method(commands.Channel.Close, reply_code=406, reply_text="no", class_id=50, method_id=10), 1),
        render_method(method(commands.Connection.Close, reply_code=320, reply_text="no", class_id=0, method_id=0), 0),
        render_method(commands.Basic.Cancel(consumer_tag="c", nowait=False), 1),
        render_method(commands.Basic.Nack(delivery_tag=3, multiple=True, requeue=False), 1),
        render_method(commands.Connection.Blocked(reason="memory"), 0),
        render_method(commands.Queue.DeclareOk(queue="q", message_count=1, consumer_count=0), 3),
    ]
    return [
        deliver + first,
        (deliver + first) * 3 + acks,
        returned + first,
        got + first,
        acks,
        b"".join(handshake),
        *handshake,
        *ends,
        b"".join(ends),
    ]


def resp_corpus() -> list[bytes]:
    """What a Redis server says."""
    return [
        b"+OK\r\n:12\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n(123456789012345678901234567890\r\n-ERR no\r\n",
        b"*3\r\n$3\r\nfoo\r\n:1\r\n*2\r\n+a\r\n+b\r\n",
        b"*2\r\n:1\r\n*2\r\n$200\r\n" + b"x" * 200 + b"\r\n$0\r\n\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
        b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
        b"~2\r\n=15\r\ntxt:Some string\r\n!21\r\nSYNTAX invalid syntax\r\n",
        b"*1\r\n" * 40 + b":1\r\n",
    ]


def damaged(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One input."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randrange(1, 20)]
            case 2:
                data[at:at] = data[at : at + chance.randrange(1, 60)]
            case 3:
                other = chance.choice(corpus)
                data[at:] = other[chance.randrange(len(other)) :]
            case 4:
                data[at:at] = chance.randbytes(chance.randrange(1, 12))
            case 5:
                length = chance.choice(_LENGTHS)
                size = chance.choice((1, 2, 4, 8))
                data[at : at + size] = (length & (2 ** (8 * size) - 1)).to_bytes(size, "big")
            case 6:
                data[at : at + 1] = b"%d" % (chance.choice(_LENGTHS) - 1)
            case _:
                if data:
                    data[at - 1] ^= 1 << chance.randrange(8)
    return bytes(data) if chance.randrange(20) else chance.randbytes(chance.randrange(200))


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """As a socket might give it."""
    if chance.randrange(2):
        return [data]
    found = []
    while data:
        size = chance.randrange(1, 80)
        found.append(data[:size])
        data = data[size:]
    return found


def feed_amqp(state: State) -> Feed:
    """A fresh connection in some state takes the pieces."""

    def feed(parts: Sequence[bytes]) -> None:
        core = Connection(Login(), Receiver(MessageLimits(), Delivery, "x-umbel-attempts"))
        core.state = state
        core.receiver.queues[b"c"] = "q"
        for part in parts:
            core.receive_data(part)
            core.receiver.take_deliveries()
            core.data_to_send()

    return feed


def feed_resp(parts: Sequence[bytes]) -> None:
    """A fresh parser takes the pieces."""
    parser = Parser()
    for part in parts:
        parser.feed(part)


def fuzz(corpus: Sequence[bytes], feed: Feed, rounds: int, seed: int, seconds: float = float("inf")) -> tuple[int, int]:
    """Try so many inputs, or as many as the time allows; returns how many were tried, and how many were refused.

    Raises:
        AssertionError: something else than a ProtocolError came out; names the seed and the input.
        Hang: an input took longer than `MOST`.
    """
    end = time.monotonic() + seconds
    refused = 0
    for number in range(rounds):
        chance = random.Random(seed * 1_000_003 + number)
        data = damaged(chance, corpus)
        parts = pieces(chance, data)
        begun = time.thread_time()
        try:
            feed(parts)
        except ProtocolError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; seed {seed}, round {number}, pieces {parts!r}") from error
        if time.thread_time() - begun > MOST:
            raise Hang(f"{time.thread_time() - begun:.2f} s; seed {seed}, round {number}, pieces {parts!r}")
        if number % 256 == 0 and time.monotonic() > end:
            return number + 1, refused
    return rounds, refused
