"""The contract of stores of schedules in `umbel.beat.stores.base`, as classes of tests for pytest.

A package that brings a store imports them into a test file, and gives them a fixture ``make``: a function that returns a new object for one and the same empty store.
For the assertions to say what differs, ``umbel.testing.plugin`` stands among ``pytest_plugins`` in its conftest.
"""

from __future__ import annotations

from umbel.testing.schedule_stores.claiming import TestClaims, TestLease
from umbel.testing.schedule_stores.entries import TestEntries
from umbel.testing.schedule_stores.history import TestRuns

__all__ = ["TestClaims", "TestEntries", "TestLease", "TestRuns"]
