"""Umbel, a distributed task queue that speaks Celery's interface and wire protocol.

Names are imported when they are first used, so that ``import umbel`` is cheap.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from umbel import errors, not_yet, states
from umbel._version import __version__

if TYPE_CHECKING:
    from umbel.app.app import Umbel
    from umbel.app.proxies import current_app, current_task
    from umbel.app.proxies import new_id as uuid
    from umbel.app.sending.queues import worker_direct
    from umbel.app.shared import shared_task
    from umbel.app.task.task import Task
    from umbel.brokers.topology import Binding, Broadcast, Exchange, Queue
    from umbel.brokers.topology import Binding as binding  # noqa: N813 - kombu's name
    from umbel.canvas.signatures import Signature, chain, chord, chunks, group, maybe_signature, signature, subtask, xmap, xstarmap
    from umbel.compat.app import Celery
    from umbel.current import allow_join_result
    from umbel.execution.running.batches import Call
    from umbel.results.handles import AsyncResult, EagerResult
    from umbel.runtime.logs import get_task_logger
    from umbel.runtime.service import Periodic, Service

_WHERE = {
    "AsyncResult": "umbel.results.handles",
    "Binding": "umbel.brokers.topology",
    "Broadcast": "umbel.brokers.topology",
    "Call": "umbel.execution.running.batches",
    "Celery": "umbel.compat.app",
    "EagerResult": "umbel.results.handles",
    "Exchange": "umbel.brokers.topology",
    "Periodic": "umbel.runtime.service",
    "Queue": "umbel.brokers.topology",
    "Service": "umbel.runtime.service",
    "Signature": "umbel.canvas.signatures",
    "Task": "umbel.app.task.task",
    "Umbel": "umbel.app.app",
    "allow_join_result": "umbel.current",
    "binding": "umbel.brokers.topology:Binding",
    "chain": "umbel.canvas.signatures",
    "chord": "umbel.canvas.signatures",
    "chunks": "umbel.canvas.signatures",
    "current_app": "umbel.app.proxies",
    "current_task": "umbel.app.proxies",
    "get_task_logger": "umbel.runtime.logs",
    "group": "umbel.canvas.signatures",
    "maybe_signature": "umbel.canvas.signatures",
    "shared_task": "umbel.app.shared",
    "signature": "umbel.canvas.signatures",
    "subtask": "umbel.canvas.signatures",
    "uuid": "umbel.app.proxies:new_id",
    "worker_direct": "umbel.app.sending.queues",
    "xmap": "umbel.canvas.signatures",
    "xstarmap": "umbel.canvas.signatures",
}

__all__ = [
    "AsyncResult",
    "Binding",
    "Broadcast",
    "Call",
    "Celery",
    "EagerResult",
    "Exchange",
    "Periodic",
    "Queue",
    "Service",
    "Signature",
    "Task",
    "Umbel",
    "__version__",
    "allow_join_result",
    "binding",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_task",
    "errors",
    "get_task_logger",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "states",
    "subtask",
    "uuid",
    "worker_direct",
    "xmap",
    "xstarmap",
]


def __getattr__(name: str) -> Any:
    where = _WHERE.get(name)
    if where is None and name in not_yet.PACKAGE:  # no AttributeError: `from umbel import group` would hide its text
        raise ImportError(not_yet.sentence("umbel", name, not_yet.PACKAGE), name=name)
    if where is None:
        raise AttributeError(f"module 'umbel' has no attribute {name!r}")
    module, _, attribute = where.partition(":")
    found = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


if os.environ.get("UMBEL_AS_CELERY") == "1":  # as `umbel.compat.celery` sets it, for children, too
    importlib.import_module("umbel.compat.celery")
