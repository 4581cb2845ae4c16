"""A pytest plug-in of `scripts/conformance.py`: writes the outcome of each test as a line of JSON, as soon as it has ended.

It is loaded into an environment of its own; nothing of the project is imported here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_ended: dict[str, str] = {}


def pytest_runtest_logreport(report):
    """Keep the worst phase of a test; a test that is run again begins anew."""
    if report.outcome == "rerun" or (report.when == "setup" and report.nodeid in _ended):
        _ended.pop(report.nodeid, None)
    if type(report).__name__ == "SubtestReport":
        if report.failed:
            _ended[report.nodeid] = "failed"
        return
    if report.failed:
        _ended[report.nodeid] = "failed" if report.when == "call" else "error"
    elif report.skipped:
        _ended.setdefault(report.nodeid, "passed" if hasattr(report, "wasxfail") else "skipped")
    else:
        _ended.setdefault(report.nodeid, "passed")
    if report.when == "teardown":
        with Path(os.environ["CONFORMANCE_OUTCOMES"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, _ended.get(report.nodeid, "error"), round(report.duration, 1)]) + "\n")
