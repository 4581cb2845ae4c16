"""Commands that change the limits of tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from umbel.control.commands import control_command
from umbel.runtime.rates import rate
from umbel.worker.remote.arguments import seconds, text
from umbel.worker.remote.facade import WorkerFacade

_UNKNOWN = {"error": "unknown task"}


@control_command(args=[("task_name", str), ("rate_limit", str)], signature="TASK RATE")
async def rate_limit(state: WorkerFacade, task_name: Any, rate_limit: Any, **_: Any) -> dict[str, str]:
    """Change the rate limit of a task: 5/s, 5/m, 5/h; 0 is none."""
    try:
        starts = rate(rate_limit if not isinstance(rate_limit, str) else rate_limit.strip())
    except ValueError as error:
        return {"error": f"Invalid rate limit string: {error!r}"}
    name = text("task_name", task_name)
    policy = state.policies.get(name)
    if policy is None:
        return _UNKNOWN
    state.policies[name] = replace(policy, rate_limit=starts)
    state.app.tasks[name].rate_limit = rate_limit or None  # what `registered` shows
    lines = state.parts.rate_limits.forget(name) + state.parts.leases.rates.forget(name)
    state.parts.intake.holding.open_in(dict.fromkeys(lines, 0.0))
    return {"ok": "new rate limit set successfully" if starts else "rate limit disabled successfully"}


@control_command(args=[("task_name", str), ("soft", float), ("hard", float)], signature="TASK SOFT [HARD]")
async def time_limit(state: WorkerFacade, task_name: Any = None, hard: Any = None, soft: Any = None, **_: Any) -> dict[str, str]:
    """Change the time limits of a task, seconds, for what is received from now on."""
    name = text("task_name", task_name)
    policy = state.policies.get(name)
    if policy is None:
        return _UNKNOWN
    state.policies[name] = replace(policy, time_limit=seconds("hard", hard), soft_time_limit=seconds("soft", soft))
    return {"ok": "time limits set successfully"}
