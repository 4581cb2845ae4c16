"""A result store that is away is told of before patience ends."""

from __future__ import annotations

import socket

import pytest

from umbel.brokers.redis.address import Address
from umbel.errors import OperationalError
from umbel.results import redis_watch
from umbel.results.redis_watch import Connections


@pytest.fixture
def away(monkeypatch):
    """Connections to a server that does not answer."""
    monkeypatch.setattr(redis_watch, "_HICCUP", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        yield Connections([Address(host="127.0.0.1", port=taken.getsockname()[1])], 1.0, 1)


def test_it_is_told_once(away, caplog):
    with pytest.raises(OperationalError, match="connection refused"):
        away.use(lambda connection: connection.call("PING"), patience=2.0)
    (told,) = caplog.messages
    assert "connection refused" in told
    assert "The result store is away" in told


def test_a_hiccup_is_not_told(away, caplog):
    with pytest.raises(OperationalError):
        away.use(lambda connection: connection.call("PING"), patience=0.0)
    assert not caplog.messages
