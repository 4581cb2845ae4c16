"""A server that is away is told of before patience ends."""

from __future__ import annotations

import socket

import pytest

from umbel.clients.redis import connections as module
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connections import Connections
from umbel.errors import OperationalError
from umbel.wire.redis.resp import ReplyError


@pytest.fixture
def away(monkeypatch):
    """Connections to a server that does not answer."""
    monkeypatch.setattr(module, "_HICCUP", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        yield Connections([Address(host="127.0.0.1", port=taken.getsockname()[1])], 1.0, 1)


def test_it_is_told_once(away, caplog):
    with pytest.raises(OperationalError, match="connection refused"):
        away.use(lambda connection: connection.call("PING"), patience=2.0)
    (told,) = caplog.messages
    assert "connection refused" in told
    assert "The result store is away" in told


@pytest.mark.parametrize("code", ["CLUSTERDOWN", "LOADING"])
def test_a_server_that_will_soon_do_it_is_asked_again(code):
    replies = [ReplyError(f"{code} not now"), None]

    def work(_connection):
        if (reply := replies.pop(0)) is not None:
            raise reply
        return "done"

    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = Connections([Address(host="127.0.0.1", port=server.getsockname()[1])], 1.0, 1)
        assert connections.use(work, patience=2.0) == "done"
        connections.close()


def test_a_hiccup_is_not_told(away, caplog):
    with pytest.raises(OperationalError):
        away.use(lambda connection: connection.call("PING"), patience=0.0)
    assert not caplog.messages
