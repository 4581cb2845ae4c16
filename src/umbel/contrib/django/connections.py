"""Connections to databases around tasks: old ones are closed before and after each, on every pool, and a forked child never uses its parent's."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from django.core import signals
from django.db import close_old_connections, connections, reset_queries

from umbel import hooks
from umbel.runtime import process_hooks

_NAME: Final = __name__
#: Connections of a parent. Never closed, and never collected: either would end them on the server, for the parent too.
_inherited: list[Any] = []


class _Coroutines:
    """Tasks that run beside one another in one thread: what one of them uses must not be closed when another ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    def begin(self) -> bool:
        """Count one more; returns whether it is the only one."""
        with self._lock:
            self._running += 1
            return self._running == 1

    def end(self) -> bool:
        """Count one less; returns whether none is left."""
        with self._lock:
            self._running = max(0, self._running - 1)
            return self._running == 0


_coroutines = _Coroutines()


def install() -> None:
    """Connect to the signals of tasks and to forks. Safe twice."""
    hooks.task_prerun.connect(_before, weak=False, dispatch_uid=_NAME)
    hooks.task_postrun.connect(_after, weak=False, dispatch_uid=_NAME)
    hooks.worker_process_init.connect(_begin_child, weak=False, dispatch_uid=_NAME)
    if _forget_parents not in _hooked:
        _hooked.append(_forget_parents)
        process_hooks.after_fork(_forget_parents)


_hooked: list[Callable[[], None]] = []


def _before(task: Any, **_: Any) -> None:
    if _is_here(task):
        return
    if not _is_coroutine(task):
        _close_old()
    elif _coroutines.begin():
        _in_thread_of_coroutines(_close_old)


def _after(task: Any, **_: Any) -> None:
    if _is_here(task):
        return
    if not _is_coroutine(task):
        _close_old()
        if _is_green():
            connections.close_all()  # this greenlet ends, and nobody else would find its connections
    elif _coroutines.end():
        _in_thread_of_coroutines(_close_old)


def _is_here(task: Any) -> bool:
    """Report whether a task runs in its caller, whose connections are not ours to close."""
    request = task.request
    return bool(request.is_eager or request.called_directly)


def _is_coroutine(task: Any) -> bool:
    return inspect.iscoroutinefunction(task.run)


def _is_green() -> bool:
    for module in ("gevent.monkey", "eventlet.patcher"):
        patcher = sys.modules.get(module)
        found = getattr(patcher, "is_module_patched", None) or getattr(patcher, "is_monkey_patched", None)
        if found is not None and (found("threading") or found("thread")):
            return True
    return False


def _close_old() -> None:
    """Do what Django does before and after a request, connections to caches included."""
    reset_queries()  # with DEBUG, each connection remembers thousands
    close_old_connections()
    for receiver in _closers_of_caches():
        with contextlib.suppress(Exception):
            receiver(signal=signals.request_finished)


def _closers_of_caches() -> list[Callable[..., Any]]:
    from django.core import cache

    found = getattr(cache, "close_caches", None)
    return [] if found is None else [found]


def _in_thread_of_coroutines(work: Callable[[], None]) -> None:
    """Call a function in the thread in which Django's coroutines use the database."""
    from asgiref.sync import SyncToAsync

    SyncToAsync.single_thread_executor.submit(work).result()


def _begin_child(**_: Any) -> None:
    """Begin a child process of a worker."""
    if _is_green():  # an event loop runs in the one thread there is, beside the greenlets, which Django takes for its coroutines
        os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def _forget_parents() -> None:
    """Leave the connections of this thread to the parent, in a forked child: what is written there would be read as the parent's words."""
    for connection in connections.all(initialized_only=True):
        pools = getattr(connection, "_connection_pools", None)
        if pools:  # their threads stayed in the parent
            _inherited.append(pools.pop(connection.alias, None))
        if connection.connection is None or _is_in_memory(connection):
            continue
        _inherited.append(connection.connection)
        connection.connection = None
        connection.in_atomic_block = False
        connection.savepoint_ids, connection.run_on_commit = [], []
        connection.needs_rollback = connection.closed_in_transaction = False
        connection.atomic_blocks = []


def _is_in_memory(connection: Any) -> bool:
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
