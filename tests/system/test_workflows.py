"""Workflows run on real workers, whatever they are made of."""

from __future__ import annotations

import pytest

from umbel.canvas.signatures import chain, chord, group
from umbel.errors import ChordError


@pytest.fixture
def tasks(stage):
    stage.worker("-c", "2")
    return stage.app.tasks


def test_workflows_of_every_kind(tasks):
    add, echo = tasks["add"], tasks["echo"]
    assert add.s(1).delay(2).get(timeout=30) == 3
    assert chain(add.s(1, 2), add.s(3), add.s(4)).apply_async().get(timeout=30) == 10
    assert chain(add.s(1, 2), echo.si("alone")).apply_async().get(timeout=30) == ["alone"]
    assert group(add.s(place, 1) for place in range(20)).apply_async().get(timeout=30) == list(range(1, 21))
    assert (group(add.s(1, 1), add.s(2, 2)) | echo.s()).apply_async().get(timeout=30) == [[2, 4]]
    assert (add.s(1, 1) | group(add.s(2), add.s(3)) | echo.s("end") | echo.s()).apply_async().get(timeout=30) == [[[4, 5], "end"]]
    assert chord([], echo.s()).apply_async().get(timeout=30) == [[]]
    assert chain(group(add.s(1, 1)), group(echo.s("a"), echo.s("b")), echo.s()).apply_async().get(timeout=30) == [[[2, "a"], [2, "b"]]]
    assert add.starmap([(1, 2), (3, 4)]).apply_async().get(timeout=30) == [3, 7]
    assert echo.map(["a", "b"]).apply_async().get(timeout=30) == [["a"], ["b"]]
    assert add.chunks([(place, place) for place in range(5)], 2).apply_async().get(timeout=30) == [[0, 2], [4, 6], [8]]


def test_a_chord_of_chains_groups_and_chords(tasks):
    add, echo = tasks["add"], tasks["echo"]
    header = [
        chain(add.s(1, 1), add.s(1)),
        add.s(0, 1) | group(add.s(1), add.s(2)),
        chord([add.s(1, 1), add.s(2, 2)], echo.s()),
        add.s(5, 5),
    ]
    result = chord(header, echo.s()).apply_async()
    assert result.get(timeout=30) == [[3, [2, 3], [[2, 4]], 10]]
    assert result.parent.get(timeout=30) == [3, [2, 3], [[2, 4]], 10]


def test_callbacks_of_every_kind(stage, tasks):
    add, echo = tasks["add"], tasks["echo"]
    first = add.s(1, 2)
    first.link(add.s(1) | echo.s())
    first.link(group(echo.s("a"), echo.s("b")) | echo.s())
    result = first.apply_async()
    assert result.get(timeout=30) == 3
    ended = sorted(str(found.get(timeout=30)) for found in result.children)
    assert ended == ["4", "[[[3, 'a'], [3, 'b']]]"]
    assert sorted(str(value) for _, value in result.collect()) == ["3", "4", "[4]", "[[[3, 'a'], [3, 'b']]]"]


def test_a_failure_ends_the_rest(tasks):
    add, fail, echo = tasks["add"], tasks["fail"], tasks["echo"]
    result = chain(add.s(1, 2), fail.si("value", "no"), add.s(3)).apply_async()
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=30)
    assert result.parent.parent.get(timeout=30) == 3
    for body in (echo.s(), chain(echo.s(), echo.s())):
        broken = chord([add.s(1, 2), fail.si("value", "no")], body).apply_async()
        with pytest.raises(ChordError):
            broken.get(timeout=30, follow_parents=False)


def test_a_member_that_is_ended_from_outside_fails_its_chord(stage):
    stage.worker("-c", "2")
    tasks = stage.app.tasks
    mark, echo, nap = tasks["mark"], tasks["echo"], tasks["nap"]
    header = [mark.s(1), nap.s(60).set(time_limit=1), mark.s(2)]
    result = chord(header, echo.s().on_error(mark.s())).apply_async()
    with pytest.raises(ChordError, match="TimeLimitExceeded"):
        result.get(timeout=30, follow_parents=False)
    expired = chord([mark.s(3), mark.s(4).set(expires=-1)], echo.s()).apply_async()
    with pytest.raises(ChordError, match="TaskRevokedError"):
        expired.get(timeout=30, follow_parents=False)
    killed = chord([mark.s(5), tasks["die"].s().set(headers={})], echo.s() | echo.s()).apply_async()
    with pytest.raises(ChordError, match="WorkerLostError"):
        killed.get(timeout=60, follow_parents=False)
    assert killed.parent.state == "FAILURE"


def test_a_task_that_is_replaced(tasks):
    add, replaced = tasks["add"], tasks["replaced"]
    assert replaced.s(1).apply_async().get(timeout=30) == 2
    assert (replaced.s(1) | add.s(10)).apply_async().get(timeout=30) == 12
    assert chord([replaced.s(1), add.s(1, 1)], tasks["echo"].s()).apply_async().get(timeout=30) == [[2, 2]]
