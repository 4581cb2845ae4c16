"""Growing delays between attempts."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from umbel.runtime.backoff import delays


def test_delays_grow_to_the_most():
    assert list(islice(delays(first=1.0, factor=2.0, most=5.0, jitter=0.0), 5)) == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_only_shortens():
    for _ in range(50):
        found = list(islice(delays(first=1.0, factor=2.0, most=4.0, jitter=0.5), 3))
        assert all(whole / 2 <= delay <= whole for delay, whole in zip(found, (1.0, 2.0, 4.0), strict=True))


def test_a_fleet_does_not_come_back_at_one_moment():
    assert len({next(delays()) for _ in range(20)}) > 1


def test_the_defaults_are_tenths_of_a_second_to_ten_seconds():
    found = list(islice(delays(jitter=0.0), 10))
    assert (found[0], found[-1]) == (pytest.approx(0.1), pytest.approx(10.0))


def test_the_numbers_of_a_seeded_program_stay_its_own():
    random.seed(1)
    expected = random.random()
    random.seed(1)
    assert len(list(islice(delays(), 3))) == 3
    assert random.random() == expected
