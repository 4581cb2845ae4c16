from __future__ import annotations

import http.client
import socket
import threading

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.worker.monitoring import http_server
from umbel.worker.monitoring.http_server import Address, Answer, HttpServer, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:80", Address("::1", 80)),
        (":9", Address("", 9)),
        ("a.example:9", Address("a.example", 9)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "http", "65536", "-1", "::1:80", "a:b", "1.5", "٣"])
def test_what_is_no_address_is_named(text):
    with pytest.raises(ValueError, match=r"expected PORT|in brackets"):
        parse_address(text)


@pytest.fixture
def serve():
    servers = []

    def make(**routes):
        server = HttpServer(Address("127.0.0.1", 0), {f"/{path}": route for path, route in routes.items()})
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())
    finally:
        connection.close()


def text(value):
    return Answer(200, "text/plain", value.encode())


def test_a_route_answers_and_others_are_named(serve):
    server = serve(one=lambda accept: text(f"1 {accept}"), two=lambda _: text("2"))
    status, body, headers = ask(server, "/one?x=1", Accept="this")
    assert (status, body, headers["Content-Type"]) == (200, "1 this", "text/plain")
    assert ask(server, "/none")[:2] == (404, "There is: /one /two\n")
    assert ask(server, "/one", "HEAD")[:2] == (200, "")
    assert ask(server, "/one", "POST")[0] == 501


def test_an_error_is_a_500_that_says_nothing_and_is_logged(serve, caplog):
    server = serve(bad=lambda _: 1 / 0)
    status, body, _ = ask(server, "/bad")
    assert status == 500
    assert "Zero" not in body
    assert "ZeroDivisionError" in caplog.text


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ImproperlyConfigured, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            HttpServer(Address("127.0.0.1", port), {}).start()


def test_it_may_be_stopped_before_its_start_and_twice(serve):
    HttpServer(Address("", 0), {}).stop()
    server = serve()
    server.stop()
    server.stop()


def test_more_clients_than_are_answered_at_a_time_harm_nobody(serve):
    go, begun = threading.Event(), threading.Semaphore(0)

    def slow(_accept):
        begun.release()
        go.wait(10)
        return text("slow")

    server = serve(slow=slow, quick=lambda _: text("quick"))
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(ask(server, "/slow")[1])) for _ in range(http_server._MOST)]
    for thread in asking:
        thread.start()
    for _ in asking:
        assert begun.acquire(timeout=10)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server, "/quick")
    go.set()
    for thread in asking:
        thread.join(10)
    assert answers == ["slow"] * http_server._MOST
    assert ask(server, "/quick")[1] == "quick"


def test_what_is_no_http_is_answered_and_forgotten(serve):
    server = serve(one=lambda _: text("1"))
    with socket.create_connection(server.address, 10) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b"400" in client.recv(1000)
    assert ask(server, "/one")[1] == "1"
