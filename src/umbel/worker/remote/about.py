"""Commands about the worker itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from umbel.clients import urls
from umbel.control.commands import inspect_command
from umbel.runtime.clock import SYSTEM
from umbel.worker.remote.arguments import texts
from umbel.worker.remote.facade import WorkerFacade


@inspect_command(default_timeout=0.2)
async def ping(state: WorkerFacade, **_: Any) -> dict[str, str]:
    """Say that the worker is there."""
    del state
    return {"ok": "pong"}


@inspect_command
async def clock(state: WorkerFacade, **_: Any) -> dict[str, int]:
    """Show the logical time."""
    return {"clock": state.clock.value}


@inspect_command
async def report(state: WorkerFacade, **_: Any) -> dict[str, str]:
    """Show versions, platform and settings, for a bug report."""
    return {"ok": state.app.bugreport()}


@inspect_command(alias="dump_conf", args=[("with_defaults", bool)], signature="[WITH_DEFAULTS=no]")
async def conf(state: WorkerFacade, with_defaults: Any = False, **_: Any) -> dict[str, Any]:
    """Show the settings; passwords are masked."""
    found = {name: _plain(value) for name, value in state.app.conf.table(with_defaults=bool(with_defaults)).items()}
    # As of a worker of Celery's: the modules that its tasks are in. No setting's old name is given up here.
    modules = {getattr(task, "__module__", None) for task in state.app.tasks.values()}
    include = sorted({*map(str, state.app.conf.include or ()), *(name for name in modules if isinstance(name, str))})
    return {"deprecated_settings": [], **found, "include": include}


@inspect_command(alias=("dump_tasks", "registered_tasks"), variadic="taskinfoitems", signature="[ATTRIBUTE …]")
async def registered(state: WorkerFacade, taskinfoitems: Any = None, builtins: Any = False, **_: Any) -> list[str]:
    """List the tasks that the worker knows."""
    attributes = [name for name in taskinfoitems or () if name in texts("taskinfoitems", taskinfoitems) and not name.startswith("_")]
    tasks = state.app.tasks
    names = sorted(name for name in tasks if builtins or not name.startswith(("celery.", "umbel.")))
    return [_with_attributes(name, tasks[name], attributes) for name in names]


def _with_attributes(name: str, task: Any, attributes: list[str]) -> str:
    shown = [(each, getattr(task, each, None)) for each in attributes]
    text = " ".join(f"{each}={str(value)[:200]}" for each, value in shown if value is not None and not callable(value))
    return f"{name} [{text}]" if text else name


@inspect_command
async def stats(state: WorkerFacade, **_: Any) -> dict[str, Any]:
    """Show figures: tasks run, pool, broker, memory."""
    found = {
        "total": state.parts.totals(),
        "pid": os.getpid(),
        "clock": str(state.clock.value),
        "uptime": round(SYSTEM.monotonic() - state.started_at),
        "pool": _pool(state),
        "broker": _broker(state),
        "prefetch_count": state.prefetch.allowed,
        "rusage": _resources(),
    }
    if state.autoscaler is not None:
        found["autoscaler"] = state.autoscaler.info()
    return found


def _pool(state: WorkerFacade) -> dict[str, Any]:
    settings, dispatcher = state.settings, state.parts.dispatcher
    children = sorted(dispatcher.children, key=lambda child: child.index)
    sent = [child.allotted for child in children]
    total = sum(sent)
    return {
        "implementation": settings.kind.pool,
        "max-concurrency": state.parts.pool.slots,
        "processes": [child.pid for child in children],
        "max-tasks-per-child": settings.max_tasks or "N/A",
        "put-guarded-by-semaphore": False,
        "timeouts": [settings.soft_time_limit or 0, settings.time_limit or 0],
        "writes": {
            "total": total,
            "avg": f"{1 / len(children) if total else 0:.2f}",
            "all": ", ".join(f"{each / total:.2f}" for each in sent) if total else "",
            "raw": ", ".join(str(each) for each in sent) if total else "",
            "strategy": "fair",
            "inqueues": {"total": len(children), "active": sum(1 for child in children if not child.is_idle)},
        },
    }


def _broker(state: WorkerFacade) -> dict[str, Any]:
    """The broker in the fields of kombu's connections; no password among them."""
    options = state.app.broker.options
    first, *others = [urls.parse(url) for url in options.urls]
    return {
        "hostname": first.host or None,
        "userid": first.user,
        "virtual_host": first.path,
        "port": first.port,
        "insist": False,
        "ssl": bool(options.ssl),
        "transport": first.scheme,
        "connect_timeout": options.connect_timeout,
        "transport_options": {},
        "login_method": None,
        "uri_prefix": None,
        "heartbeat": options.heartbeat,
        "failover_strategy": options.failover,
        "alternates": [url.public() for url in others],
        "credential_provider": None,
    }


def _resources() -> dict[str, float]:
    try:
        import resource
    except ImportError:  # Windows
        return {}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {name.removeprefix("ru_"): getattr(usage, name) for name in dir(usage) if name.startswith("ru_")}


def _plain(value: Any, depth: int = 4) -> Any:
    """A setting's value as JSON holds it; anything else as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth and isinstance(value, Mapping):
        return {str(name): _plain(each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, depth - 1) for each in value]
    return repr(value)[:1000]
