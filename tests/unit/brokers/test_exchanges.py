from datetime import UTC, datetime

import pytest

from umbel.brokers.exchanges import matches, matching, rules_of
from umbel.brokers.topology import Binding, Exchange, Queue
from umbel.errors import ImproperlyConfigured


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("#", "", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "ab", False),
        ("#.c", "c", True),
        ("#.c", "a.b.c", True),
        ("a.#.c", "a.c", True),
        ("a.#.#.c", "a.x.y.c", True),
        ("a+.b", "aa.b", False),
        ("", "", True),
    ],
)
def test_topics(pattern, key, expected):
    assert matches("topic", pattern, key) is expected


def test_many_wildcards_take_no_time():
    assert not matches("topic", ".".join(["#"] * 50) + ".z", "a." * 200)


def test_a_queue_is_filled_once():
    rules = [("x", "topic", "a.*", "q"), ("x", "topic", "#", "q"), ("x", "direct", "a.b", "r"), ("x", "fanout", "", "s")]
    assert matching(rules, "a.b", {}) == ["q", "r", "s"]
    assert matching(rules, "z", {}) == ["q", "s"]


def test_the_rules_of_a_queue():
    bindings = (Binding(Exchange("fan", "fanout")), Binding(Exchange(""), "q"))
    assert list(rules_of(Queue("q", bindings=bindings))) == [("fan", "fanout", "", "q")]
    assert list(rules_of(Queue("q", Exchange("x"), bindings=bindings))) == [("x", "direct", "q", "q"), ("fan", "fanout", "", "q")]
    with pytest.raises(ImproperlyConfigured, match="x-random"):
        list(rules_of(Queue("q", Exchange("x", "x-random"))))


def headers_match(arguments, headers):
    ((_, kind, key, _),) = rules_of(Queue("q", Exchange("x", "headers"), binding_arguments=arguments))
    return matches(kind, key, "any", headers)


@pytest.mark.parametrize(
    ("arguments", "headers", "expected"),
    [
        ({}, {}, True),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"b": 2}, True),
        ({"a": None}, {"a": "anything"}, True),
        ({"a": None}, {"b": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": b"x"}, {"a": "x"}, False),
        ({"a": datetime(2030, 1, 1, tzinfo=UTC)}, {"a": datetime(2030, 1, 1, tzinfo=UTC)}, True),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ({"x-a": 1}, {}, True),
        ({"x-match": "all-with-x", "x-a": 1}, {}, False),
        ({"x-match": "any-with-x", "x-a": 1}, {"x-a": 1}, True),
    ],
)
def test_headers(arguments, headers, expected):
    assert headers_match(arguments, headers) is expected


@pytest.mark.parametrize("arguments", [{"x-match": "some"}, {"x-match": 1}, {"a": object()}, {"a": {1}}])
def test_headers_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ImproperlyConfigured, match="queue 'q'"):
        headers_match(arguments, {})


@pytest.mark.parametrize("key", ["", "x", "[]", "1", '{"x-match": []}', '{"x-match": "some"}'])
def test_a_foreign_rule_for_headers_lets_nothing_through(key):
    assert not matches("headers", key, "", {"a": 1})
