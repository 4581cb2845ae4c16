import os
from types import SimpleNamespace

import pytest

from umbel import hooks
from umbel.contrib.django import connections as ours


@pytest.fixture
def connection():
    from django.db import connection

    connection.ensure_connection()
    return connection


def task(*, is_eager=False, called_directly=False, run=lambda: None):
    return SimpleNamespace(request=SimpleNamespace(is_eager=is_eager, called_directly=called_directly), run=run)


@pytest.mark.parametrize("signal", [hooks.task_prerun, hooks.task_postrun])
def test_old_connections_are_closed_around_a_task(connection, signal):
    signal.send(None, task=task())
    assert connection.connection is None


@pytest.mark.parametrize("kind", [{"is_eager": True}, {"called_directly": True}])
def test_a_task_in_its_caller_leaves_the_caller_its_connections(connection, kind):
    hooks.task_prerun.send(None, task=task(**kind))
    hooks.task_postrun.send(None, task=task(**kind))
    assert connection.connection is not None


def test_coroutines_share_what_is_closed_when_the_last_has_ended(connection, monkeypatch):
    async def run(): ...

    closed = []
    monkeypatch.setattr(ours, "_in_thread_of_coroutines", closed.append)
    one, other = task(run=run), task(run=run)
    hooks.task_prerun.send(None, task=one)
    hooks.task_prerun.send(None, task=other)
    hooks.task_postrun.send(None, task=one)
    assert len(closed) == 1
    hooks.task_postrun.send(None, task=other)
    assert len(closed) == 2


def test_a_forked_child_leaves_its_parents_connection_alone(connection):
    read, write = os.pipe()
    kept = connection.connection
    child = os.fork()
    if child == 0:
        os.write(write, b"forgotten" if connection.connection is None and kept in ours._inherited else b"kept")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"forgotten"
    assert connection.connection is kept
    os.close(read), os.close(write)
