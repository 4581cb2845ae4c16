"""Run a workflow in its caller, by its plan: what follows a task is started as a worker would, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from umbel import states
from umbel.canvas import shapes
from umbel.canvas.freezing import Naming
from umbel.canvas.handles import Handle
from umbel.canvas.planning import Plan, PlannedCall, plan
from umbel.canvas.successors import Ended, start_body, successors
from umbel.results.handles import EagerResult, GroupResult

#: Options that say what follows a task; the plan sees to it.
_FOLLOWING = ("link", "chain", "chord")


class EagerRun:
    """One workflow that runs here and now.

    Args:
        app: has the tasks.
        naming: makes the ids.
        as_sent: it stands for messages (``task_always_eager``).
    """

    def __init__(self, app: Any, naming: Naming, *, as_sent: bool) -> None:
        self._app = app
        self._naming = naming
        self._as_sent = as_sent
        self._waiting: deque[PlannedCall] = deque()
        self._results: dict[str, EagerResult[Any]] = {}
        #: Chords by the ids of their groups: size, tree of the header, ids of those that have ended by their places.
        self._chords: dict[str, tuple[int, Any, dict[int, str]]] = {}
        self._failed: EagerResult[Any] | None = None

    def run(self, workflow: shapes.Shape, args: Iterable[Any], kwargs: shapes.Shape, options: Mapping[str, Any]) -> Any:
        """Run it; returns its result.

        Args:
            workflow: any signature.
            args: in front of its first tasks' own.
            kwargs: over its first tasks' own.
            options: calling options, and ``throw``.
        """
        given = dict(options)
        how = {name: given.pop(name) for name in ("throw",) if name in given}
        planned = plan(workflow, self._naming, args=args, kwargs=kwargs, options=given)
        self._take(planned)
        while self._waiting:
            self._execute(self._waiting.popleft(), how)
        return None if planned.handle is None else self._result(planned.handle)

    def _take(self, planned: Plan) -> None:
        self._chords.update((record.group_id, (record.size, record.header, {})) for record in planned.records)
        self._waiting.extend(planned.calls)

    def _execute(self, call: PlannedCall, how: Mapping[str, Any]) -> None:
        options = {name: value for name, value in call.options.items() if name not in _FOLLOWING}
        task = self._app.tasks[call.task]
        if self._as_sent:
            result = task.apply_async(call.args, call.kwargs, **options)
        else:
            result = task.apply(call.args, call.kwargs, **options, **how)
        self._results[call.id] = result
        if result.state != states.SUCCESS:
            self._failed = self._failed or result
            return
        ended = _ended(call)
        for planned in successors(ended, result.result, self._naming):
            self._take(planned)
        if ended.chord is not None and ended.group is not None and ended.group_index is not None:
            size, header, found = self._chords[ended.group]
            found[ended.group_index] = call.id
            if len(found) == size:
                values = [self._results[found[place]].result for place in sorted(found)] if header is None else self._arranged(header[1])
                self._take(start_body(ended.chord, values, ended, self._naming))

    def _arranged(self, members: Iterable[Any]) -> list[Any]:
        return [self._results[own_id].result if inner is None else self._arranged(inner) for (own_id, _), inner in members]

    def _result(self, handle: Handle) -> Any:
        """The result of a handle, with those of the tasks before it."""
        if handle.is_group:
            return GroupResult(handle.id, [self._result(child) for child in handle.children], None, self._app)
        found: Any = None
        for each in (*reversed([each for each in handle.parents if not each.is_group]), handle):
            result = self._of_task(each)
            result.parent, found = found, result
        return found

    def _of_task(self, handle: Handle) -> EagerResult[Any]:
        """The result of one task. What has not run because a task before it failed has failed with that error."""
        found = self._results.get(handle.id)
        if found is None:
            failed = self._failed
            assert failed is not None
            found = EagerResult(handle.id, failed.result, failed.state, failed.traceback, handle.name)
        return found


def _ended(call: PlannedCall) -> Ended:
    options = call.options
    return Ended(
        id=call.id,
        root_id=options.get("root_id") or call.id,
        callbacks=shapes.listed(options.get("link")),
        chain=options.get("chain"),
        chord=options.get("chord"),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
    )
