"""Workers whose results are in SQL databases."""

from __future__ import annotations

import pytest

from system.conftest import LEASE, database
from system.stage import Place, Stage
from umbel.canvas.signatures import chord, group
from umbel.errors import ChordError

pytestmark = pytest.mark.redis


@pytest.fixture(
    params=[pytest.param("postgresql", marks=pytest.mark.postgresql), pytest.param("mariadb", marks=pytest.mark.mariadb)],
)
def stage(request, unique):
    place = Place(name="sql", broker=database(request, 5), backend=request.getfixturevalue(f"{request.param}_url"), lease=LEASE)
    stage = Stage(place, unique("system"))
    try:
        yield stage
    finally:
        stage.close()


def test_a_chord(stage):
    stage.worker("-c", "4")
    tasks = stage.app.tasks
    result = chord(group(tasks["add"].s(number, number) for number in range(50)))(tasks["total"].s())
    assert result.get(timeout=30) == 2450
    assert [each.get(timeout=30) for each in result.parent] == [2 * number for number in range(50)]
    broken = chord([tasks["add"].s(1, 2), tasks["fail"].s("value", "no")], tasks["total"].s()).apply_async()
    with pytest.raises(ChordError):
        broken.get(timeout=30, follow_parents=False)
    assert stage.workers[0].stop(timeout=30) == 0
    assert len(stage.runs(result.id)) == 1
    assert not stage.runs(broken.id)


def test_a_child_that_dies_in_a_chord(stage):
    stage.worker("-c", "2")
    tasks = stage.app.tasks
    header = [tasks["add"].s(number, number) for number in range(10)] + [tasks["die_once"].s(str(stage.folder / "died"))]
    result = chord(header, tasks["echo"].s()).apply_async()
    assert result.get(timeout=30) == [[*(2 * number for number in range(10)), "alive"]]
