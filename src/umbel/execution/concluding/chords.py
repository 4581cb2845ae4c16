"""Chords: what the end of a member counts, and what is done when all have ended. The body starts with their results, or fails."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from umbel import states
from umbel.canvas import shapes
from umbel.canvas.kept_parts import kept_key
from umbel.canvas.membership import counted
from umbel.canvas.successors import start_body
from umbel.errors import ChordError
from umbel.execution import completion
from umbel.execution.concluding import handlers
from umbel.execution.concluding.successors import Successors
from umbel.execution.environment import Environment
from umbel.execution.model import CloseChord, CountChord, Effect, RunHandlers, Store
from umbel.execution.request import Request
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.model import Record
from umbel.wire import failures

logger: logging.Logger = logging.getLogger("umbel.execution")


class Chords:
    """Concludes the chords that an app's tasks are members of.

    Args:
        environment: of the app.
        following: renders what follows tasks.
    """

    def __init__(self, environment: Environment, following: Successors) -> None:
        self._env = environment
        self._successors = following

    def count(self, request: Request, status: str, result: Any) -> tuple[Effect, ...]:
        """Decide what the end of a task counts for.

        Args:
            request: of the task.
            status: the state in which it ended.
            result: its value, or its exception, rendered.
        """
        body, group_id = request.chord, request.group
        if not body or not group_id or not request.id:
            return ()
        part = ChordPart(group_id, request.id, _place(request.group_index), status, result)
        return (self._counted(part, body, request),)

    def _counted(self, part: ChordPart, body: Mapping[str, Any], request: Request) -> CountChord:
        kept = kept_key(body)
        return CountChord(part, body, functools.partial(self._go_on, request, kept), functools.partial(self._fail, request))

    def _go_on(self, request: Request, kept: str, body: Mapping[str, Any], claim: ChordClaim) -> tuple[Effect, ...]:
        """All members have ended: start the body with their results, or fail it with the first failure."""
        close = CloseChord(claim, functools.partial(self._fail, request, body), kept)
        failed = next((part for part in claim.parts if part.status in states.PROPAGATE_STATES), None)
        if failed is not None:
            cause = failures.rebuild(failed.result)
            logger.error("Chord %s: its member %s has failed, so its body does not run: %r", claim.group_id, failed.task_id, cause)
            error = ChordError(f"Dependency {failed.task_id} raised {cause!r}")
            return (*self._fail(request, body, error), close)
        if kept and kept == kept_key(body):
            gone = f"its body is gone from the result store, where it waited as {kept}"
            logger.error("Chord %s: %s", claim.group_id, gone)
            return (*self._fail(request, body, ChordError(gone)), close)
        try:
            plan = start_body(body, values_of(claim), self._successors.ended(request, callbacks=()), self._successors.naming)
            return (*self._successors.effects(plan, request, children=False, claim=claim.mark), close)
        except Exception as error:
            logger.exception("Chord %s: its body %s cannot be started", claim.group_id, body.get("task"))
            return (*self._fail(request, body, ChordError(f"Callback error: {error!r}")), close)

    def abandon(self, workflow: Mapping[str, Any], request: Request, error: BaseException, traceback: str | None = None) -> list[Effect]:
        """Fail what will never run, because what is before it has failed: store that for whoever waits, and count it in the chord around it.

        Args:
            workflow: that will not run; frozen.
            request: of the task that failed last.
            error: what it failed with.
            traceback: as text.
        """
        now, result = self._env.clock.now(), failures.render(error)
        stores: list[Effect] = []
        others: list[Effect] = []
        for task in tasks_of(workflow):
            options = task.get("options") or {}
            if options.get("task_id") and self._env.stores:
                record = Record(
                    task_id=options["task_id"], status=states.FAILURE, result=result, traceback=traceback, date_done=completion.iso(now)
                )
                record.reply_to, record.group_id = options.get("reply_to") or request.reply_to, options.get("group_id")
                stores.append(Store(record))
            others += self._successors.fail_kept(task, request, error)
        if self._env.counts_chords:
            for end in counted(workflow):
                others += self._count_failed(end, request, result)
        return [*stores, *others]

    def _fail(self, request: Request, body: Mapping[str, Any], error: Exception) -> tuple[Effect, ...]:
        """Abandon the body, and what is behind it; send the error callbacks of its first tasks, which would have got the results."""
        errbacks = [effect for task in first_tasks_of(body) for effect in self._errbacks(task, request, error)]
        return (*errbacks, *self.abandon(body, request, error))

    def _errbacks(self, task: Mapping[str, Any], request: Request, error: Exception) -> list[Effect]:
        options = task.get("options") or {}
        published, inline = self._successors.errbacks_of(shapes.listed(options.get("link_error")), request, options.get("task_id"))
        if inline:
            told = Request(None, options.get("task_id"), task.get("args") or (), task.get("kwargs") or {}, {"task": task["task"]})
            published.append(RunHandlers(functools.partial(handlers.call_errbacks, told, error, inline, self._env.tasks)))
        return published

    def _count_failed(self, leaf: Mapping[str, Any], request: Request, result: Any) -> tuple[Effect, ...]:
        options = leaf.get("options") or {}
        outer, group_id, task_id = options.get("chord"), options.get("group_id"), options.get("task_id")
        if not outer or not group_id or not task_id:
            return ()
        part = ChordPart(group_id, task_id, _place(options.get("group_index")), states.FAILURE, result)
        return (self._counted(part, outer, request),)


def _place(index: Any) -> int | None:
    """Return a place in a header as a message tells it; ``None`` where it is no number: nobody has checked the messages of tasks that never ran."""
    return index if type(index) is int and index >= 0 else None


def tasks_of(workflow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the tasks of a frozen workflow, and of what follows them in their chains.

    Args:
        workflow: any signature, as it travels.
    """
    found: list[Mapping[str, Any]] = []
    left: list[Any] = [workflow]
    while left:
        node = left.pop()
        kind = shapes.kind(node)
        if kind in (shapes.CHAIN, shapes.GROUP):
            left += reversed(shapes.tasks(node))
        elif kind == shapes.CHORD:
            left += [shapes.body(node), *reversed(shapes.header(node))]
        else:
            found.append(node)
            left += (node.get("options") or {}).get("chain") or ()
    return found


