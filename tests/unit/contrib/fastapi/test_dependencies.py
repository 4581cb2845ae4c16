import asyncio
from typing import Annotated

import pytest
from fastapi import Depends, Request
from pydantic import BaseModel

from umbel.contrib.fastapi import inject
from umbel.errors import ImproperlyConfigured
from umbel.testing import FakeApp

EVENTS: list[str] = []


class Wanted(BaseModel):
    title: str


class Settings:
    def __init__(self) -> None:
        self.name = "settings"


def get_connection(settings: Annotated[Settings, Depends()]):
    EVENTS.append(f"open {settings.name}")
    try:
        yield "connection"
    except ValueError:
        EVENTS.append("roll back")
        raise
    finally:
        EVENTS.append("close")


Connection = Annotated[str, Depends(get_connection)]


def get_repository(connection: Connection):
    return f"repository on {connection}"


async def get_clock():
    yield "clock"


@pytest.fixture(autouse=True)
def nothing_happened():
    EVENTS.clear()


@pytest.fixture
def app():
    with FakeApp() as app:
        yield app


def test_a_task_gets_what_its_providers_make(app):
    @app.task(name="report", pydantic=True)
    @inject
    def report(wanted: Wanted, connection: Connection, repository: Annotated[str, Depends(get_repository)], copies: int = 1):
        EVENTS.append("run")
        return [wanted.title, connection, repository, copies]

    report.delay(Wanted(title="a"), copies=2)
    assert app.run().state == "SUCCESS"
    assert report.apply(({"title": "a"},)).get() == ["a", "connection", "repository on connection", 1]
    assert EVENTS == ["open settings", "run", "close"] * 2
    with pytest.raises(TypeError):
        report.delay()


def test_in_a_test_a_dependency_is_given_by_name():
    @inject
    def report(connection: Connection, title: str):
        return [title, connection]

    assert report("a", connection="mine") == ["a", "mine"]
    assert EVENTS == []


def test_a_provider_learns_of_an_error(app):
    @app.task(name="fails")
    @inject
    def fails(connection: Connection):
        raise ValueError(connection)

    with pytest.raises(ValueError, match="connection"):
        fails.apply(throw=True)
    assert EVENTS == ["open settings", "roll back", "close"]


def test_coroutines_may_have_providers_of_both_kinds():
    @inject
    async def report(x: int, clock: Annotated[str, Depends(get_clock)], connection: str = Depends(get_connection)):
        return [x, clock, connection]

    assert asyncio.run(report(1)) == [1, "clock", "connection"]


def test_what_a_task_cannot_have_is_said_where_it_is_made():
    def needs_request(request: Request): ...
    def needs_query(page: int): ...

    for provider, text in ((needs_request, "needs the Request of a request"), (needs_query, r"takes page \(int\) from the request")):

        def report(it):
            """Its annotation is below."""

        report.__annotations__["it"] = Annotated[str, Depends(provider)]
        with pytest.raises(ImproperlyConfigured, match=text):
            inject(report)

    def plain(clock: Annotated[str, Depends(get_clock)]): ...

    with pytest.raises(ImproperlyConfigured, match="the provider of clock is a coroutine: write async def plain"):
        inject(plain)
