"""Who reaches for what is not there yet is told so."""

import pickle

import pytest

import umbel
from umbel import Umbel, not_yet


@pytest.fixture
def app():
    with Umbel("proj", broker="memory://", backend="cache+memory://", set_as_current=False) as app:
        yield app


def test_names_that_the_package_does_not_have():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = umbel.nonsense


def test_attributes_that_come_later(app):
    @app.task
    def job(): ...

    things = [(job, not_yet.TASK), (app, not_yet.APP)]
    for thing, names in things:
        for name in names:
            assert not hasattr(thing, name)
            with pytest.raises(AttributeError, match=f"has no {name} yet: .* will come with a later version"):
                getattr(thing, name)
        with pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
            _ = thing.nonsense
    assert pickle.loads(pickle.dumps(app.AsyncResult("x"))).id == "x"


def test_names_that_are_elsewhere_say_where(app):
    for name, instead in not_yet.APP_ELSEWHERE.items():
        with pytest.raises(AttributeError) as caught:
            getattr(app, name)
        assert str(caught.value) == f"the app has no {name}: use {instead}"


def test_errors_of_a_property_are_not_hidden(app):
    class Task(umbel.Task):
        @property
        def client(self):
            return self.no_such_thing

    @app.task(base=Task)
    def job(): ...

    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = job.client
