"""Workers whose results, and whose chords' counts, are in files, memcached and MongoDB."""

from __future__ import annotations

import pytest

from system.conftest import LEASE
from system.stage import Place, Stage
from umbel.canvas.signatures import chord, group
from umbel.errors import ChordError


@pytest.fixture(params=["files", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("memcached", "mongodb"))])
def stage(request, tmp_path, unique):
    backend = f"file://{tmp_path}" if request.param == "files" else request.getfixturevalue(f"{request.param}_url")
    stage = Stage(Place(name=request.param, broker=f"sqlite:///{tmp_path}/umbel.db", backend=backend, lease=LEASE), unique("values"))
    try:
        yield stage
    finally:
        stage.close()


def test_chords_and_a_child_that_dies_in_one(stage):
    stage.worker("-c", "4")
    tasks = stage.app.tasks
    result = chord(group(tasks["add"].s(number, number) for number in range(20)))(tasks["total"].s())
    broken = chord([tasks["add"].s(1, 2), tasks["fail"].s("value", "no")], tasks["total"].s()).apply_async()
    header = [tasks["add"].s(1, 1), tasks["die_once"].s(str(stage.folder / "died"))]
    survived = chord(header, tasks["echo"].s()).apply_async()
    assert result.get(timeout=30) == 380
    assert [each.get(timeout=30) for each in result.parent] == [2 * number for number in range(20)]
    with pytest.raises(ChordError):
        broken.get(timeout=30, follow_parents=False)
    assert survived.get(timeout=30) == [[2, "alive"]]
    assert stage.workers[0].stop(timeout=30) == 0
    assert [len(stage.runs(each.id)) for each in (result, broken)] == [1, 0]
