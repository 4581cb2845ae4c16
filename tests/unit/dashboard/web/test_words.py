"""Values as people read them."""

from __future__ import annotations

import pytest

from umbel import states
from umbel.dashboard.web import words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (4e-6, "4 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (59.9, "59.9 s"), (190, "3 min 10 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h"), (None, "–"), ("x", "–")],
)  # fmt: skip
def test_durations(seconds, expected):
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (950, "950"), (12_300, "12.3k"), (4_560_000, "4.56M"), (2.5, "2.5"), (None, "–")]
)
def test_short_numbers(value, expected):
    assert words.short(value) == expected


@pytest.mark.parametrize(("count", "expected"), [(512, "512 B"), (3_400_000, "3.4 MB"), (5e12, "5e+03 GB")])
def test_sizes(count, expected):
    assert words.size(count) == expected


@pytest.mark.parametrize("instant", [None, "x", 1e300, float("nan")])
def test_what_is_no_time(instant):
    assert words.moment(instant) == "–"


def test_every_state_has_a_colour_an_icon_and_a_word():
    for name in states.ALL_STATES | {states.REJECTED, states.IGNORED, states.EXPIRED, states.UNKNOWN}:
        assert all(words.STATES[name])
    assert words.state_of("PROGRESS") == ("run", "play", "PROGRESS")


def test_text_cannot_turn_what_is_around_it():
    assert words.clean("a\u202eb\x1b[31m") == "a\\u202eb\\u001b[31m"
    assert words.clean("lines\nand\ttabs") == "lines\nand\ttabs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'user': 'ann', 'password': 'hunter2'}", "{'user': 'ann', 'password': ••••••}"),
        ("{'password': 'it\\'s, mine', 'x': 1}", "{'password': ••••••, 'x': 1}"),
        ('{"API_KEY": "x", "n": 1}', '{"API_KEY": ••••••, "n": 1}'),
        ("{'password': 'cut off he", "{'password': ••••••"),
        ("{'password': ['a', 'b'], 'x': 1}", "{'password': ••••••, 'x': 1}"),
        ("{'n': 1}", "{'n': 1}"),
        ("(1, 2)", "(1, 2)"),
    ],
)
def test_secrets_are_hidden(text, expected):
    assert words.hidden(text, ("*password*", "*api_key*")) == expected


def test_secrets_are_hidden_in_what_workers_reply():
    reply = [{"name": "pay", "kwargs": {"card_token": "tok_1", "n": 1}, "args": ["x"], "text": "{'password': 'x'}"}, 5, None]
    assert words.without_secrets(reply, ("*token*", "*password*")) == [
        {"name": "pay", "kwargs": {"card_token": words.HIDDEN, "n": 1}, "args": ["x"], "text": "{'password': ••••••}"}, 5, None,
    ]  # fmt: skip
    deep = []
    for _ in range(5_000):
        deep = [deep]
    words.without_secrets(deep, ("*token*",))


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ("(1, 2)", "{}", "1, 2"),
        ("(1,)", "{'x': 2}", "1, {'x': 2}"),
        ("[1]", None, "1"),
        (None, None, ""),
        ("(1, 2, ...", "{}", "(1, 2, ..."),
    ],
)
def test_calls(args, kwargs, expected):
    assert words.call(args, kwargs) == expected


def test_json_is_one_line_if_it_is_short():
    assert words.pretty([1, {"a": 2}]) == '[1, {"a": 2}]'
    assert "\n" in words.pretty(["long"] * 30)
