"""The task, against an HTTP server of this process."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from umbel.contrib.webhooks import WebhookFailed, verify, webhook_task
from umbel.errors import ImproperlyConfigured
from umbel.testing import FakeApp

SECRET = "a secret of sixteen bytes"


@pytest.fixture
def receiver():
    """A server that answers what it is told to, and remembers what came."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.came.append((self.path, dict(self.headers), body))
            status, headers = server.answers.pop(0) if server.answers else (200, {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.came, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def app():
    with FakeApp() as app:
        yield app


def test_it_posts_what_the_receiver_can_check(app, receiver):
    send = webhook_task(app, SECRET, private=True)
    result = send.apply((receiver.url, {"event": "paid", "to": "é"}), {"headers": {"X-Mine": "1"}})
    assert result.get() == {"status": 200, "attempts": 1}
    ((path, headers, body),) = receiver.came
    assert (path, headers["X-Mine"], body) == ("/hook?x=1", "1", '{"event":"paid","to":"é"}'.encode())
    assert verify(SECRET, headers, body, now=app.time.now()) == headers["Idempotency-Key"] == result.id


def test_what_passes_is_tried_again_under_the_same_id(app, receiver):
    send = webhook_task(app, lambda url: SECRET, private=True, first_pause=5.0)
    receiver.answers += [(503, {}), (429, {"Retry-After": "600"})]
    handle = send.delay(receiver.url, {})
    for pause in (5.0, 600.0):
        before = app.time.now()
        assert app.run().state == "RETRY"
        eta = app.fake.sent[-1][0].headers["eta"]
        from datetime import datetime

        assert datetime.fromisoformat(eta).timestamp() == pytest.approx(before + pause, abs=2)
    assert app.run().state == "SUCCESS"
    assert handle.get() == {"status": 200, "attempts": 3}
    assert {headers["webhook-id"] for _, headers, _ in receiver.came} == {handle.id}


@pytest.mark.parametrize(("status", "headers"), [(400, {}), (404, {}), (410, {}), (302, {"Location": "http://127.0.0.1:1/"})])
def test_what_does_not_pass_is_a_failure_at_once(app, receiver, status, headers):
    receiver.answers.append((status, headers))
    with pytest.raises(WebhookFailed, match=f"answered {status}: ok"):
        webhook_task(app, SECRET, private=True).apply((receiver.url, {}), throw=True)
    assert len(receiver.came) == 1


def test_a_receiver_that_is_away_is_a_failure_at_the_end(app, receiver):
    send = webhook_task(app, SECRET, private=True, attempts=1)
    with pytest.raises(WebhookFailed, match="cannot be reached: ConnectionRefusedError"):
        send.apply(("http://127.0.0.1:1/", {}), throw=True)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1/", "not of the public internet"),
        ("http://localhost/", "not of the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not of the public internet"),
        ("http://[::1]/", "not of the public internet"),
        ("file:///etc/passwd", "must be http"),
        ("http://user:password@host/", "without a password"),
        ("http:///", "must be http"),
        ("http://host:x/", "a port that is none"),
    ],
)
def test_where_it_may_not_go(app, url, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        webhook_task(app, SECRET).apply((url, {}), throw=True)


def test_a_secret_that_is_none_is_told_when_the_task_is_made(app):
    with pytest.raises(ImproperlyConfigured, match="has 5 bytes"):
        webhook_task(app, "short")
