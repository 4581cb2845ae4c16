"""The task that fails the body of a chord whose header has not ended in time."""

from types import SimpleNamespace

import pytest

from umbel import Umbel, chord
from umbel.app.workflows.deadlines import fail_late
from umbel.canvas.kept_parts import CHORD_DEADLINE
from umbel.errors import ChordError
from umbel.results.group_store import ChordPart
from umbel.results.model import Record
from umbel.testing import start_worker

BODY = {"task": "body", "kwargs": {}, "options": {}}
MEMBERS = [[[name, None], None] for name in "abcde"]


@pytest.fixture
def app(tmp_path):
    with Umbel("proj", broker=f"memory:///{tmp_path.name}", backend=f"memory:///{tmp_path.name}", set_as_current=False) as app:
        yield app


def late(app, body=BODY, result=MEMBERS):
    task = SimpleNamespace(app=app, request=SimpleNamespace(retries=0))
    fail_late(task, "header", body, 1.5, result)
    return task.request


def test_what_is_missing_is_named(app):
    app.store.groups.open("header", 5)
    app.store.store([Record(task_id="a", status="SUCCESS")])
    text = r"4 of 5 members of chord header have not ended within 1\.5 s: b, c, d and 1 more"
    for _ in range(2):  # a redelivery says the same
        with pytest.raises(ChordError, match=text):
            late(app)
    assert not app.store.groups.begin_body("header", "of a member that was late")


def count(app, name, place):
    return app.store.groups.count([ChordPart("header", name, place, "SUCCESS", 1)])


def test_a_chord_that_has_ended_is_left_alone(app):
    app.store.groups.open("header", 1)
    (claim,) = count(app, "a", 0)
    assert not hasattr(late(app, result=MEMBERS[:1]), "chain")  # its body is being started
    app.store.groups.close(claim)
    assert not hasattr(late(app, result=MEMBERS[:1]), "chain")
    assert app.store.groups.begin_body("header", claim.token)


def test_a_body_that_has_begun_is_left_alone(app):
    app.store.groups.open("header", 2)
    assert app.store.groups.begin_body("header", "token")
    assert not hasattr(late(app), "chain")


def test_a_body_that_is_kept_is_read(app):
    app.store.groups.open("header", 5)
    app.store.groups.save("kept", BODY)
    with pytest.raises(ChordError):
        late(app, {"task": "umbel.start_kept", "kwargs": {"key": "kept"}})


@pytest.mark.parametrize(("setting", "own"), [(0.2, None), (None, 0.2), (3600, 0.2)])
def test_a_member_that_is_lost_fails_the_body_and_calls_its_error_callback(app, setting, own):
    app.conf.task_chord_timeout = setting
    told = []

    @app.task(name="one")
    def one():
        return 1

    @app.task(name="total")
    def total(values):
        return sum(values)

    @app.task(name="tell")
    def tell(request, error, traceback):
        told.append(str(error))

    whole = chord([one.s(), one.s().set(queue="nobody")], total.s().on_error(tell.s()))
    if own is not None:
        whole.set(chord_timeout=own)
    with start_worker(app, queues="celery"):
        result = whole.apply_async()
        with pytest.raises(ChordError, match="1 of 2 members"):
            result.get(timeout=10)
    assert result.state == "FAILURE"
    assert len(told) == 1


def test_a_chord_in_time_has_its_value(app):
    app.conf.task_chord_timeout = 0.3

    @app.task(name="one")
    def one():
        return 1

    @app.task(name="total")
    def total(values):
        return sum(values)

    with start_worker(app):
        result = chord([one.s(), one.s()], total.s()).apply_async()
        assert result.get(timeout=10) == 2
    assert CHORD_DEADLINE in app.tasks
    assert result.get() == 2
