from __future__ import annotations

import signal

import pytest

from umbel.worker.remote.arguments import ending_signal, seconds, text, texts, whole


@pytest.mark.parametrize("value", [None, 3, "", "x" * 256, "a\nb", "\x1b[2J", ["a"], b"a"])
def test_a_text_is_short_and_printable(value):
    with pytest.raises(ValueError, match="queue is a printable text of 1 to 255 characters"):
        text("queue", value)


def test_texts_are_one_or_several():
    assert texts("ids", None) == set()
    assert texts("ids", "a") == {"a"}
    assert texts("ids", ["a", "b", "a"]) == {"a", "b"}
    with pytest.raises(ValueError, match="200,000 of them, at most 100,000"):
        texts("ids", ["a"] * 200_000)


@pytest.mark.parametrize("value", [None, True, 0, 11, "3", 2.0, [1], 10**100])
def test_a_whole_number_is_within_its_bounds(value):
    with pytest.raises(ValueError, match="n is a whole number from 1 to 10, got"):
        whole("n", value, 1, 10)
    assert whole("n", 10, 1, 10) == 10


@pytest.mark.parametrize("value", [True, "10", -1, float("nan"), float("inf"), [1]])
def test_seconds_are_a_number_or_none(value):
    with pytest.raises(ValueError, match="hard is a number of seconds"):
        seconds("hard", value)
    assert (seconds("hard", None), seconds("hard", 0), seconds("hard", 2)) == (None, None, 2.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "SIGTERM"), ("SIGKILL", "SIGKILL"), ("kill", "SIGKILL"), (9, "SIGKILL"), ("15", "SIGTERM"), ("SIGUSR1", "SIGUSR1")],
)
def test_signals_by_name_and_by_number(value, expected):
    assert ending_signal(value) is getattr(signal, expected)


@pytest.mark.parametrize("value", ["SIGSTOP", "SIGNONSENSE", "", 0, 19, True, [9], "9" * 50, "__class__", 1.5])
def test_other_signals_are_refused(value):
    with pytest.raises(ValueError, match="is no signal that ends a task: expected SIGTERM, SIGKILL"):
        ending_signal(value)
