"""For tests: a worker that runs beside a test, fakes, and the contracts that brokers and result stores of any origin keep.

Nothing here is loaded by ``import umbel``, and only the contract suites (`umbel.testing.brokers`, `umbel.testing.result_stores`) and the fixtures
(`umbel.testing.plugin`) need pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umbel.testing.clock import FakeClock
    from umbel.testing.coroutines import on_loop
    from umbel.testing.fakes import FakeApp, FakePublisher, FakeStore
    from umbel.testing.worker import WorkerFailed, start_worker

_WHERE = {
    "FakeApp": "umbel.testing.fakes",
    "FakeClock": "umbel.testing.clock",
    "FakePublisher": "umbel.testing.fakes",
    "FakeStore": "umbel.testing.fakes",
    "WorkerFailed": "umbel.testing.worker",
    "on_loop": "umbel.testing.coroutines",
    "start_worker": "umbel.testing.worker",
}

__all__ = ["FakeApp", "FakeClock", "FakePublisher", "FakeStore", "WorkerFailed", "on_loop", "start_worker"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'umbel.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
