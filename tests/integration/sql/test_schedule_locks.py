"""A scheduler that is stopped in the middle of a transaction does not keep the others from leading."""

from __future__ import annotations

import threading

import pytest

from system.processes import eventually
from umbel.beat.stores import sql


@pytest.mark.parametrize(
    ("server", "statements"),
    [
        pytest.param(
            "postgresql", ("SET idle_in_transaction_session_timeout = '400ms'", "SET lock_timeout = '400ms'"), marks=pytest.mark.postgresql
        ),
        pytest.param(
            "mariadb", ("SET SESSION idle_transaction_timeout = 1", "SET SESSION innodb_lock_wait_timeout = 1"), marks=pytest.mark.mariadb
        ),
    ],
)
def test_a_stopped_transaction_is_ended(request, monkeypatch, server, statements):
    url = request.getfixturevalue(f"{server}_url")
    monkeypatch.setattr(sql, "_BEGINNINGS", {server: statements})
    stopped, other = sql.SqlScheduleStore(url), sql.SqlScheduleStore(url)
    stopped.acquire("stopped", 0.1)
    other.namespace()
    inside, leave = threading.Event(), threading.Event()

    def stop(connection):
        stopped._lock(connection)
        inside.set()
        leave.wait(30)

    thread = threading.Thread(target=lambda: stopped._write(stop))
    thread.start()
    assert inside.wait(10)
    try:
        eventually(lambda: other.acquire("other", 30), 20, "the lock and the lease of the stopped one to end")
    finally:
        leave.set()
        thread.join(30)
        stopped.close()
        other.close()
    assert not thread.is_alive()
