"""Commands for the pool, and for the worker's end."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from umbel.control.commands import control_command
from umbel.pools.kinds import MOST_SLOTS
from umbel.worker.remote.arguments import texts, whole
from umbel.worker.remote.facade import WorkerFacade

logger: logging.Logger = logging.getLogger("umbel.worker")


@control_command(args=[("n", int)], signature="[N=1]")
async def pool_grow(state: WorkerFacade, n: Any = 1, **_: Any) -> dict[str, str]:
    """Add slots to the pool."""
    state.check_running()
    _resize(state, whole("n", n, 1, MOST_SLOTS))
    return {"ok": "pool will grow"}


@control_command(args=[("n", int)], signature="[N=1]")
async def pool_shrink(state: WorkerFacade, n: Any = 1, **_: Any) -> dict[str, str]:
    """Take slots from the pool, as soon as their jobs are done."""
    state.check_running()
    _resize(state, -whole("n", n, 1, MOST_SLOTS))
    return {"ok": "pool will shrink"}


def _resize(state: WorkerFacade, change: int) -> None:
    slots = state.parts.pool.slots + change
    if not 1 <= slots <= MOST_SLOTS:
        raise ValueError(f"a pool has 1 to {MOST_SLOTS:,} slots, got {slots:,}; this one has {state.parts.pool.slots:,}")
    before = state.parts.pool.slots
    if state.autoscaler is None:
        state.parts.pool.resize(slots)
    elif change > 0:
        state.autoscaler.force_scale_up(change)
    else:
        state.autoscaler.force_scale_down(-change)
    logger.warning("Remote control changes the pool from %d slots to %d", before, slots)


@control_command(args=[("max", int), ("min", int)], signature="[MAX [MIN]]")
async def autoscale(state: WorkerFacade, max: Any = None, min: Any = None, **_: Any) -> dict[str, str]:
    """Change the bounds of autoscaling."""
    if state.autoscaler is None:
        raise ValueError("Autoscale not enabled")
    state.check_running()
    most, least = state.autoscaler.update(
        None if max is None else whole("max", max, 1, MOST_SLOTS), None if min is None else whole("min", min, 0, MOST_SLOTS)
    )
    return {"ok": f"autoscale now max={most} min={least}"}


@control_command
async def pool_restart(state: WorkerFacade, modules: Any = None, reload: Any = False, reloader: Any = None, **_: Any) -> dict[str, str]:
    """Replace the children by new ones, which load the app's code anew."""
    del reload, reloader
    conf = state.app.conf
    if not conf.worker_pool_restarts:
        raise ValueError("Pool restarts not enabled")
    state.check_running()
    _check_modules(texts("modules", modules), {*(conf.imports or ()), *(conf.include or ())})
    state.parts.pool.restart()
    for child in list(state.parts.dispatcher.children):
        state.parts.dispatcher.recycle(child)
    logger.warning("Remote control restarts the pool")
    return {"ok": "reload started"}


def _check_modules(named: set[str], included: Iterable[str]) -> None:
    """A message must not make workers import what it names; what the app includes is loaded anew in any case."""
    unknown = sorted(named - {*included})
    if unknown:
        raise ValueError(f"{unknown[0]} is not among the modules that the app includes; those are loaded anew")


@control_command
async def shutdown(state: WorkerFacade, msg: Any = "Got shutdown from remote", **_: Any) -> dict[str, str]:
    """Stop the worker: what runs may end."""
    if not state.is_stopping:  # a second request would not wait for what runs
        logger.warning("Remote control stops the worker: %a", str(msg)[:200])
        state.request_stop()
    return {"ok": "shutting down"}
