"""Commands that revoke tasks, and share what was revoked."""

from __future__ import annotations

from typing import Any, Final

from umbel.control.commands import control_command, inspect_command
from umbel.worker.gates.revoked import Stamp
from umbel.worker.remote.arguments import ending_signal, text, texts
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.revoking.mingling import MOST_TOLD, revoked_there

#: Ids that a reply names; more are counted.
_FEW: Final = 100
#: Values of stamps in one request.
_MOST_STAMPS: Final = 10_000


@control_command(variadic="task_id", signature="[ID …]")
async def revoke(state: WorkerFacade, task_id: Any, terminate: Any = False, signal: Any = None, **_: Any) -> dict[str, str]:
    """Do not run tasks with these ids (any more)."""
    ids = texts("task_id", task_id)
    found = state.parts.revoking.revoke_ids(ids, ending_signal(signal) if terminate else None)
    if terminate:
        return {"ok": f"terminate: {', '.join(sorted(found)[:_FEW]) or 'tasks unknown'}"}
    return {"ok": f"tasks {ids if len(ids) <= _FEW else len(ids)} flagged as revoked"}


@control_command(args=[("signal", str)], variadic="task_id", signature="SIGNAL [ID …]")
async def terminate(state: WorkerFacade, signal: Any = None, task_id: Any = (), **_: Any) -> dict[str, str]:
    """Do not run tasks with these ids, and end those that run by a signal."""
    return await revoke(state, task_id, terminate=True, signal=signal)


@control_command(variadic="headers", signature="[NAME=VALUE …]")
async def revoke_by_stamped_headers(
    state: WorkerFacade, headers: Any, terminate: Any = False, signal: Any = None, **_: Any
) -> dict[str, str]:
    """Do not run tasks that carry one of these stamps (any more)."""
    given = _pairs(headers)
    found = state.parts.revoking.revoke_stamps(_stamps(given), ending_signal(signal) if terminate else None)
    if not terminate:
        return {"ok": f"headers {given} flagged as revoked, but not terminated"}
    return {"ok": f"headers {given} revoked" if found else f"headers {given} were not terminated"}


@inspect_command(alias="dump_revoked")
async def revoked(state: WorkerFacade, **_: Any) -> list[str]:
    """List the ids that are remembered as revoked."""
    return list(state.parts.revoking.ids)


@inspect_command(visible=False)
async def hello(state: WorkerFacade, from_node: Any, revoked: Any = None, **_: Any) -> dict[str, Any] | None:
    """Tell another worker what was revoked, and learn it."""
    if text("from_node", from_node) == state.hostname:
        return None
    state.parts.revoking.learn(revoked_there(revoked))
    return {"revoked": list(state.parts.revoking.ids)[-MOST_TOLD:], "clock": state.clock.forward()}


def _pairs(headers: Any) -> dict[str, Any]:
    """The stamps as a mapping; the command line gives ``name=value`` for each."""
    if isinstance(headers, (list, tuple)):
        words = [str(word).partition("=") for word in headers]
        if not all(name and equals for name, equals, _ in words):
            raise ValueError("headers are name=value")
        return {name: value for name, _, value in words}
    if not isinstance(headers, dict):
        raise TypeError(f"headers is an object of names and values, got a {type(headers).__name__}")
    return headers


def _stamps(headers: dict[str, Any]) -> set[Stamp]:
    found: set[Stamp] = set()
    for name, value in headers.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if not isinstance(each, (str, int, float)):
                raise TypeError(f"the value of stamp {text('headers', name)} is a text or a number, got a {type(each).__name__}")
            found.add((text("headers", name), text("a stamp's value", each) if isinstance(each, str) else each))
    if len(found) > _MOST_STAMPS:
        raise ValueError(f"{len(found):,} stamps, at most {_MOST_STAMPS:,} are taken at once")
    return found
