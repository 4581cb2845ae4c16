"""Tasks that every app has."""

import pytest

from umbel import Umbel
from umbel.app.task import builtin_tasks


@pytest.fixture
def app():
    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        app.task(name="add")(lambda x, y: x + y)
        yield app


def test_they_call_and_hand_on(app):
    s = {"task": "add", "args": [10]}
    assert app.tasks["celery.map"](s, [1, 2]) == [11, 12]
    assert app.tasks["celery.starmap"]({"task": "add"}, [(1, 2), [3, 4]]) == [3, 7]
    accumulate = app.tasks["celery.accumulate"]
    assert (accumulate(1, 2), accumulate([1], 2, index=0)) == ((1, 2), [1])


def test_chunks_are_sent(app):
    (group_id, parent), members = app.tasks["celery.chunks"]({"task": "add"}, [(1, 2), (3, 4), (5, 6)], 2)
    assert (bool(group_id), parent, len(members)) == (True, None, 2)


def test_a_task_of_that_name_is_kept():
    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        own = app.task(name="celery.map")(lambda: "own")
        assert app.tasks["celery.map"] is own
        tasks = {}
        builtin_tasks.add_to(app, tasks)
        assert sorted(tasks) == [
            "celery.accumulate",
            "celery.backend_cleanup",
            "celery.chord_unlock",
            "celery.chunks",
            "celery.map",
            "celery.starmap",
            "umbel.chord_deadline",
            "umbel.fail_kept",
            "umbel.start_kept",
        ]
        assert tasks["celery.map"].run.__doc__ == "Call a task with each item."


def test_a_part_that_is_gone_is_told():
    with Umbel("proj", broker="memory://", backend="cache+memory://", set_as_current=False) as app:
        for name in ("umbel.start_kept", "umbel.fail_kept"):
            with pytest.raises(LookupError, match="no part of a workflow waits in the result store under k"):
                app.tasks[name](1, key="k")
