"""Workflows that run in their caller."""

import pytest

from umbel import Umbel, chain, chord, group


@pytest.fixture
def app():
    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        app.ran = []

        @app.task(name="add")
        def add(x, y):
            app.ran.append((x, y))
            return x + y

        @app.task(name="fail")
        def fail(*args):
            raise ValueError("no")

        @app.task(name="echo")
        def echo(*args):
            return list(args)

        yield app


def workflows(app):
    add, echo = app.tasks["add"], app.tasks["echo"]
    return {
        "task": (add.s(1, 2), 3),
        "chain": (add.s(1, 2) | add.s(3), 6),
        "group": (group(add.s(1, 2), add.s(3, 4)), [3, 7]),
        "chord": (chord([add.s(1, 2), add.s(3, 4)], echo.s("end")), [[3, 7], "end"]),
        "empty chord": (chord([], echo.s()), [[]]),
        "all": (
            add.s(1, 2) | group(add.s(1), add.s(2) | group(echo.s(), echo.si("alone"))) | echo.s() | echo.s(),
            [[[4, [[5], ["alone"]]]]],
        ),
        "map": (add.starmap([(1, 2), (3, 4)]), [3, 7]),
        "chunks": (add.chunks([(1, 2), (3, 4), (5, 6)], 2), [[3, 7], [11]]),
    }


@pytest.mark.parametrize("name", ["task", "chain", "group", "chord", "empty chord", "all", "map", "chunks"])
def test_it_comes_to_the_same(app, name):
    workflow, value = workflows(app)[name]
    assert workflow.apply().get() == value
    app.conf.task_always_eager = True
    assert workflow.apply_async().get() == value


def test_a_failure_ends_it(app):
    add, fail = app.tasks["add"], app.tasks["fail"]
    broken = (chain(add.s(1, 2), fail.s(), add.s(3)), chord([add.s(1, 2), fail.s()], add.s(3)))
    for workflow in broken:
        result = workflow.apply()
        assert (result.state, str(result.result)) == ("FAILURE", "no")
        with pytest.raises(ValueError, match="no"):
            result.get()
        with pytest.raises(ValueError, match="no"):
            workflow.apply(throw=True)
        app.conf.task_eager_propagates = True
        with pytest.raises(ValueError, match="no"):
            workflow.apply()
        app.conf.task_eager_propagates = False


def test_callbacks_of_every_kind(app):
    add, echo = app.tasks["add"], app.tasks["echo"]
    add.apply((1, 2), link=[add.s(10), add.s(20) | echo.s(), group(add.s(30), echo.s())])
    assert app.ran == [(1, 2), (3, 10), (3, 20), (3, 30)]
    app.ran.clear()
    add.s(1, 2).set(link=[add.s(10) | add.s(20)]).apply()
    assert app.ran == [(1, 2), (3, 10), (13, 20)]


def test_ids_are_those_of_the_handle(app):
    workflow = app.tasks["add"].s(1, 2) | app.tasks["add"].s(3)
    assert workflow.apply(task_id="mine").id == "mine"


def test_the_result_knows_those_of_the_tasks_before_it(app):
    add, fail = app.tasks["add"], app.tasks["fail"]
    result = (add.s(1, 2) | add.s(3) | add.s(4)).apply()
    assert [result.get(), result.parent.get(), result.parent.parent.get(), result.parent.parent.parent] == [10, 6, 3, None]
    assert (add.s(1, 2) | group(add.s(1), add.s(2)) | app.tasks["echo"].s()).apply().parent.get() == 3
    assert (add.s(1, 2) | fail.s() | add.s(4)).apply().parent.parent.get() == 3
    assert chain(add.s(1, 0), *(add.s(1) for _ in range(3000))).apply().get() == 3001
