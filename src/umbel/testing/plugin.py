"""Fixtures for pytest: ``pytest_plugins = ["umbel.testing.plugin"]`` in a conftest.

It is no entry point: pytest would load it, and rewrite all of Umbel, in every environment that has Umbel installed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

# Before anything imports them, so that their assertions say what differs.
pytest.register_assert_rewrite("umbel.testing.brokers", "umbel.testing.lease_stores", "umbel.testing.result_stores")

from umbel.app.app import Umbel  # noqa: E402
from umbel.testing.worker import start_worker  # noqa: E402
from umbel.worker.worker import Worker  # noqa: E402


@pytest.fixture
def umbel_app() -> Iterator[Umbel]:
    """An app whose messages and results stay in this process. A project that has an app defines this fixture anew, and returns its own."""
    mark = uuid.uuid4().hex
    app = Umbel("tests", broker=f"memory:///{mark}", backend=f"memory:///{mark}", set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def umbel_worker_options() -> dict[str, Any]:
    """The arguments of `start_worker` for `umbel_worker`; a test or project defines it anew."""
    return {}


@pytest.fixture
def umbel_worker(umbel_app: Umbel, umbel_worker_options: dict[str, Any]) -> Iterator[Worker]:
    """A worker of `umbel_app` that takes tasks from the test's begin to its end. It knows the tasks that were registered before it started."""
    with start_worker(umbel_app, **umbel_worker_options) as worker:
        yield worker
