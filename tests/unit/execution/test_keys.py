from __future__ import annotations

import datetime as dt
import decimal
import inspect
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.execution.keys import KeyTemplate, check_fields, key_of


def sync(tenant, user=3, *rest, deep=False, **more):
    """A task."""


SIGNATURE = inspect.signature(sync)


def key(template, *args, signature=SIGNATURE, **kwargs):
    return key_of(KeyTemplate(template), args, kwargs, signature)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{0}", "7"), ("tenant:{0}", "tenant:7"), ("{tenant}", "7"), ("{tenant}/{user}", "7/3"), ("{0}-{1}", "7-3"), ("{deep}", "False"),
        ("fixed", "fixed"), ("{{{0}}}", "{7}"),
    ],
)  # fmt: skip
def test_fields_are_found_by_place_and_name_however_they_were_given(template, found):
    assert key(template, 7) == found
    assert key(template, tenant=7) == found


def test_items():
    order = {"id": 5, "lines": [{"sku": "x"}], 8: "eight"}
    assert key("{0[id]}", order) == "5"
    assert key("{tenant[lines][0][sku]}", order) == "x"
    assert key("{0[8]}", order) == "eight"
    assert key("{color}", 1, color="red") == "red"
    assert key("{2}", 1, 2, "third") == "third"


@pytest.mark.parametrize(
    "template",
    [
        "{0.__class__}", "{0.__init__.__globals__}", "{tenant.secret}", "{0[a].b}", "{0!r}", "{0!s}", "{0:>1000000000}", "{0:{1}}", "{}", "{0[]}", "{-1}",
        "{0[a}", "{", "}", "{0 }", "{a b}", "{0}{1}", "{0[a]}{user}",
    ],
)  # fmt: skip
def test_what_could_do_more_than_look_something_up_is_no_template(template):
    with pytest.raises(ValueError, match=r"expected a text such as|nothing between them"):
        KeyTemplate(template)


class Trap:
    """Notes every look at it."""

    seen = 0

    def __getitem__(self, item):
        Trap.seen += 1

    def __getattr__(self, name):
        Trap.seen += 1


def test_no_code_of_a_value_runs_when_an_item_is_looked_up():
    with pytest.raises(ValueError, match="no such argument or item"):
        key("{0[x]}", Trap())
    assert Trap.seen == 0


@pytest.mark.parametrize(("template", "value"), [("{0[b]}", {"a": 1}), ("{0[5]}", [1]), ("{0[a]}", [1]), ("{0[a]}", "text"), ("{3}", 1)])
def test_what_is_not_there_is_told_with_its_field(template, value):
    with pytest.raises(ValueError, match="no such argument or item"):
        key(template, value)


@pytest.mark.parametrize("value", [{"a": 1}, [1], (1,), {1}, object()])
def test_what_has_no_text_of_its_own_is_no_part_of_a_key(value):
    with pytest.raises(ValueError, match="cannot be part of a key"):
        key("{0}", value)


def test_two_values_do_not_run_into_each_other():
    assert key("{0}:{1}", "a:b", "c") != key("{0}:{1}", "a", "b:c")
    assert key("{0}%3A{1}", "a", "b") != key("{0}%3A{1}", "a%3Ab", "")
    assert key("tenant:{0}", "a:b") == "tenant:a:b", "one alone is as it is"


@given(
    st.tuples(st.text(max_size=6), st.text(max_size=6)),
    st.tuples(st.text(max_size=6), st.text(max_size=6)),
    st.sampled_from((":", "x", "%", "::", "a/b")),
)
def test_different_values_are_different_keys(one, other, between):
    template = f"{{0}}{between}{{1}}"
    assert (key(template, *one) == key(template, *other)) == (one == other)


def test_fields_are_compared_with_the_function():
    check_fields(KeyTemplate("{tenant}:{1}:{anything}:{9}"), SIGNATURE)
    check_fields(KeyTemplate("{nobody}"), None)
    for template in ("{b}", "{1}"):
        with pytest.raises(ValueError, match=r"and the task takes \(a\)"):
            check_fields(KeyTemplate(template), inspect.signature(lambda a: a))


class TestAllArguments:
    @staticmethod
    def key(*args, **kwargs):
        return key_of(None, args, kwargs, SIGNATURE)

    def test_the_same_call_is_the_same_key_however_it_was_written(self):
        assert self.key(7) == self.key(7, 3) == self.key(tenant=7) == self.key(7, user=3, deep=False)
        assert self.key({"a": 1, "b": 2}) == self.key({"b": 2, "a": 1})
        assert self.key((1, 2)) == self.key([1, 2]), "as a worker gets them"

    def test_another_call_is_another_key(self):
        keys = [
            self.key(7), self.key("7"), self.key(7.5), self.key(True), self.key(None), self.key(7, 4), self.key(7, 3, 1), self.key(7, deep=True),
            self.key(7, color=1), self.key([]), self.key({}),
        ]  # fmt: skip
        assert len(set(keys)) == len(keys)

    def test_values_that_json_does_not_know(self):
        now, number = dt.datetime(2026, 1, 2, 3), uuid.uuid4()
        for one, other in (
            (now, dt.datetime(2026, 1, 2, 4)), (number, uuid.uuid4()), (decimal.Decimal("1.0"), decimal.Decimal("1.1")), ({1, 2}, {1, 3}),
            (b"a", b"b"), (dt.timedelta(1), dt.timedelta(2)),
        ):  # fmt: skip
            assert self.key(one) == self.key(one) != self.key(other)
        assert self.key(dt.date(2026, 1, 2)) != self.key("2026-01-02")

    def test_what_cannot_be_compared_is_told(self):
        with pytest.raises(TypeError, match=r"a object has no text of its own.*name those that count"):
            self.key(object())

    def test_a_function_that_python_does_not_know(self):
        assert key_of(None, (1,), {"a": 2}, None) == key_of(None, [1], {"a": 2}, None) != key_of(None, (1,), {"a": 3}, None)


class TestFunctions:
    def test_it_is_called_as_the_task_would_be(self):
        assert key_of(lambda tenant, user=3: f"{tenant}-{user}", (7,), {"user": 4}, SIGNATURE) == "7-4"

    def test_it_may_say_that_there_is_no_key(self):
        assert key_of(lambda *_: None, (7,), {}, SIGNATURE) is None

    @pytest.mark.parametrize("found", ["", 7, b"k"])
    def test_it_must_return_a_text(self, found):
        with pytest.raises(TypeError, match="must return a text that is not empty"):
            key_of(lambda *_: found, (7,), {}, SIGNATURE)
