"""A running task and its workflow: it may be replaced, add a member to its chord, describe its own call."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace as replace_fields
from typing import Any

from umbel.canvas import shapes, successors
from umbel.canvas.freezing import freeze, leaves
from umbel.canvas.membership import added
from umbel.canvas.successors import Ended
from umbel.errors import Ignore, ImproperlyConfigured
from umbel.execution.request import Request


def replace(task: Any, signature: Any) -> Any:
    """Put a workflow in the place of a running task: it takes over the id, and all that follows.

    Args:
        task: that runs.
        signature: of what takes its place.

    Returns:
        The value of the replacement, where the task runs in its caller.

    Raises:
        Ignore: in a worker, always: the task ends here.
        ImproperlyConfigured: it is an empty chain.
        TypeError: it is no signature.
    """
    from umbel.canvas.signatures import maybe_signature

    request: Request = task.request
    shapes.checked("replace()", signature)
    if request.is_eager or request.called_directly or request.id is None:
        return maybe_signature(signature, app=task.app).apply().get(disable_sync_subtasks=False)
    request.planned_replacement = successors.replace(_ended(task, request), signature, task.app.workflows.naming())
    raise Ignore(f"replaced by {signature.get('task')}")


def _ended(task: Any, request: Request) -> Ended:
    priority = (request.properties or {}).get("priority") if task.app.conf.task_inherit_parent_priority else None
    return Ended(
        id=request.id or "",
        root_id=request.root_id or request.id or "",
        callbacks=request.callbacks or (),
        errbacks=request.errbacks or (),
        chain=request.chain,
        chord=request.chord,
        group=request.group,
        group_index=request.group_index,
        nesting=request.replaced_task_nesting,
        priority=priority,
    )


def add_to_chord(task: Any, signature: Any, *, lazy: bool) -> Any:
    """Add a member to the chord that a running task is a member of.

    Args:
        task: that runs.
        signature: of the member; of a group, each of its tasks becomes one.
        lazy: leave it to the caller to send it.

    Returns:
        The member's result; its signature where ``lazy`` is on.

    Raises:
        ImproperlyConfigured: the result store cannot count members.
        ValueError: the task is in no chord.
    """
    from umbel.canvas.signatures import maybe_signature

    request: Request = task.request
    if not request.chord or not request.group:
        raise ValueError(f"the task {task.name} is not a member of a chord: there is nothing to add to")
    store = task.app.store
    if store is None or store.groups is None:
        raise ImproperlyConfigured(
            "a chord needs a result store that counts its members: set result_backend to redis://, sqlite:// or another shared store"
        )
    # Whoever runs this task again adds the same members: the chord must neither wait for them twice nor miss them.
    request.chord_additions += 1
    numbers = itertools.count(1)
    ids = f"{request.id}:{request.chord_additions}"
    naming = replace_fields(task.app.workflows.naming(), new_id=lambda: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{ids}:{next(numbers)}")))
    (member,) = added([freeze(signature, naming)], request.group, request.chord)
    for leaf in leaves(member):
        store.groups.grow(request.group, leaf["options"]["task_id"])
    found = maybe_signature(member, app=task.app)
    return found if lazy else found.delay()


def signature_from_request(
    task: Any,
    request: Request | None,
    args: Iterable[Any] | None,
    kwargs: Mapping[str, Any] | None,
    queue: str | None,
    extra: Mapping[str, Any],
) -> Any:
    """Describe the call of a running task, to be sent again.

    Args:
        task: that runs.
        request: of the call; the task's own when not given.
        args: in place of its positional arguments.
        kwargs: in place of its keyword arguments.
        queue: in place of where it came from.
        extra: more calling options.
    """
    request = task.request if request is None else request
    if request.called_directly:
        return task.signature(args, kwargs, {"task_id": None, **extra})
    options = {name: value for name, value in request.as_execution_options().items() if value is not None}
    if queue:
        options["queue"] = queue
    else:
        info = request.delivery_info or {}
        options.update({name: info[name] for name in ("exchange", "routing_key") if info.get(name)})
    given = request.args if args is None else args
    return task.signature(given, request.kwargs if kwargs is None else kwargs, {**options, **extra})
