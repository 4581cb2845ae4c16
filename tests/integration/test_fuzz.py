"""Brokers that send rubbish: only protocol errors, no hang, time in proportion to the bytes.

``UMBEL_FUZZ`` is the number of inputs for each of the three (default 20,000); with it there is no time limit.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from chaos import fuzz
from umbel.errors import ProtocolError
from umbel.wire.amqp.connection import State
from umbel.wire.redis.resp import Parser

ROUNDS = int(os.environ.get("UMBEL_FUZZ", "20000"))
#: Seconds that each may take in the suite; far more than it needs on an idle machine.
SECONDS = float("inf") if "UMBEL_FUZZ" in os.environ else 30.0
SEED = int(os.environ.get("UMBEL_FUZZ_SEED", random.SystemRandom().randrange(1_000_000)))
TIMEOUT = 24 * 3600 if "UMBEL_FUZZ" in os.environ else 120


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("state", [State.OPEN, State.AWAITING_START], ids=lambda state: state.name)
def test_amqp(state):
    tried, refused = fuzz.fuzz(fuzz.amqp_corpus(), fuzz.feed_amqp(state), ROUNDS, SEED, SECONDS)
    assert tried >= ROUNDS // 4, f"only {tried} in {SECONDS} s"
    assert 0 < refused < tried


@pytest.mark.timeout(TIMEOUT)
def test_resp():
    tried, refused = fuzz.fuzz(fuzz.resp_corpus(), fuzz.feed_resp, ROUNDS, SEED, SECONDS)
    assert tried >= ROUNDS // 4, f"only {tried} in {SECONDS} s"
    assert 0 < refused < tried


@pytest.mark.parametrize("data", [b"+" + b"x" * 70_000, b"$999999999999\r\n", b"*1\r\n" * 100], ids=["line", "value", "depth"])
def test_resp_without_measure_is_refused_before_it_is_held(data):
    with pytest.raises(ProtocolError):
        Parser().feed(data)


def test_amqp_method_that_nobody_may_send():
    """Found by a million inputs: the deprecated basic.recover-async made pamqp warn."""
    core = fuzz.feed_amqp(State.OPEN)
    with pytest.raises(ProtocolError, match=r"60\.100"):
        core([b"\x01\x00\x01\x00\x00\x00\x05\x00<\x00d\x00\xce"])


def processor_time(work):
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda size: [b"$%d\r\n" % (2 * size), *[b"x" * 64] * (size // 64)], id="a bulk without end"),
        pytest.param(lambda size: [b"*%d\r\n" % size, *[b":1\r\n" * 16] * (size // 64)], id="a long array"),
    ],
)
def test_resp_in_linear_time(make):
    def feed(parts):
        parser = Parser()
        for part in parts:
            parser.feed(part)

    small = min(processor_time(lambda: feed(make(1 << 18))) for _ in range(3))
    large = processor_time(lambda: feed(make(1 << 20)))
    assert large <= 12 * small + 0.05, (small, large)


def test_amqp_in_linear_time():
    feed = fuzz.feed_amqp(State.OPEN)

    def slices(count):
        stream = fuzz.amqp_corpus()[0] * count
        return [stream[at : at + 16] for at in range(0, len(stream), 16)]

    small = min(processor_time(lambda: feed(slices(200))) for _ in range(3))
    large = processor_time(lambda: feed(slices(800)))
    assert large <= 12 * small + 0.05, (small, large)
