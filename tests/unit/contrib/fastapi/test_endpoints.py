"""Routes, called as a server calls them; one app in memory, whose calls are run by hand."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from umbel.contrib.fastapi import lifespan_of, progress_stream, task_endpoints
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.model import Record
from umbel.testing import FakeApp


class Order(BaseModel):
    customer: str
    total: float


TOKEN = "a token of sixteen and more"


@pytest.fixture
def app():
    with FakeApp() as app:

        @app.task(name="shop.add")
        def add(x, y=1):
            return x + y

        @app.task(name="shop.bill", pydantic=True, bind=True)
        def bill(self, order: Order, copies: int = 1): ...

        @app.task(name="secret.drop")
        def drop(): ...

        yield app


@pytest.fixture
def ask(app):
    program = FastAPI()
    program.include_router(task_endpoints(app, [TOKEN, "another token of sixteen"], tasks=["shop.*"]))

    def ask(method, path, body=None, token=TOKEN, **headers):
        return asyncio.run(call(program, method, path, body, {**({"authorization": f"Bearer {token}"} if token else {}), **headers}))

    return ask


async def call(program, method, path, body=None, headers=()):
    """Call an ASGI program once; returns the status and the body, as JSON where it is."""
    path, _, query = path.partition("?")
    data = b"" if body is None else json.dumps(body).encode()
    fields = [(name.encode(), value.encode()) for name, value in {**dict(headers), "content-type": "application/json"}.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "scheme": "http",
        "query_string": query.encode(), "headers": fields, "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    sent, asked, ended = [], [], asyncio.Event()

    async def receive():
        if asked:
            await ended.wait()  # the client stays to the end
        asked.append(1)
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message):
        sent.append(message)

    await program(scope, receive, send)
    ended.set()
    text = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(text) if text[:1] in (b"{", b"[") else text.decode()


def test_a_task_is_sent_and_read(app, ask):
    status, sent = ask("POST", "/tasks/shop.add", {"args": [1], "kwargs": {"y": 2}, "queue": "celery", "priority": 3})
    assert (status, sent["state"]) == (202, "PENDING")
    message, _ = app.fake.sent[0]
    assert (message.headers["id"], message.properties["priority"]) == (sent["id"], 3)
    assert ask("GET", f"/tasks/{sent['id']}") == (200, {"id": sent["id"], "state": "PENDING"})
    app.run()
    assert ask("GET", f"/tasks/{sent['id']}?wait=5") == (200, {"id": sent["id"], "state": "SUCCESS", "result": 3})


def test_a_model_is_validated_before_it_is_sent(app, ask):
    assert ask("POST", "/tasks/shop.bill", {"args": [{"customer": "Ada", "total": 3}], "kwargs": {"copies": 2}})[0] == 202
    assert len(app.fake.sent) == 1


def test_a_failure_and_progress(app, ask):
    app.records.store(
        [Record(task_id="f", status="FAILURE", result={"exc_type": "KeyError", "exc_message": ["no"], "exc_module": "builtins"})]
    )
    app.records.store([Record(task_id="p", status="PROGRESS", result={"current": 1, "total": 4})])
    assert ask("GET", "/tasks/f")[1]["error"] == {"type": "KeyError", "message": "'no'"}
    assert ask("GET", "/tasks/p")[1]["progress"] == {"current": 1, "total": 4, "fraction": 0.25}
    status, events = ask("GET", "/tasks/f/events")
    assert (status, events.splitlines()[0]) == (200, "event: end")


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x"])
def test_without_a_token_nobody_comes_in(ask, app, token):
    for method, path, body in (
        ("POST", "/tasks/shop.add", {}),
        ("GET", "/tasks/x", None),
        ("GET", "/tasks/x/events", None),
        ("DELETE", "/tasks/x", None),
    ):
        assert ask(method, path, body, token=token)[0] == 401
    assert app.fake.sent == []


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("shop.sub", {}, 404, "no task shop.sub"),
        ("secret.drop", {}, 404, "no task secret.drop"),
        ("celery.backend_cleanup", {}, 404, "no task"),
        ("shop.add", {"args": [1], "colour": 1}, 422, "colour"),
        ("shop.add", {"args": []}, 422, "x"),
        ("shop.bill", {"args": [{"customer": "Ada", "total": "much"}]}, 422, "total"),
        ("shop.bill", {"kwargs": {"order": {}}}, 422, "customer"),
        ("shop.bill", {"args": [{"customer": "Ada", "total": 1}, 2, 3]}, 422, "arguments"),
        ("shop.add", {"args": [1], "queue": "nowhere"}, 422, "no queue nowhere"),
        ("shop.add", {"args": [1], "priority": 256}, 422, "255"),
        ("shop.add", {"args": [1], "eta": "soon"}, 422, "datetime"),
    ],
)
def test_what_is_wrong_is_told(ask, app, path, body, status, text):
    found, said = ask("POST", f"/tasks/{path}", body)
    assert found == status
    assert text in json.dumps(said)
    assert app.fake.sent == []


def test_the_other_token_will_do_and_a_broker_that_is_away_is_told(ask, app):
    app.fake.error = OperationalError("the broker is away")
    assert ask("POST", "/tasks/shop.add", {"args": [1]}, token="another token of sixteen") == (503, {"detail": "the broker is away"})


def test_one_idempotency_key_is_one_call(ask, app):
    same = [ask("POST", "/tasks/shop.add", {"args": [1]}, **{"idempotency-key": "k"})[1]["id"] for _ in range(2)]
    other = ask("POST", "/tasks/shop.add", {"args": [1]}, **{"idempotency-key": "l"})[1]["id"]
    assert same[0] == same[1] != other
    assert len(app.fake.sent) == 2


def test_short_tokens_are_refused(app):
    for tokens in ("short", [], [TOKEN, ""]):
        with pytest.raises(ImproperlyConfigured, match="at least 16 characters"):
            task_endpoints(app, tokens)


def test_a_stream_ends_with_its_reader(app):
    app.records.store([Record(task_id="p", status="PROGRESS", result={"current": 1, "total": 4})])

    async def read():
        stream = progress_stream(app.AsyncResult("p"), interval=0.01)
        first = await anext(stream.body_iterator)
        app.records.store([Record(task_id="p", status="PROGRESS", result={"current": 2, "total": 4})])
        second = await anext(stream.body_iterator)
        await stream.body_iterator.aclose()
        return first, second

    first, second = asyncio.run(read())
    assert first.startswith("event: progress\ndata: {")
    assert '"fraction": 0.5' in second


def test_the_lifespan_closes_the_app(app):
    seen = []

    async def live():
        async with lifespan_of(app)(None):
            seen.append("alive")

    app.closed = False
    close, app.close = app.close, lambda: seen.append("closed")
    asyncio.run(live())
    app.close = close
    assert seen == ["alive", "closed"]
