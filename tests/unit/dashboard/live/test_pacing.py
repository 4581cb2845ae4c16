"""Less is kept when there is too much."""

from __future__ import annotations

from umbel.dashboard.live.pacing import MOST, OVER, Pacing


def walk(pacing, loads, begin=0.0):
    spent, found = begin, []
    for number, load in enumerate(loads, 1):
        spent += load * OVER
        found.append(pacing.look(number * OVER, spent))
    return found


def test_a_quiet_thread_keeps_all():
    assert walk(Pacing(0.0, 0.0), [0.1] * 5) == [1] * 5


def test_a_busy_thread_keeps_less_and_then_more_again():
    assert walk(Pacing(0.0, 0.0), [0.9, 0.9, 0.3, 0.3, 0.05, 0.05, 0.05]) == [2, 4, 4, 4, 2, 1, 1]


def test_something_is_kept_always():
    assert walk(Pacing(0.0, 0.0), [1.0] * 20)[-1] == MOST


def test_a_moment_is_no_measure():
    pacing = Pacing(0.0, 0.0)
    assert pacing.look(0.1, 0.1) == 1
