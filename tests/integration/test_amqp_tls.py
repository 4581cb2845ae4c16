"""AMQP over TLS: RabbitMQ behind a TLS end made here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
import threading
from urllib.parse import urlsplit

import pytest

from umbel.brokers.amqp import connect
from umbel.brokers.base import BrokerOptions
from umbel.brokers.topology import Destination, Queue
from umbel.errors import OperationalError
from umbel.testing.brokers import Sink
from umbel.wire.message import Message

pytestmark = [pytest.mark.rabbitmq, pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return str(cert), str(key)


class TlsEnd:
    """Takes TLS, speaks plain to the server."""

    def __init__(self, server, certificate):
        self._server = server
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection(*self._server)

        async def pump(source, target):
            with contextlib.suppress(OSError, asyncio.CancelledError):
                while data := await source.read(1 << 16):
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))


@pytest.fixture
def url(rabbitmq_url, certificate):
    parts = urlsplit(rabbitmq_url)
    with TlsEnd((parts.hostname, parts.port or 5672), certificate) as end:
        yield f"amqps://guest:guest@localhost:{end.port}{parts.path}"


def test_publishing_and_consuming(url, certificate, unique):
    queue = Queue(unique("tls"))
    broker = connect(BrokerOptions(urls=(url,), ssl={"ca_certs": certificate[0]}))
    body = os.urandom(2_000_000)
    for number in range(500):
        broker.publisher().publish(Message(b"%d" % number, {}), Destination.of(queue))
    broker.publisher().publish(Message(body, {}), Destination.of(queue), confirm=True)

    async def consume():
        sink = Sink()
        sink.consumer = broker.consumer([queue], window=1000)
        await sink.consumer.start(sink)
        found = await sink.take(501)
        sink.consumer.ack(found)
        await sink.consumer.flush()
        await sink.consumer.aclose()
        return found

    found = asyncio.run(consume())
    assert [delivery.body for delivery in found] == [*(b"%d" % number for number in range(500)), body]
    broker.close()
    client = broker.queue_client()
    client.delete(queue.name)
    client.close()


def test_a_certificate_that_is_not_trusted(url):
    broker = connect(BrokerOptions(urls=(url,), publish_retries=0))
    with pytest.raises(OperationalError, match="certificate"):
        broker.publisher().publish(Message(b"x", {}), Destination("", "q"))

    with pytest.raises(OperationalError, match="certificate"):
        asyncio.run(asyncio.wait_for(_first_failure(url), 10))


async def _first_failure(url):
    broker = connect(BrokerOptions(urls=(url,), max_retries=0))
    await broker.consumer([Queue("q")], window=1).start(Sink())


def test_not_verified_when_told_so(url, unique):
    broker = connect(BrokerOptions(urls=(url + "?verify=verify_none",)))
    with pytest.raises(OperationalError, match="no queue"):
        broker.publisher().publish(Message(b"x", {}), Destination("", unique("nowhere")), confirm=True)
    broker.close()
