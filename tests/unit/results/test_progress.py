"""Progress in records."""

from __future__ import annotations

import pytest

from umbel.results.model import Record
from umbel.results.progress import Progress, progress_of


@pytest.mark.parametrize(
    ("current", "total", "fraction"), [(0, 4, 0.0), (1, 4, 0.25), (4, 4, 1.0), (5, 4, 1.0), (-1, 4, 0.0), (0, 0, 1.0), (7, None, None)]
)
def test_fractions(current, total, fraction):
    assert Progress(current, total).fraction == fraction


@pytest.mark.parametrize(
    ("status", "result", "progress"),
    [
        ("PROGRESS", {"current": 3, "total": 10}, Progress(3, 10)),
        ("LOADING", {"current": 0.5, "total": 1.0, "file": "a.csv"}, Progress(0.5, 1.0)),
        ("PROGRESS", {"current": 3}, Progress(3)),
        ("PROGRESS", {"current": 3, "total": "many"}, Progress(3)),
        ("PROGRESS", {"current": True, "total": 1}, None),
        ("PROGRESS", {"total": 10}, None),
        ("PROGRESS", [3, 10], None),
        ("SUCCESS", {"current": 3, "total": 10}, None),
        ("STARTED", {"current": 3, "total": 10}, None),
    ],
)
def test_reading_it(status, result, progress):
    assert progress_of(Record(task_id="t", status=status, result=result)) == progress


def test_no_record_no_progress():
    assert progress_of(None) is None
