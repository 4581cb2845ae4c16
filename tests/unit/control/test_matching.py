from __future__ import annotations

import pytest

from umbel.control.matching import matches, register


@pytest.mark.parametrize(
    ("pattern", "matcher", "expected"),
    [
        ("w*", "glob", True),
        ("W*", "glob", False),
        ("w[12]@host", "glob", True),
        ("w1", "glob", False),
        ("w1", "pcre", True),
        ("1@", "pcre", False),
        (".*@host$", "pcre", True),
    ],
)
def test_patterns_of_names(pattern, matcher, expected):
    assert matches("w1@host", pattern, matcher) is expected


@pytest.mark.parametrize(
    ("pattern", "matcher"), [("(", "pcre"), ("a{99999999999}", "pcre"), ("x" * 300, "glob"), ("*", "nothing"), ("*", "")]
)
def test_what_is_no_pattern_is_an_error(pattern, matcher):
    with pytest.raises(ValueError, match=r"pattern|matcher"):
        matches("w1@host", pattern, matcher)


def test_many_stars_take_no_time():
    assert not matches("a" * 250, "*a" * 100 + "b", "glob")


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "([a-z]|[a-z])+#", ".*.*.*.*b", "a?" * 30 + "a" * 30, "(a|a)" * 40 + "b", "(?:a{1,9}){1,9}b", "a+a+a+a+b"],
)
def test_expressions_that_could_take_for_ever_are_refused(pattern):
    with pytest.raises(ValueError, match="it repeats too much"):
        matches("a" * 250, pattern, "pcre")


def test_other_kinds_may_be_registered():
    register("suffix-of-this-test", lambda node, pattern: node.endswith(pattern))
    assert matches("w1@host", "@host", "suffix-of-this-test")
