"""Waiting for a chord whose result store does not count: ``celery.chord_unlock`` looks again and again whether the header has ended, then starts the body.

Celery sends that task with each such chord (5.7, ``Backend.fallback_chord_unlock``): the header's id and the body, and by name ``result``, the results of the
header, ``interval`` and ``max_retries``. Umbel sends it where ``result_chord_polling`` is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel import states
from umbel.canvas import shapes
from umbel.canvas.kept_parts import links_of
from umbel.errors import ChordError, MaxRetriesExceededError
from umbel.results.handles import result_from_tuple


def unlock(
    task: Any,
    group_id: str,
    body: Mapping[str, Any],
    interval: float | None = None,
    max_retries: int | None = None,
    result: Any = None,
    **_: Any,
) -> list[Any]:
    """Return the results of a chord's header once it has ended; what follows the task that calls this is the body then.

    Args:
        task: that looks; it is retried until the header has ended.
        group_id: of the header.
        body: a signature.
        interval: seconds between two looks; ``result_chord_retry_interval`` when not given.
        max_retries: looks after the first; no limit when not given.
        result: the members' results, as tuples; as they were saved when not given.
        _: what later versions of Celery may add.

    Raises:
        Retry: it has not ended yet.
        ChordError: a member has failed, or there are no more looks.
    """
    app = task.app
    members = members_of(app, group_id, result)
    if not members.ready():
        try:
            raise task.retry(countdown=app.conf.result_chord_retry_interval if interval is None else interval, max_retries=max_retries)
        except MaxRetriesExceededError as error:
            let_follow(task.request, body)
            raise ChordError(f"the header of chord {group_id} has not ended after {task.request.retries + 1} looks at it") from error
    let_follow(task.request, body)
    failed = next((each for each in members.leaves() if each.state in states.PROPAGATE_STATES), None)
    if failed is not None:
        raise ChordError(f"Dependency {failed.id} raised {failed.result!r}")
    values: list[Any] = members.get(timeout=app.conf.result_chord_join_timeout, disable_sync_subtasks=False)
    return values


def members_of(app: Any, group_id: str, trees: Any) -> Any:
    """Find the results of a chord's header.

    Args:
        app: whose chord.
        group_id: of the header.
        trees: the results, as tuples; as they were saved when not given.

    Raises:
        ChordError: nobody knows them.
    """
    if trees is not None:
        return app.GroupResult(group_id, [result_from_tuple(tree, app) for tree in trees])
    found = app.GroupResult.restore(group_id)
    if found is None:
        raise ChordError(f"no group {group_id} is saved in the result store, and the message does not tell its members")
    return found


def let_follow(request: Any, body: Mapping[str, Any]) -> None:
    """Make the body what follows this task in a chain: it starts with what this returns, or fails with what this raises.

    Args:
        request: of the task.
        body: of a chord.
    """
    first: Any = body
    while shapes.kind(first) in (shapes.CHAIN, shapes.CHORD):
        first = shapes.body(first) if shapes.kind(first) == shapes.CHORD else (shapes.tasks(first) or [{}])[0]
    errbacks = shapes.listed((first.get("options") or {}).get("link_error"))
    request.embed = {"chain": links_of(body), "errbacks": errbacks}
    request.chain, request.errbacks = request.embed["chain"], errbacks
