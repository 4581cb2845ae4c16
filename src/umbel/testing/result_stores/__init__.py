"""The contract of result stores in `umbel.results.base`, as classes of tests for pytest.

A package that brings a store imports into a test file the classes that hold for it, and gives them a fixture ``kit``: a `StoreKit`.
For the assertions to say what differs, ``umbel.testing.plugin`` stands among ``pytest_plugins`` in its conftest.

Nine classes ask what not every store can do, and have an attribute ``needs``: `TestShared` (a record may be read by anybody, more than once), `TestCheckpoints` (which follow from that),
`TestProcesses` (other processes can read it), `TestPushing` (who waits is called, and does not ask again and again), `TestExpiry` (a record's writer says
how long it is kept), `TestRevocations` (``revocations``: it keeps which tasks were revoked), and, for chords (``groups``), `TestTrees`, `TestCounting` and `TestClaims`.
"""

from __future__ import annotations

from umbel.testing.result_stores.checkpoints import TestCheckpoints
from umbel.testing.result_stores.groups import TestClaims, TestCounting, TestTrees
from umbel.testing.result_stores.kit import StoreKit
from umbel.testing.result_stores.records import TestRecords
from umbel.testing.result_stores.revocations import TestRevocations
from umbel.testing.result_stores.sharing import TestExpiry, TestProcesses, TestShared
from umbel.testing.result_stores.waiting import TestPushing, TestWaiting

__all__ = [
    "StoreKit",
    "TestCheckpoints",
    "TestClaims",
    "TestCounting",
    "TestExpiry",
    "TestProcesses",
    "TestPushing",
    "TestRecords",
    "TestRevocations",
    "TestShared",
    "TestTrees",
    "TestWaiting",
]