def first_tasks_of(workflow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the tasks that fail when a workflow cannot begin; of a chord that is its body, whose error callbacks are the chord's.

    Args:
        workflow: any signature, as it travels.
    """
    found: list[Mapping[str, Any]] = []
    left: list[Any] = [workflow]
    while left:
        node = left.pop()
        kind = shapes.kind(node)
        if kind == shapes.GROUP:
            left += reversed(shapes.tasks(node))
        elif kind == shapes.CHAIN:
            left += shapes.tasks(node)[:1]
        elif kind == shapes.CHORD:
            left.append(shapes.body(node))
        elif node is not None:
            found.append(node)
    return found


def values_of(claim: ChordClaim) -> list[Any]:
    """Arrange the results of a header's members as its tree does; in a row where none was saved.

    Args:
        claim: of the chord.
    """
    tree = claim.header
    if not isinstance(tree, (list, tuple)) or len(tree) != 2 or not isinstance(tree[1], (list, tuple)):
        return [part.result for part in claim.parts]
    values = {part.task_id: part.result for part in claim.parts}
    try:
        arranged = _arranged(tree[1], values)
        return [*arranged, *values.values()]  # members that were added stand in no tree
    except (KeyError, TypeError, ValueError):  # of another header
        return [part.result for part in claim.parts]


def _arranged(members: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    return [_arranged(inner, values) if inner is not None else values.pop(head[0]) for head, inner in members]
