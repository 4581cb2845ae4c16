from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import ProtocolError
from umbel.wire.redis.resp import Parser, Push, ReplyError, pack, pack_all

WIRE = (
    b":42\r\n+OK\r\n$5\r\nhe\r\no\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n-WRONGTYPE no\r\n"
    b"%1\r\n+k\r\n,1.5\r\n~1\r\n#t\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nq\r\n=7\r\ntxt:abc\r\n!6\r\nERR no\r\n(123456789012345678901\r\n"
)
VALUES = [42, b"OK", b"he\r\no", None, None, [], [1, [b"a", None]], "WRONGTYPE no", [b"k", 1.5], [True], [b"invalidate", [b"q"]]]
VALUES += [b"txt:abc", "ERR no", 123456789012345678901]


def plain(replies):
    return [str(reply) if isinstance(reply, ReplyError) else reply for reply in replies]


def test_every_kind():
    replies = Parser().feed(WIRE)
    assert plain(replies) == VALUES
    assert isinstance(replies[7], ReplyError)
    assert replies[7].code == "WRONGTYPE"
    assert isinstance(replies[10], Push)
    assert not isinstance(replies[6], Push)


@given(st.lists(st.integers(1, 40), min_size=1))
def test_replies_in_chunks_of_any_size(sizes):
    parser, replies, at, turn = Parser(), [], 0, 0
    while at < len(WIRE):
        size = sizes[turn % len(sizes)]
        replies += parser.feed(WIRE[at : at + size])
        at, turn = at + size, turn + 1
    assert plain(replies) == VALUES


def test_a_large_value_comes_in_pieces():
    parser = Parser()
    assert parser.feed(b"*2\r\n$100000\r\n") == []
    for _ in range(100):
        assert parser.feed(b"x" * 1000) == []
    assert parser.feed(b"\r\n:1\r\n:2\r\n") == [[b"x" * 100000, 1], 2]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b":one\r\n"])
def test_bytes_that_are_not_resp(data):
    with pytest.raises(ProtocolError, match="not RESP"):
        Parser().feed(data)


def test_commands():
    assert pack("LPUSH", b"q", 12, 1.5) == b"*4\r\n$5\r\nLPUSH\r\n$1\r\nq\r\n$2\r\n12\r\n$3\r\n1.5\r\n"
    assert pack("GET", "\u4e2d") == b"*2\r\n$3\r\nGET\r\n$3\r\n\xe4\xb8\xad\r\n"
    assert pack_all([("PING",), ("PING",)]) == pack("PING") * 2
