"""Where the primary is, asked of sentinels of which some are silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from urllib.parse import urlsplit

import pytest

from umbel.clients.redis.addresses import addresses
from umbel.clients.redis.connection_async import AsyncConnection
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.errors import OperationalError

pytestmark = pytest.mark.redis


@contextlib.contextmanager
def sentinel(primary):
    """A sentinel that says where the primary is, once for each connection; a silent one without a primary."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(10_000)
                        host, port = primary.hostname, str(primary.port or 6379)
                        connection.sendall(f"*2\r\n${len(host)}\r\n{host}\r\n${len(port)}\r\n{port}\r\n*0\r\n".encode())

        thread = threading.Thread(target=serve)
        if primary is not None:
            thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    if primary is not None:
        thread.join(10)


def address(*ports):
    texts = [f"sentinel://127.0.0.1:{port}/3?master_name=umbel" for port in ports]
    (found,) = addresses(texts, tls=None, transport={}, connect_timeout=1.0, client_name=None)
    return found


def test_a_silent_sentinel_does_not_keep_the_others_from_being_asked(redis_url):
    with sentinel(None) as silent, sentinel(urlsplit(redis_url)) as good:
        where = address(silent, silent, good)
        connection = BlockingConnection.open(where, 1.0)
        assert connection.call("PING") == b"PONG"
        connection.close()

        async def ping():
            stream = await AsyncConnection.open(where)
            answer = await stream.call("PING")
            await stream.aclose()
            return answer

        assert asyncio.run(ping()) == b"PONG"


def test_who_knows_no_primary_says_so():
    with sentinel(None) as silent, pytest.raises(OperationalError, match="no sentinel tells where 'umbel' is"):
        BlockingConnection.open(address(silent), 1.0)
