"""The contract of lease stores in `umbel.leases.base`, as classes of tests for pytest.

A package that brings a lease store imports into a test file the classes that hold for it, and gives them a fixture ``kit``: a `LeaseKit`.
For the assertions to say what differs, ``umbel.testing.plugin`` stands among ``pytest_plugins`` in its conftest.

`TestProcesses` has an attribute ``needs``, ``processes``: other processes can reach the store.
"""

from __future__ import annotations

from umbel.testing.lease_stores.kit import LeaseKit
from umbel.testing.lease_stores.leases import TestCounted, TestLeases
from umbel.testing.lease_stores.processes import TestProcesses
from umbel.testing.lease_stores.turns import TestTurns

__all__ = ["LeaseKit", "TestCounted", "TestLeases", "TestProcesses", "TestTurns"]
