"""A small HTTP server on threads of its own, for probes and scrapes: it answers GET and HEAD on a few paths, and nothing else."""

from __future__ import annotations

import http.server
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from umbel.errors import ImproperlyConfigured

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Requests that are answered at a time; another one finds a closed connection.
_MOST: Final = 16
#: Seconds within which a request must be there, and its answer taken.
_PATIENCE: Final = 5.0


class Address(NamedTuple):
    """The place where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host or '*'}:{self.port}"


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    content_type: str
    body: bytes


#: Answers the request for one path; given the header ``Accept``.
Route = Callable[[str], Answer]


def parse_address(text: str) -> Address:
    """Read where to listen.

    Args:
        text: ``PORT``, ``HOST:PORT`` or ``[IPv6]:PORT``; without a host it is every address of the machine, and port 0 is a free one.

    Raises:
        ValueError: it is none of them.
    """
    host, _, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:8080")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r}: expected PORT or HOST:PORT, with a port from 0 to 65535")
    return Address(host, int(port))


class HttpServer:
    """Listens from `start` to `stop`.

    Args:
        address: where.
        routes: what is served, by path.
    """

    def __init__(self, address: Address, routes: Mapping[str, Route]) -> None:
        self.address: Address = address
        self._routes = dict(routes)
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to listen, and put the port that was chosen into `address`.

        Raises:
            ImproperlyConfigured: that is not possible here: the port is taken, or the address is another machine's.
        """
        try:
            self._server = _Server(self.address, self._routes)
        except OSError as error:
            raise ImproperlyConfigured(f"cannot listen on {self.address}: {error.strerror or error}") from error
        self.address = self.address._replace(port=self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name=f"umbel-http-{self.address.port}", daemon=True).start()

    def stop(self) -> None:
        """Listen no more. Waits for the serving thread, up to half a second."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: Address, routes: Mapping[str, Route]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.routes = routes
        self._room = threading.BoundedSemaphore(_MOST)
        super().__init__((address.host, address.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the library calls it
        logger.debug("A request over HTTP ended badly: %s", sys.exception())


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version, sys_version = "umbel", ""

    def do_GET(self) -> None:
        answer = self._answer()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def _answer(self) -> Answer:
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            there = " ".join(sorted(self.server.routes))
            return Answer(404, "text/plain; charset=utf-8", f"There is: {there}\n".encode())
        try:
            return route(self.headers.get("Accept", ""))
        except Exception:
            logger.exception("The answer to %s failed", self.path.partition("?")[0])
            return Answer(500, "text/plain; charset=utf-8", b"It failed; the worker's log says why.\n")

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("HTTP: %a", format % args)
