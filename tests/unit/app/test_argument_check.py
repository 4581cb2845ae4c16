"""What a call is checked by, and which convention an error callback has."""

from __future__ import annotations

import functools

import pytest

from umbel.app.argument_check import argument_check, takes_exception
from umbel.testing.fakes import FakeApp


def with_session(function):
    @functools.wraps(function)
    def run(x):
        return function("session", x)

    return run


def test_a_decorated_function_is_called_as_its_wrapper_says():
    @with_session
    def add(session, x):
        return session, x

    check = argument_check(add, skip_first=False)
    check((1,), {})
    with pytest.raises(TypeError):
        check((1, 2), {})


CALLBACKS = {
    "id alone": (lambda task_id: None, (), {}, False, False),
    "new": (lambda request, exc, traceback: None, (), {}, False, True),
    "an argument is there": (lambda task_id, note: None, ("note",), {}, False, False),
    "a keyword is there": (lambda task_id, note: None, (), {"note": 1}, False, False),
    "new, with an argument": (lambda request, exc, traceback, note: None, ("note",), {}, False, True),
    "new, with a keyword": (lambda request, exc, traceback, note: None, (), {"note": 1}, False, True),
    "an option": (lambda task_id, note=None: None, (), {}, False, True),
    "any number": (lambda *args: None, (), {}, False, True),
    "any number, arguments are there": (lambda *args: None, (1, 2), {}, False, True),
    "bound": (lambda task_id: None, (), {}, True, False),
    "bound, any number": (lambda *args: None, (), {}, True, False),
    "bound, an option": (lambda task_id, note=None: None, (), {}, True, False),
    "bound, and an id is not enough": (lambda request, exc, traceback: None, (), {}, True, True),
    "no function that Python can read": (dict.update, (), {}, False, False),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_the_convention_of_an_error_callback(name):
    function, args, kwargs, bound, expected = CALLBACKS[name]
    assert takes_exception(function, args, kwargs, bound=bound) is expected


def test_a_class_is_given_its_task():
    app = FakeApp()

    class Told(app.Task):
        name = "proj.told"

        def run(self, *args):
            pass

    assert not app.register_task(Told()).takes_exception()
    assert app.task(name="proj.any")(lambda *args: None).takes_exception()
