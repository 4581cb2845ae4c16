import pytest

from umbel.clients.redis import replies
from umbel.errors import AccessRefused, BrokerBlocked, MessageReturned, OperationalError, PublishError
from umbel.wire.amqp.refusals import is_permanent
from umbel.wire.redis.resp import ReplyError


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, False), (200, False), (320, False), (403, True), (404, False), (405, False), (406, True), (504, True), (541, False)],
)
def test_amqp(code, expected):
    assert is_permanent(code) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WRONGTYPE Operation against a key holding the wrong kind of value", True),
        ("NOPERM this user has no permissions to access one of the keys", True),
        ("CROSSSLOT Keys in request don't hash to the same slot", True),
        ("ERR unknown command", True),
        ("OOM command not allowed", False),
        ("MISCONF Redis is configured to save RDB snapshots", False),
        ("LOADING Redis is loading the dataset in memory", False),
        ("READONLY You can't write against a read only replica.", False),
        ("NOSCRIPT No matching script", False),
    ],
)
def test_redis(text, expected):
    assert replies.translate(ReplyError(text), "a command").is_permanent is expected


def test_by_class():
    assert AccessRefused().is_permanent
    assert MessageReturned().is_permanent
    assert not OperationalError("gone").is_permanent
    assert not PublishError("nack").is_permanent
    assert not BrokerBlocked().is_permanent
