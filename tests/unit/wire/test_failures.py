from __future__ import annotations

import inspect
import json
import os
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import captures
from umbel import errors
from umbel.wire import failures
from umbel.wire.failures import rebuild, render


class Needy(Exception):
    def __init__(self, code, *, detail):
        super().__init__(code)
        self.detail = detail


class Spoken(Needy):
    def __str__(self):
        return self.detail


class Outer:
    class Inner(Exception):
        pass


class Awkward(Exception):
    def __str__(self):
        raise RuntimeError("no str")

    def __repr__(self):
        raise RuntimeError("no repr")

    def __reduce__(self):
        raise RuntimeError("no reduce")


class NoArgs(Exception):
    @property
    def args(self):
        raise RuntimeError("no args")


class Liar(Exception):
    def __new__(cls, *args):
        return "not an exception" if args else super().__new__(cls)


@pytest.mark.parametrize("stored", captures.failures(), ids=lambda stored: f"{stored['exc_type']}-{stored['exc_message']}")
def test_celerys_failures_come_in_and_go_out_again(stored):
    rebuilt = rebuild(stored)
    assert type(rebuilt).__name__ == stored["exc_type"]
    assert list(rebuilt.args) == stored["exc_message"]
    assert json.loads(json.dumps(render(rebuilt))) == stored


OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.UmbelError)]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_survives(kind):
    sent = render(kind())
    assert type(rebuild(json.loads(json.dumps(sent)))) is kind


@pytest.mark.parametrize(
    ("exc", "module", "message"),
    [
        (errors.SoftTimeLimitExceeded(), "billiard.exceptions", []),
        (errors.TimeLimitExceeded(1), "billiard.exceptions", [1]),
        (errors.WorkerLostError("gone"), "billiard.exceptions", ["gone"]),
        (errors.Terminated("signal 15"), "billiard.exceptions", ["signal 15"]),
        (errors.OperationalError("down"), "kombu.exceptions", ["down"]),
        (errors.ContentDisallowed("yaml"), "kombu.exceptions", ["yaml"]),
        (errors.NotRegistered("t"), "celery.exceptions", ["t"]),
        (errors.TimeoutError("late"), "celery.exceptions", ["late"]),
        (errors.Reject("no", False), "celery.exceptions", ["no", False]),
        (errors.ResultExpired("gone"), "umbel.errors", ["gone"]),
        (KeyError("k"), "builtins", ["k"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_names_that_celery_clients_import(exc, module, message):
    assert render(exc) == {"exc_type": type(exc).__name__, "exc_message": message, "exc_module": module}


def test_time_limits_are_known_by_both_names():
    for module in ("celery.exceptions", "billiard.exceptions"):
        stored = {"exc_type": "SoftTimeLimitExceeded", "exc_message": [], "exc_module": module}
        assert type(rebuild(stored)) is errors.SoftTimeLimitExceeded


def test_nested_classes():
    stored = render(Outer.Inner(1))
    assert stored["exc_type"] == "Outer.Inner"
    assert type(rebuild(stored)) is Outer.Inner


def test_arguments_that_cannot_be_encoded_go_as_their_repr():
    lock = object()
    assert render(ValueError(lock, {1}, 2))["exc_message"] == [repr(lock), "{1}", 2]
    assert render(ValueError(b"x"), can_encode=json.dumps)["exc_message"] == ["b'x'"]
    assert len(render(ValueError({"x" * 100_000}))["exc_message"][0]) < 5000


@pytest.mark.parametrize("exc", [Awkward(1), NoArgs(), ValueError(Awkward(1)), ExceptionGroup("g", [Awkward()])])
def test_exceptions_that_misbehave(exc):
    json.dumps(render(exc))


def test_the_signature_need_not_take_the_args():
    rebuilt = rebuild(render(Needy(7, detail="d")))
    assert isinstance(rebuilt, Needy)
    assert rebuilt.args == (7,)
    assert str(rebuilt) == "Needy(7)"
    assert render(rebuilt) == render(Needy(7, detail="d"))
    again = pickle.loads(pickle.dumps(rebuilt))
    assert isinstance(again, Needy)
    assert again.args == (7,)


def test_the_text_of_a_stand_in_needs_nothing_of_the_constructor():
    assert str(rebuild(render(Spoken(7, detail="d")))) == "Spoken(7)"


def test_new_that_lies():
    rebuilt = rebuild({"exc_type": "Liar", "exc_message": [1], "exc_module": __name__})
    assert isinstance(rebuilt, Liar)
    assert rebuilt.args == (1,)


@pytest.mark.parametrize(
    ("message", "args"), [("text", ("text",)), (["a", 1], ("a", 1)), (("a", 1), ("a", 1)), ({"k": 1}, ({"k": 1},)), (None, ()), (5, (5,))]
)
def test_forms_of_exc_message(message, args):
    rebuilt = rebuild({"exc_type": "ValueError", "exc_message": message, "exc_module": "builtins"})
    assert type(rebuilt) is ValueError
    assert rebuilt.args == args


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "SystemExit"),
        ("builtins", "KeyboardInterrupt"),
        ("builtins", "int"),
        ("antigravity", "Error"),
        ("umbel.wire.failures", "sys.exit"),
        ("no.such.module", "Error"),
        ("os", "path.join"),
        ("os", "__dict__.system"),
        ("", ""),
        ("os", ".."),
        ("a\nb", "x\x1b[31m"),
        ("os", "a\0b"),
        ("os", "\ud800"),
        ("os", "x" * 100_000),
        (None, "Unheard"),
        (3, "Unheard"),
    ],
)
def test_only_exceptions_are_called_and_nothing_is_imported(monkeypatch, module, name):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("called"))
    modules = set(sys.modules)
    rebuilt = rebuild({"exc_type": name, "exc_message": ["true"], "exc_module": module})
    assert isinstance(rebuilt, Exception)
    assert type(rebuilt).__mro__[1] is Exception
    assert rebuilt.args == ("true",)
    assert set(sys.modules) == modules


def test_a_modules_getattr_is_not_run(monkeypatch):
    trap = type(sys)("trap")
    trap.__getattr__ = lambda name: pytest.fail("run")
    monkeypatch.setitem(sys.modules, "trap", trap)
    assert type(rebuild({"exc_type": "Error", "exc_message": [], "exc_module": "trap"})).__name__ == "Error"


def test_pickled_results_hold_exceptions():
    exc = ValueError(1)
    assert rebuild(exc) is exc


@pytest.mark.parametrize("stored", ["text", None, [], {}, {"exc_type": 3}, KeyboardInterrupt(), Awkward])
def test_records_that_are_no_failure(stored):
    assert type(rebuild(stored)) is Exception


@given(
    st.dictionaries(st.sampled_from(["exc_type", "exc_message", "exc_module"]), st.none() | st.text() | st.integers() | st.lists(st.text()))
)
def test_never_raises(stored):
    assert isinstance(rebuild(stored), Exception)


def test_describe_never_raises():
    assert failures.describe(Awkward()) == "<unrepresentable Awkward: RuntimeError>"
