"""What is typed becomes a query, and a query becomes SQL."""

from __future__ import annotations

import pytest

from umbel.dashboard.history.query import LONGEST, MOST_WORDS, Query, parse, statement_of
from umbel.errors import ImproperlyConfigured


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Query()),
        ("state:failure", Query(state="FAILURE")),
        ("task:shop.add worker:a@b", Query(name="shop.add", worker="a@b")),
        ("since:90m", Query(since=5400.0)),
        ('refused "no such user"', Query(words=("refused", "no such user"))),
        ("colour:red", Query(words=("colour:red",))),
        ("state:", Query(words=("state:",))),
        ("it's", Query(words=("it", "s"))),
        ("a\\b", Query(words=("a\\b",))),
    ],
)
def test_reading(text, expected):
    assert parse(text) == expected


def test_what_is_typed_outranks_the_form():
    assert parse("state:RETRY", state="FAILURE", name="x") == Query(state="RETRY", name="x")


@pytest.mark.parametrize("text", ["x" * (LONGEST + 1), "since:soon"])
def test_what_cannot_be_read_is_an_error(text):
    with pytest.raises(ImproperlyConfigured):
        parse(text)


def test_words_are_bounded():
    assert len(parse("a " * 200).words) == MOST_WORDS


def test_values_are_parameters_never_sql():
    hostile = "x' OR 1=1 --"
    found = statement_of(Query(state=hostile, name=hostile, id=hostile, parent=hostile, words=(hostile,), since=5), 100.0)
    assert hostile not in found.where
    assert found.where.count("?") == len(found.values)


def test_a_star_is_a_pattern_and_nothing_else_is():
    found = statement_of(Query(name="shop.*"), 0.0)
    assert (found.where, found.values) == ("WHERE name GLOB ?", ["shop.*"])
    assert statement_of(Query(name="a[bc]*"), 0.0).values == ["a?bc?*"]


def test_words_without_letters_find_all():
    assert statement_of(Query(words=("***", '"')), 0.0).where == ""
