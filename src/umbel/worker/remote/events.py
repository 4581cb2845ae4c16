"""Commands for events, heartbeats and elections."""

from __future__ import annotations

from typing import Any

from umbel.control.commands import control_command
from umbel.worker.remote.arguments import text
from umbel.worker.remote.facade import EventSwitch, WorkerFacade


@control_command
async def enable_events(state: WorkerFacade, **_: Any) -> dict[str, str]:
    """Send events of tasks."""
    return {"ok": "task events enabled" if _events(state).enable() else "task events already enabled"}


@control_command
async def disable_events(state: WorkerFacade, **_: Any) -> dict[str, str]:
    """Send no events of tasks."""
    return {"ok": "task events disabled" if _events(state).disable() else "task events already disabled"}


@control_command
async def heartbeat(state: WorkerFacade, **_: Any) -> None:
    """Send a heartbeat now."""
    _events(state).send_heartbeat()


@control_command
async def election(state: WorkerFacade, id: Any, topic: Any, action: Any = None, **_: Any) -> None:
    """Hold an election."""
    if state.gossip is not None:
        state.gossip.election(text("id", id), text("topic", topic), action)


def _events(state: WorkerFacade) -> EventSwitch:
    if state.events is None:
        raise ValueError("this worker sends no events")
    return state.events
