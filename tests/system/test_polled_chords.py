"""Chords that a task waits for, as Celery does where its store does not count (``result_chord_polling``)."""

from __future__ import annotations

import pytest

from system.stage import Place, Stage
from umbel.canvas.signatures import chord, group
from umbel.errors import ChordError


@pytest.fixture
def stage(tmp_path, unique):
    results = tmp_path / "results"
    results.mkdir()
    stage = Stage(Place(name="files", broker=f"sqlite:///{tmp_path}/umbel.db", backend=f"file://{results}"), unique("polled"))
    stage.settings.update(result_chord_polling=True, result_chord_retry_interval=0.1)
    try:
        yield stage
    finally:
        stage.close()


def test_bodies_run_once_and_failures_reach_them(stage):
    stage.worker("-c", "2")
    tasks = stage.app.tasks
    add, total = tasks["add"], tasks["total"]
    nested = chord([chord([add.s(1, 2), add.s(3, 4)], total.s()), add.s(5, 6)], total.s()).apply_async()
    later = (add.s(1, 1) | group(add.s(1), add.s(2)) | total.s()).apply_async()
    told = tasks["mark"].si("told").set(task_id=stage.queue)
    broken = chord([add.s(1, 2), tasks["fail"].s("value", "no")], total.s().on_error(told)).apply_async()
    unended = chord([add.s(1, 2).set(countdown=3600)], total.s()).apply_async()
    body = dict(total.s().set(task_id="given up"))
    stage.app.send_task("celery.chord_unlock", ("gone", body), {"result": [[["never", None], None]], "interval": 0.05, "max_retries": 2})
    assert (nested.get(timeout=30), later.get(timeout=30)) == (21, 7)
    with pytest.raises(ChordError, match="raised ValueError"):
        broken.get(timeout=30, follow_parents=False)
    with pytest.raises(ChordError, match="has not ended after 3 looks"):
        stage.app.AsyncResult("given up").get(timeout=30)
    stage.await_runs(told.options["task_id"])
    assert [len(stage.runs(each.id)) for each in (nested, later, broken)] == [1, 1, 0]
    assert not unended.ready()
