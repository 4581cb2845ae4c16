"""The other processes of the contract suites."""

from __future__ import annotations

import pytest

from umbel.brokers.memory import connect
from umbel.testing import programs


def test_a_function_is_found_by_its_path():
    assert programs.path_of(connect) == f"{connect.__module__}:connect"
    assert programs.path_of(None) is None


def test_another_process_reports_and_leaves_its_messages(tmp_path):
    setup = {
        "url": f"sqlite:///{tmp_path}/umbel.db",
        "connect": None,
        "transport": {},
        "lease": 1.0,
        "queues": [{"name": "q", "arguments": {}}],
    }
    process = programs.start("publish", setup)
    try:
        assert programs.said(process) == {"confirmed": 100}
        assert programs.said(process) == {"confirmed": 200}
    finally:
        process.kill()
        process.communicate()
    broker, _ = programs.broker_of(setup)
    client = broker.queue_client()
    assert (client.length("q") or 0) >= 200
    client.close()
    broker.close()


def test_a_url_that_names_no_store_is_told():
    with pytest.raises(AssertionError, match="disabled:// names no result store"):
        programs.store_of("disabled://", {})
