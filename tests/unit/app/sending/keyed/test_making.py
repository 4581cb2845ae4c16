"""Keys of calls, and how they travel."""

from __future__ import annotations

import pytest

from umbel.messages.task_keys import KEYS
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    return FakeApp()


def header(app):
    return app.fake.sent[-1][0].headers.get(KEYS)


def fetch(app, **options):
    @app.task(name="fetch", **options)
    def fetch(tenant, page=1):
        return tenant

    return fetch


def test_a_limited_call_travels_with_its_key(app):
    task = fetch(app, concurrency_limit=3, concurrency_key="tenant:{0}")
    for send in (
        lambda: task.delay(7),
        lambda: task.delay_many([7]),
        lambda: task.s(7).apply_async(),
        lambda: app.send_task("fetch", (7,)),
    ):
        send()
        assert header(app) == {"concurrency": "tenant:7"}


def test_with_its_unique_key_too(app):
    fetch(app, concurrency_limit=3, concurrency_key="{0}", unique_key="{0}/{1}").delay(7)
    assert header(app) == {"concurrency": "7", "unique": "7/1", "until": "finish", "for": 3600.0}


def test_the_key_of_a_rate_travels_beside_it(app):
    fetch(app, concurrency_limit=3, concurrency_key="{0}", rate_limit="1/s", rate_limit_key="tenant:{0}").delay(7)
    assert header(app) == {"concurrency": "7", "rate": "tenant:7"}
    fetch(FakeApp(), rate_limit="1/s", rate_limit_key=lambda tenant, page=1: f"{page}").delay(7)


def test_without_a_key_every_call_is_alike(app):
    task = fetch(app, concurrency_limit=3)
    task.delay(7)
    assert header(app) is None
    assert task._plans.usual is not None, "a plain call"


@pytest.mark.parametrize("kind", ["concurrency_key", "unique_key"])
def test_a_function_makes_it_of_the_arguments(app, kind):
    more = {"concurrency_limit": 3} if kind == "concurrency_key" else {}
    task = fetch(app, **{kind: lambda tenant, page=1: f"{tenant}:{page}"}, **more)
    task.delay(7)
    assert header(app)[kind.partition("_")[0]] == "7:1"


def test_a_method_of_a_task_class_does_so_too(app):
    class Fetch(app.Task):
        name = "fetch"
        concurrency_limit = 3

        def concurrency_key(self, tenant):
            return f"{self.name}:{tenant}"

        def run(self, tenant):
            """Never."""

    app.register_task(Fetch()).delay(7)
    assert header(app) == {"concurrency": "fetch:7"}


def test_a_function_may_say_that_a_call_has_none(app):
    fetch(app, concurrency_limit=3, concurrency_key=lambda *_: None).delay(7)
    assert header(app) is None


def test_what_cannot_be_a_key_is_told_with_the_task_and_the_option(app):
    with pytest.raises(TypeError, match="task fetch: concurrency_key: the function of a key must return a text"):
        fetch(app, concurrency_limit=3, concurrency_key=lambda *_: 7).delay(7)
    with pytest.raises(ValueError, match=r"task fetch: concurrency_key: the key '\{0\[id\]\}' has the field"):
        fetch(FakeApp(), concurrency_limit=3, concurrency_key="{0[id]}").delay(7)


def test_protocol_1_has_no_place_for_it_and_the_worker_makes_it(app):
    app.conf.task_protocol = 1
    fetch(app, concurrency_limit=3, concurrency_key="{0}").delay(7)
    assert header(app) is None
