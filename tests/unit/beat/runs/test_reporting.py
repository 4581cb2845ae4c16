"""Reports of a worker's runs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from umbel import Umbel, states
from umbel.beat.entries.model import Run
from umbel.beat.runs.firing import HEADER
from umbel.beat.runs.reporting import RunReports, reports_of
from umbel.beat.stores.memory import MemoryScheduleStore
from umbel.errors import OperationalError
from umbel.testing.clock import FakeClock
from umbel.worker.tasks.events import TaskEvents


class Store(MemoryScheduleStore):
    is_away = False

    def report(self, reports):
        if self.is_away:
            raise OperationalError("away")
        super().report(reports)


def delivery(task_id, **headers):
    return SimpleNamespace(headers={"id": task_id, HEADER: "one", **headers})


def outcome(detail="", runtime=0.5):
    return SimpleNamespace(detail=detail, runtime=runtime)


def made():
    store, events = Store(), TaskEvents()
    store.record([Run(task_id=each, entry="one", slot=1.0, fired=1.0) for each in "abcdef"])
    return store, events, RunReports(events, "celery@w", lambda: store, FakeClock())


def told(store):
    return {run.task_id: (run.state, run.worker, run.runtime, run.detail) for run in store.runs()}


def test_how_tasks_ended():
    store, events, reports = made()

    async def main():
        events.succeeded(SimpleNamespace(delivery=delivery("a")), outcome("a result", 1.25))
        events.failed(SimpleNamespace(delivery=delivery("b")), outcome("ValueError('x')"))
        events.retried(SimpleNamespace(delivery=delivery("c")), outcome("in 3 s"))
        events.expired(delivery("d"))
        events.dead_lettered(delivery("e"), "unregistered", "no such task")
        events.succeeded(SimpleNamespace(delivery=SimpleNamespace(headers={"id": "f"})), outcome())  # not one of beat's
        reports.look(0.0)
        await reports._writing

    asyncio.run(main())
    assert told(store) == {
        "a": ("SUCCESS", "celery@w", 1.25, ""),
        "b": ("FAILURE", "celery@w", 0.5, "ValueError('x')"),
        "c": ("RETRY", "celery@w", 0.5, "in 3 s"),
        "d": ("REVOKED", "celery@w", None, "expired"),
        "e": ("REJECTED", "celery@w", None, "unregistered: no such task"),
        "f": ("CLAIMED", "", None, ""),
    }


def test_a_store_that_is_away_gets_them_later(caplog):
    store, events, reports = made()

    async def main():
        await reports.start()
        store.is_away = True
        events.succeeded(SimpleNamespace(delivery=delivery("a")), outcome())
        await reports._write()
        await reports._write()
        store.is_away = False
        events.succeeded(SimpleNamespace(delivery=delivery("b")), outcome())
        await reports.stop()

    asyncio.run(main())
    assert {task_id: state for task_id, (state, *_) in told(store).items() if state == states.SUCCESS} == {"a": "SUCCESS", "b": "SUCCESS"}
    assert caplog.text.count("cannot be reported: away") == 1


def test_who_reports():
    with Umbel("x", broker="memory://", set_as_current=False) as app:
        worker = SimpleNamespace(app=app, hostname="w", parts=SimpleNamespace(events=TaskEvents()))
        assert reports_of(worker) == []
        assert worker.parts.events.succeeded.tell is None
        app.conf.beat_schedule = {"one": {"task": "t", "schedule": 1}}
        (service,) = reports_of(worker)
        assert service.name == "Reports of periodic tasks"
