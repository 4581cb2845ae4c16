"""Figures over time."""

from __future__ import annotations

import pytest

from umbel.dashboard.history.rollups import BOUNDS, added, quantile, series


def times(**counts):
    found = [0] * (len(BOUNDS) + 1)
    for place, count in counts.items():
        found[int(place[1:])] = count
    return found


def test_no_runs_have_no_quantile():
    assert quantile(times(), 0.5) is None


@pytest.mark.parametrize("part", [0.01, 0.5, 0.95, 1.0])
def test_a_quantile_lies_in_its_class(part):
    assert BOUNDS[3] <= quantile(times(c4=10), part) <= BOUNDS[4]


def test_quantiles_rise():
    counts = times(c0=50, c4=30, c9=20)
    found = [quantile(counts, part / 100) for part in range(1, 101)]
    assert found == sorted(found)
    assert found[40] < BOUNDS[0] < found[60] < BOUNDS[4] < found[90]


def test_very_long_runs_have_one_too():
    assert quantile(times(c15=1), 1.0) == BOUNDS[-1] * 2


def test_counts_are_added_to_those_that_are_written():
    once = added(times(c1=2), "")
    assert added(times(c1=3), once) == added(times(c1=5), "")
    assert added(times(), once) == once


def test_a_series_has_a_place_for_each_slot():
    row = {"slot": 3590, "received": 2, "succeeded": 1, "failed": 1, "retried": 0, "times": added(times(c0=1), "")}
    found = series([row, {**row, "slot": 50_000}], [{"slot": 3590, "active": 2, "slots": 4, "ready": 6, "samples": 2}], 10, 3605.0)
    assert len(found["slots"]) == 360
    assert found["slots"][-1] == 3600
    assert [len(line) for line in found.values()] == [360] * len(found)
    assert (found["succeeded"][-2], sum(found["failed"]), found["utilization"][-2], found["ready"][-2]) == (1, 1, 0.5, 3)
    assert found["p95"][0] is None
