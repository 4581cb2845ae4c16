"""The proxy does what it says, and says what it did."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time

import pytest

from chaos.proxy import Proxy, Rules


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def proxy():
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with Proxy("127.0.0.1", server.server_address[1]) as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join()


def talk(proxy, data, expect):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as sock:
        sock.sendall(data)
        got = b""
        while len(got) < expect:
            chunk = sock.recv(65536)
            if not chunk:
                break
            got += chunk
        return got


def test_passes_everything(proxy):
    assert talk(proxy, b"x" * 100_000, 100_000) == b"x" * 100_000
    assert not proxy.fired


@pytest.mark.parametrize("direction", ["up", "down"])
def test_cuts_after_so_many_bytes(proxy, direction):
    proxy.rules = Rules(cut_after={direction: 3}, cuts=1)
    with pytest.raises(ConnectionResetError):
        while True:
            talk(proxy, b"abcdef", 6)
    assert proxy.fired["cut"] == 1
    assert talk(proxy, b"abcdef", 6) == b"abcdef"


def test_slices(proxy):
    proxy.rules = Rules(slice=1)
    assert talk(proxy, b"abcdef" * 100, 600) == b"abcdef" * 100
    assert proxy.fired["slice"] >= 2


def test_latency(proxy):
    proxy.rules = Rules(latency=0.1)
    begun = time.monotonic()
    assert talk(proxy, b"a", 1) == b"a"
    assert time.monotonic() - begun >= 0.2


def test_silence(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.2) as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        proxy.rules = Rules(silent=True)
        sock.sendall(b"b")
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert proxy.fired["silent"] == 1


def test_refusal(proxy):
    proxy.rules = Rules(refuse=True)
    with pytest.raises(ConnectionResetError):
        talk(proxy, b"a", 1)
    assert proxy.fired["refuse"] == 1


def test_corrupts_one_byte(proxy):
    proxy.rules = Rules(corrupt_at=1)
    assert talk(proxy, b"abc", 3) == bytes([97, 98 ^ 255, 99])
    assert proxy.fired["corrupt"] == 1


def test_cuts_all_now(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        assert proxy.cut_now() == 1
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
