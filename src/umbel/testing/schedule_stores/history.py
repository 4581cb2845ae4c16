"""Runs: recorded, reported on, listed, dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from umbel.beat.entries import model
from umbel.beat.entries.model import Report
from umbel.beat.stores.base import ScheduleStore
from umbel.testing.schedule_stores.values import NOW, entry, run

Make = Callable[[], ScheduleStore]


class TestRuns:
    def test_recorded_once(self, make: Make) -> None:
        given = run("x", by_hand=True, missed=7, worker="web1", detail="é\n", runtime=0.1 + 0.2, ended=NOW + 31.000001)
        make().record([given])
        make().record([replace(given, missed=8), run("y", slot=NOW)])
        assert make().runs() == [given, run("y", slot=NOW)]

    def test_the_latest_first(self, make: Make) -> None:
        store = make()
        store.record([run(f"{number}", "one" if number % 2 else "two", NOW + number) for number in range(6)])
        assert [each.task_id for each in store.runs(limit=4)] == ["5", "4", "3", "2"]
        assert [each.task_id for each in store.runs("one")] == ["5", "3", "1"]
        assert store.runs("none") == []

    def test_reports(self, make: Make) -> None:
        store = make()
        store.record([run("x")])
        store.report([Report(task_id="x", state=model.SENT), Report(task_id="unknown", state=model.SENT)])
        store.report([Report(task_id="x", state="STARTED", worker="w1")])
        store.report([Report(task_id="x", state=model.SENT)])
        (found,) = store.runs()
        assert (found.state, found.worker, found.runtime) == ("STARTED", "w1", None)
        store.report([Report(task_id="x", state="SUCCESS", ended=NOW + 40.5)])
        store.report([Report(task_id="x", state="FAILURE", runtime=1.0), Report(task_id="x", state="SUCCESS", worker="w2", runtime=2.25)])
        store.report([Report(task_id="x", state="SUCCESS", worker="w3", runtime=9.0)])
        (found,) = store.runs()
        assert (found.state, found.worker, found.runtime, found.ended) == ("SUCCESS", "w2", 2.25, NOW + 40.5)

    def test_what_was_given_up_may_have_run(self, make: Make) -> None:
        store = make()
        store.record([run("x"), run("y")])
        store.report([Report(task_id="x", state=model.UNKNOWN, detail="gone"), Report(task_id="y", state=model.UNSENT)])
        store.report([Report(task_id="x", state=model.SENT), Report(task_id="y", state="SUCCESS", runtime=1.5, detail="done")])
        found = {each.task_id: each for each in store.runs()}
        assert (found["x"].state, found["x"].detail) == (model.UNKNOWN, "gone")
        assert (found["y"].state, found["y"].detail, found["y"].runtime) == ("SUCCESS", "done", 1.5)

    def test_unfinished(self, make: Make) -> None:
        store = make()
        store.record([run(f"{number}", slot=NOW + number) for number in range(4)])
        store.record([run("over", state=model.SKIPPED)])
        store.report([Report(task_id="1", state="SUCCESS"), Report(task_id="2", state="RETRY")])
        assert [each.task_id for each in store.unfinished()] == ["0", "2", "3"]
        assert [each.task_id for each in store.unfinished(limit=2)] == ["0", "2"]
        assert [each.task_id for each in store.unfinished(since=store.unfinished()[0].fired)] == ["2", "3"]

    def test_trimmed(self, make: Make) -> None:
        store = make()
        store.save([entry("one"), entry("two"), entry("gone", status=model.REMOVED, code=""), entry("kept", status=model.REMOVED)])
        store.record([run(f"{number}", "one", NOW + number) for number in range(10)])
        store.record([run("old", "two", NOW - 100), run("new", "two", NOW)])
        assert store.trim(keep=4, before=NOW - 50) == 7
        assert {each.task_id for each in store.runs()} == {"6", "7", "8", "9", "new"}
        assert len(store.changes().entries) == 4
        assert store.trim(keep=4, before=NOW + 0.5) == 1
        assert {each.name for each in store.changes().entries} == {"one", "two", "kept"}
        assert [each.task_id for each in store.unfinished()] == ["6", "7", "8", "9"]
