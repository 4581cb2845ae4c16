"""A TCP line to a server that tests cut, hold and connect again."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import Self
from urllib.parse import urlsplit

_PORTS = {"amqp": 5672, "redis": 6379}


class Line:
    """Forwards every connection to a server. Runs in a thread; use as a context manager."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # a line that takes nothing holds little
        self.port = self._listener.getsockname()[1]
        #: The server's URL by way of this line, where somebody has set it.
        self.url = ""
        #: Client sockets and what they are connected to, both ways.
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.RLock()
        self._closed = False
        #: New connections are refused (closed at once).
        self.refusing = False
        #: Nothing from the server is handed on.
        self.deaf = False
        #: Nothing is taken from anybody.
        self.frozen = False
        #: Bytes of a client at which its connection is cut, before they arrive.
        self.cut_at: bytes | None = None
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    @classmethod
    def to(cls, url: str) -> Self:
        """A line to the server of a URL; ``line.url`` leads through it."""
        parts = urlsplit(url)
        made = cls((parts.hostname or "127.0.0.1", parts.port or _PORTS[parts.scheme]))
        made.url = url.replace(parts.netloc.rpartition("@")[2], f"127.0.0.1:{made.port}")
        return made

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._thread.join(5)
        self.cut()
        self._listener.close()
        self._selector.close()

    def cut(self) -> int:
        """Close all connections without a word; returns how many there were."""
        with self._lock:
            count = len(self._peers) // 2
            for sock in list(self._peers):
                self._drop(sock)
            return count

    def say(self, data: bytes) -> None:
        """Send every client bytes that the server did not."""
        with self._lock:
            for sock in self._peers:
                if sock.getsockname()[1] == self.port:
                    sock.sendall(data)

    def _drop(self, sock: socket.socket) -> None:
        with self._lock:
            peer = self._peers.pop(sock, None)
            for each in (sock, peer):
                if each is not None:
                    self._peers.pop(each, None)
                    with contextlib.suppress(KeyError, ValueError):
                        self._selector.unregister(each)
                    each.close()

    def _run(self) -> None:
        while not self._closed:
            if self.frozen:
                time.sleep(0.01)
                continue
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._forward(key.fileobj, key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self.refusing:
            client.close()
            return
        self.connections += 1
        server = socket.create_connection(self.server)
        self._peers[client], self._peers[server] = server, client
        self._selector.register(client, selectors.EVENT_READ, "client")
        self._selector.register(server, selectors.EVENT_READ, "server")

    def _forward(self, sock: socket.socket, side: str) -> None:
        peer = self._peers.get(sock)
        if peer is None:
            return
        try:
            data = sock.recv(1 << 16)
            if not data or (side == "client" and self.cut_at is not None and self.cut_at in data):
                self._drop(sock)
            elif not (self.deaf and side == "server"):
                peer.sendall(data)
        except OSError:
            self._drop(sock)
