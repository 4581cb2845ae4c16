"""Run a task in its caller: ``task.apply()`` and ``task_always_eager``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from umbel import current, states
from umbel.errors import AlwaysEagerIgnored
from umbel.execution.committing import Committer
from umbel.execution.model import Execution, FreeKey, OpenChord
from umbel.execution.request import Request
from umbel.messages.ids import uuid7
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.handles import EagerResult
from umbel.results.model import Record
from umbel.wire import serializers

#: Retries without a pause that are certainly a mistake.
_MOST_RETRIES = 1000


def as_received(args: tuple[Any, ...], kwargs: dict[str, Any], serializer: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments as a worker would get them: what cannot be sent is an error here too.

    Args:
        args: positional arguments.
        kwargs: keyword arguments.
        serializer: name or content type.

    Raises:
        EncodeError: the serializer cannot write them.
    """
    content_type, encoding, body = serializers.dumps((args, kwargs), serializer)
    args, kwargs = serializers.loads(body, content_type, encoding, frozenset({content_type}))
    return tuple(args), dict(kwargs)


def apply(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any], *, as_sent: bool = False
) -> EagerResult[Any]:
    """Run a task now, its retries at once, and its callbacks after it.

    Args:
        task: to be run.
        args: positional arguments.
        kwargs: keyword arguments.
        options: those of `Task.apply`.
        as_sent: it stands for a message (``task_always_eager``).
    """
    app = task.app
    task_id = options.get("task_id") or uuid7(app.time.now())
    throw = options.get("throw")
    throw = app.conf.task_eager_propagates if throw is None else throw
    runner = app.eager_runner(stores=as_sent and bool(task.store_eager_result))
    outer = current.request.get()
    fields = _fields(task, task_id, options, outer)
    while True:
        embed = _embed(options)
        request = Request(task, task_id, args, kwargs, fields, embed, {}, hostname=app.hostname, is_eager=True)
        request.outer = outer
        execution = runner.run_eagerly(request)
        Committer(_Effects(app)).commit([execution], [])
        attempt = request.planned_retry
        if attempt is None or execution.state != states.RETRY or attempt.retries > _MOST_RETRIES:
            break
        args, kwargs = tuple(attempt.args), dict(attempt.kwargs)
        fields = {**fields, "retries": attempt.retries}
    if execution.state == states.FAILURE and throw:
        raise request.result
    if execution.state == states.SUCCESS:
        _callbacks(app, request, options.get("link"))
    return EagerResult(task_id, request.result, execution.state, traceback=execution.traceback, name=task.name)


def _fields(task: Any, task_id: str, options: Mapping[str, Any], outer: Any) -> dict[str, Any]:
    kin = outer is not None and outer.id is not None
    return {
        **(options.get("headers") or {}),
        "task": task.name,
        "id": task_id,
        "retries": options.get("retries") or 0,
        "root_id": options.get("root_id") or (outer.root_id if kin else task_id),
        "parent_id": options.get("parent_id") or (outer.id if kin else None),
        "ignore_result": bool(options.get("ignore_result")),
        "delivery_info": {"is_eager": True, **{name: options.get(name) for name in ("exchange", "routing_key", "priority")}},
        **{name: options[name] for name in ("logfile", "loglevel") if options.get(name) is not None},
        **_stamps(options),
    }


def _stamps(options: Mapping[str, Any]) -> dict[str, Any]:
    names = options.get("stamped_headers")
    if not names:
        return {}
    given = {**(options.get("stamps") or {}), **{name: options[name] for name in names if name in options}}
    return {"stamped_headers": list(names), "stamps": {name: given[name] for name in names if name in given}}


def _embed(options: Mapping[str, Any]) -> dict[str, Any] | None:
    errbacks = options.get("link_error")
    return {"errbacks": list(errbacks) if isinstance(errbacks, (list, tuple)) else [errbacks]} if errbacks else None


class _Effects:
    """The app's own store and publisher: what they raise is the caller's."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def store(self, records: list[Record]) -> None:
        if self._app.store is not None:
            self._app.store.store(records)

    def publish(self, execution: Execution) -> Execution:
        for message, to in execution.publications:  # error callbacks that take an id
            self._app.publisher.publish(message, to)
        return execution

    def open_chord(self, chord: OpenChord) -> None:
        if self._app.store is not None and self._app.store.groups is not None:
            if chord.kept is not None:
                self._app.store.groups.save(*chord.kept)
            self._app.store.groups.open(chord.group_id, chord.size, chord.header, anew=chord.anew)

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | Exception | None]:
        """Nothing is counted: a chord that runs in its caller knows when its header has ended."""
        return [None] * len(parts)

    def kept_body(self, key: str) -> Any:
        """Nothing is asked for: nothing was counted."""

    def close_chord(self, claim: ChordClaim, kept: str) -> None:
        """Nothing was claimed."""

    def free(self, keys: list[FreeKey]) -> None:
        """Nothing is held: what runs in its caller has no message."""


def _callbacks(app: Any, request: Request, links: Any) -> None:
    for signature in links if isinstance(links, (list, tuple)) else [links] if links else []:
        app.workflows.run(signature, (request.result,), {}, {"parent_id": request.id, "root_id": request.root_id})


def warn_ignored(name: str) -> None:
    """Warn that the task ``name``, sent by name, is really sent."""
    warnings.warn(f"send_task({name!r}) sends a message although task_always_eager is set", AlwaysEagerIgnored, stacklevel=4)
