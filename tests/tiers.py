"""What each tier of the suite took, beside its budget. Seconds are summed over the processes that run tests side by side."""

from __future__ import annotations

from collections import defaultdict

import pytest

#: Tier → seconds on a quiet machine with two processors. A tier that outgrows its budget is to be made faster, not the budget larger.
BUDGET = {
    "unit": 90,
    "architecture": 15,
    "golden": 5,
    "typing": 10,
    "contracts": 150,
    "integration": 260,
    "interop": 220,
    "system": 800,
    "chaos": 380,
}


class TierTimes:
    """Adds up the times of tests."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._tests: defaultdict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = report.nodeid.split("/")[1] if report.nodeid.startswith("tests/") else report.nodeid.split("/")[0]
        self._seconds[tier] += report.duration
        self._tests[tier] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if sum(self._tests.values()) < 1000:
            return  # a part of the suite
        terminalreporter.write_line("")
        for tier, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            budget = BUDGET.get(tier)
            over = "  over its budget" if budget is not None and seconds > budget else ""
            terminalreporter.write_line(f"{tier:<13}{self._tests[tier]:>6} tests {seconds:7.0f} s of {budget or '-':>4}{over}")


def register(config: pytest.Config) -> None:
    """Have the times printed at the end of a run of the whole suite."""
    if not hasattr(config, "workerinput"):  # the process that reports
        config.pluginmanager.register(TierTimes(), "tier-times")
