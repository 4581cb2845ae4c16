from __future__ import annotations

import collections
import datetime as dt
import uuid
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.messages.preview import LIMIT, preview


class Pair(NamedTuple):
    a: int
    b: int


class Broken:
    def __repr__(self):
        raise ValueError("no")


class Wide:
    def __repr__(self):
        return "W" * 5000


class Liar(dict):
    def items(self):
        raise RuntimeError("no items")


#: As Celery 5.7 shows them.
CELERYS = [
    ((), "()"),
    ([], "[]"),
    ({}, "{}"),
    ((1,), "(1,)"),
    ((2, 3), "(2, 3)"),
    ((1.5, True, None, 2**70), "(1.5, True, None, 1180591620717411303424)"),
    ("abc", "'abc'"),
    (("it's", 'a"b'), "('it\\'s', 'a\"b')"),
    (("héllo ☃ 漢字 🎉",), "('héllo ☃ 漢字 🎉',)"),
    ((b"abc", b"\xff\xfe"), "(b'abc', b'fffe')"),
    ({1: 2, "b": [3]}, "{1: 2, 'b': [3]}"),
    ({"x": 2, "y": "z"}, "{'x': 2, 'y': 'z'}"),
    (({1}, frozenset({1}), set(), frozenset()), "({1}, frozenset({1}), set(), frozenset())"),
    (Pair(1, 2), "(1, 2)"),
    (collections.OrderedDict(a=1), "{'a': 1}"),
    (([[[[1]]]],), "([[[...]]],)"),
    ({"a": {"b": [1, (2,)]}}, "{'a': {'b': [1, (...,)]}}"),
    ((dt.timedelta(1), uuid.UUID(int=1)), "(datetime.timedelta(days=1), UUID('00000000-0000-0000-0000-000000000001'))"),
    (("x" * 1100, 1), "('" + "x" * 1023 + "...', ...)"),
    (("x" * 1100,), "('" + "x" * 1023 + "...',)"),
    ((Wide(),), "(" + "W" * 1023 + "...,)"),
    ([["z" * 600, 1], ["v" * 600, 5], 6], "[['" + "z" * 600 + "', 1], ['" + "v" * 413 + "...', ...]]"),
    ({"k": {"d": "y" * 2000}}, "{'k': {'d': '" + "y" * 1012 + "...'}}"),
]


@pytest.mark.parametrize(("value", "expected"), CELERYS, ids=lambda value: str(value)[:20])
def test_celerys_form(value, expected):
    assert preview(value) == expected


def test_circles():
    row = [1]
    row.append(row)
    assert preview(row) == f"[1, <Recursion on list with id={id(row)}>]"
    table = {}
    table["self"] = table
    assert preview(table) == f"{{'self': <Recursion on dict with id={id(table)}>}}"
    shared = [1]
    assert preview([shared, shared]) == "[[1], [1]]"


def test_values_without_a_repr():
    assert preview((1, Broken())) == "(1, <unrepresentable Broken: ValueError>)"
    assert preview((10**5000,)) == "(<unrepresentable int: ValueError>,)"
    assert preview(Liar(a=1)) == "<unrepresentable Liar: RuntimeError>"


@pytest.mark.parametrize("nasty", ["\x1b[31mred", "two\nlines", "\u202egnp.exe", "\ud800", "nul\0", "back\\slash\n"])
@pytest.mark.parametrize("wrap", [lambda text: (text,), lambda text: {text: text}, lambda text: (text * 1000, 1), str])
def test_one_printable_line_whatever_comes(nasty, wrap):
    shown = preview(wrap(nasty))
    assert shown.isprintable()
    assert len(shown) < 4 * LIMIT
    shown.encode()


def test_reprs_and_bytes_are_made_printable_too():
    class Shouting:
        def __repr__(self):
            return "<\x1b[2J\n>"

    assert preview((Shouting(), b"a\nb")) == "(<\\x1b[2J\\n>, b'610a62')"


def test_large_values_are_not_walked():
    class Counted(dict):
        seen = 0

        def items(self):
            for item in super().items():
                self.seen += 1
                yield item

    many = Counted.fromkeys(range(1_000_000))
    assert preview(many).endswith("...}")
    assert many.seen < 2000
    assert preview(["x" * 10_000_000] * 10).startswith("['xxx")


texts = st.text() | st.text(st.characters(exclude_characters="'\\"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.integers() | texts, inner) | st.sets(st.integers()),
    max_leaves=30,
)


@given(values, st.integers(1, 80))
def test_bounded_printable_and_never_raising(value, limit):
    shown = preview(value, limit)
    assert shown.isprintable()
    # The cut text may double by escapes; then come dots, quotes and three levels of brackets.
    assert len(shown) <= 12 * limit + 80
    preview(value)


@given(st.lists(st.integers() | st.floats() | st.booleans() | st.text(max_size=70), max_size=9).map(tuple))
def test_the_short_cut_shows_what_the_long_way_shows(value):
    assert preview(value) == preview(value, LIMIT + 1)
