"""Work beside firing."""

from __future__ import annotations

import pytest

from system.processes import eventually
from umbel import Umbel
from umbel.beat.entries.model import Report, Run
from umbel.beat.runs.housekeeping import Housekeeping
from umbel.beat.runs.outcomes import Outcomes
from umbel.beat.runs.sending import Runs
from umbel.beat.stores.memory import MemoryScheduleStore
from umbel.errors import OperationalError
from umbel.results.model import Record
from umbel.testing.clock import FakeClock


@pytest.fixture
def app():
    with Umbel(
        "keeping", broker="memory://", backend="cache+memory://", time=FakeClock(), beat_history_limit=2, set_as_current=False
    ) as app:
        yield app


def run(app, task_id, **fields):
    return Run(**{"task_id": task_id, "entry": "one", "slot": 1.0, "fired": app.time.now(), **fields})


def states(store):
    return {each.task_id: each.state for each in store.runs()}


def test_what_became_of_runs_is_looked_up(app):
    store = MemoryScheduleStore()
    store.record([run(app, each, state="SENT") for each in "abc"])
    app.conf.beat_history_limit = 10
    app.store.store([Record(task_id="a", status="SUCCESS", result=1), Record(task_id="b", status="STARTED")])
    keeping = Housekeeping(app, lambda: store, Runs(app, store, "t"), lambda: True)
    keeping.look(store, Outcomes(app, store))
    assert states(store) == {"a": "SUCCESS", "b": "STARTED", "c": "SENT"}


def test_old_runs_are_dropped_now_and_then(app):
    store = MemoryScheduleStore()
    keeping = Housekeeping(app, lambda: store, Runs(app, store, "t"), lambda: True)
    for count, seconds in ((2, 0), (5, 10), (2, 600)):
        app.time.advance(seconds)
        store.record([run(app, f"{seconds}-{number}") for number in range(3)])
        keeping.look(store, Outcomes(app, store))
        assert len(store.runs()) == count


def test_a_thread_writes_reports_as_they_come(app):
    store = MemoryScheduleStore()
    store.record([run(app, each) for each in "ab"])
    runs = Runs(app, store, "t")
    keeping = Housekeeping(app, lambda: store, runs, lambda: False)
    keeping.start()
    keeping.start()
    assert runs.is_written_elsewhere
    runs._reports.append(Report(task_id="a", state="SENT"))
    runs.news.set()
    eventually(lambda: states(store)["a"] == "SENT", 10, "the report")
    keeping.stop()
    keeping.stop()
    assert not runs.is_written_elsewhere


def test_a_store_that_is_away_costs_nothing(app, caplog):
    class Away(MemoryScheduleStore):
        def unfinished(self, *_):
            raise OperationalError("away")

    store = Away()
    Housekeeping(app, lambda: store, Runs(app, store, "t"), lambda: True).look(store, Outcomes(app, store))
    assert "cannot be kept for now: away" in caplog.text


def test_many_are_looked_up_some_at_a_time(app, monkeypatch):
    from umbel.beat.runs import outcomes

    monkeypatch.setattr(outcomes, "_BATCH", 2)
    store = MemoryScheduleStore()
    store.record([run(app, f"{number}", state="SENT", fired=app.time.now() + number) for number in range(5)])
    app.store.store([Record(task_id=f"{number}", status="SUCCESS") for number in range(5)])
    looking = Outcomes(app, store)
    found = [sorted(report.task_id for report in looking.look(app.time.now())) for _ in range(4)]
    assert found == [["0", "1"], ["2", "3"], ["4"], ["0", "1"]]
