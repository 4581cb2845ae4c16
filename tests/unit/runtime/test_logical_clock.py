from __future__ import annotations

import threading

import pytest

from umbel.runtime.logical_clock import MOST, LogicalClock


def test_it_goes_forward_with_each_message_and_beyond_those_it_receives():
    clock = LogicalClock()
    assert [clock.forward(), clock.forward(), clock.forward(10)] == [1, 2, 12]
    assert clock.adjust(100) == 101
    assert clock.adjust(5) == 102
    assert (str(clock), repr(clock)) == ("102", "<LogicalClock: 102>")


@pytest.mark.parametrize("forged", [None, "9", 9.0, float("nan"), True, [], MOST + 1, 10**400, -1])
def test_what_is_no_clock_is_passed_over(forged):
    clock = LogicalClock(7)
    assert clock.adjust(forged) == 8


def test_no_two_messages_of_several_threads_have_one_value():
    clock, got = LogicalClock(), []
    threads = [threading.Thread(target=lambda: got.extend(clock.forward() for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == len(got) == clock.value == 8000
