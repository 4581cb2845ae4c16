"""Steps of a worker, as services."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from umbel.compat.app import Celery
from umbel.compat.steps import ConsumerStep, StartStopStep, Step, ordered
from umbel.errors import ImproperlyConfigured


@pytest.fixture
def app():
    return Celery("proj", broker="memory://", set_as_current=False)


def services(app):
    worker = SimpleNamespace(hostname="w@h")
    return worker, [make(worker) for make in app.worker_services]


def test_they_start_and_stop_with_the_worker(app):
    told = []

    class First(StartStopStep):
        def __init__(self, parent, **kwargs):
            told.append(("init", parent.hostname))

        def start(self, parent):
            told.append(("start", parent.hostname))

        def stop(self, parent):
            told.append(("stop", parent.hostname))

    class Second(StartStopStep):
        requires = (First,)

        def create(self, parent):
            return SimpleNamespace(start=lambda: told.append("second starts"), stop=lambda: told.append("second stops"))

    class Left(StartStopStep):
        def include_if(self, parent):
            return False

        def start(self, parent):
            told.append("left out")

    app.steps["consumer"].add(Second)
    app.steps["worker"].update({First, Left})
    _, [service] = services(app)

    async def live():
        await service.start()
        await service.stop()

    asyncio.run(live())
    assert told == [("init", "w@h"), ("start", "w@h"), "second starts", "second stops", ("stop", "w@h")]


def test_one_that_fails_to_stop_costs_no_other(app, caplog):
    told = []

    class Fails(StartStopStep):
        def start(self, parent): ...

        def stop(self, parent):
            raise ValueError("no")

    class Works(StartStopStep):
        def start(self, parent): ...

        def stop(self, parent):
            told.append("stopped")

    app.steps["worker"].update({Fails, Works})
    _, [service] = services(app)

    async def live():
        await service.start()
        await service.stop()

    asyncio.run(live())
    assert told == ["stopped"]
    assert "The step Fails has raised in stop()" in caplog.text


def test_order():
    class C(Step): ...

    class B(Step):
        requires = (C, "celery.worker.components:Pool")

    class A(Step):
        requires = (B,)
        last = True

    assert ordered([A, B, C]) == [C, B, A]
    C.requires = (A,)
    with pytest.raises(ImproperlyConfigured, match="require each other"):
        ordered([A, B, C])


def test_consumers_of_kombu_are_refused(app):
    app.steps["consumer"].add(type("Mine", (ConsumerStep,), {}))
    with pytest.raises(ImproperlyConfigured, match="Mine: a worker does not run consumers of kombu"):
        services(app)


def test_an_app_without_steps_has_no_service():
    assert Celery("proj", broker="memory://", set_as_current=False).worker_services == []
