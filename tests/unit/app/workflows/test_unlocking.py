"""When chords are polled, and what the task that polls them makes of what it gets."""

from types import SimpleNamespace

import pytest

from umbel import Umbel
from umbel.app.workflows.publishing import polled_every
from umbel.app.workflows.unlocking import unlock
from umbel.errors import ChordError
from umbel.results.model import Record


@pytest.fixture
def app(tmp_path):
    with Umbel("proj", broker="memory://", backend=f"memory:///{tmp_path.name}", set_as_current=False) as app:
        yield app


@pytest.mark.parametrize(
    ("shared", "groups", "polling", "every"),
    [(True, object(), False, None), (True, object(), True, 2.5), (True, None, False, 2.5), (False, None, True, None)],
)
def test_chords_are_polled_where_it_is_wished_or_nobody_counts(shared, groups, polling, every):
    conf = SimpleNamespace(result_chord_polling=polling, result_chord_retry_interval=2.5)
    assert polled_every(SimpleNamespace(conf=conf, store=SimpleNamespace(shared=shared, groups=groups))) == every
    assert polled_every(SimpleNamespace(conf=conf, store=None)) is None


def unlocked(app, *args, **kwargs):
    task = SimpleNamespace(app=app, request=SimpleNamespace(retries=0))
    return unlock(task, *args, **kwargs), task.request


def test_the_results_go_to_the_body_in_the_form_of_the_header(app):
    app.store.store([Record(task_id=name, status="SUCCESS", result=name.upper()) for name in "abc"])
    body = {"task": "body", "kwargs": {}, "options": {"link_error": [{"task": "told"}]}}
    group = [["g", None], [[["b", None], None], [["c", None], None]]]
    values, request = unlocked(app, "header", body, result=[["a", None], group], later_version=True)
    assert values == ["A", ["B", "C"]]
    assert request.embed == {"chain": [body], "errbacks": [{"task": "told"}]}


def test_a_header_that_was_saved(app):
    app.store.store([Record(task_id="a", status="SUCCESS", result=1)])
    app.GroupResult("saved", [app.AsyncResult("a")]).save()
    assert unlocked(app, "saved", {"task": "body"})[0] == [1]
    with pytest.raises(ChordError, match="no group gone is saved"):
        unlocked(app, "gone", {"task": "body"})


def test_the_first_failure_is_named(app):
    failure = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
    app.store.store([Record(task_id="a", status="SUCCESS"), Record(task_id="b", status="FAILURE", result=failure)])
    steps = {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [{"task": "one"}, {"task": "two"}]}}
    request = SimpleNamespace(retries=0)
    with pytest.raises(ChordError, match=r"Dependency b raised ValueError\('no'\)"):
        unlock(SimpleNamespace(app=app, request=request), "g", steps, result=[["a", None], ["b", None]])
    assert [each["task"] for each in request.chain] == ["two", "one"]
