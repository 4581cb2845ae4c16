"""The plans of one task's plain calls: those that have nothing of their own but their arguments. Each plan is made once, at the first such call."""

from __future__ import annotations

from typing import Any, Final

from umbel import current, hooks
from umbel.app import argument_check
from umbel.app.annotations import annotate
from umbel.app.sending.options import PublishOptions
from umbel.app.sending.publishing import Plan, too_large
from umbel.messages import v2
from umbel.messages.ids import uuid7
from umbel.messages.preview import preview
from umbel.results.handles import AsyncResult
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Call

#: Calling options that are mostly the same in many calls: such calls share a plan.
LASTING: Final = frozenset(("queue", "exchange", "routing_key", "priority", "serializer"))
_MOST: Final = 64


class Plans:
    """What a task's plain calls share, for as long as neither the task's attributes nor the settings change.

    Args:
        task: is annotated by ``task_annotations``: a program that only sends need not finalize the app.
        is_plain: whether the task sends as `Task` does, so that its calls may be plain.
    """

    __slots__ = ("_by_options", "_is_plain", "_task", "_without_options", "check", "version")

    def __init__(self, task: Any, *, is_plain: bool) -> None:
        app = task.app
        annotate((task,), app.conf.task_annotations)
        #: Of the settings.
        self.version: int = app.conf.version
        strict = app.strict_typing if task.typing is None else task.typing
        #: Raises a ``TypeError`` where the function takes other arguments.
        self.check = argument_check.argument_check(task.run, skip_first=False) if strict else None
        self._task = task
        self._is_plain = is_plain
        self._without_options: Plan | None = None
        self._by_options: dict[tuple[tuple[str, Any], ...], Plan | None] = {}

    def find(self, options: dict[str, Any] | None = None) -> Plan | None:
        """The plan of calls with these options; ``None`` where somebody must see or change each call. Making it declares the queue, and no other."""
        if hooks.before_task_publish.receivers or hooks.after_task_publish.receivers or not self._is_plain:
            return None
        if options:
            return self._find(options)
        if self._without_options is None:
            self._without_options = self._find({})
        return self._without_options

    def _find(self, options: dict[str, Any]) -> Plan | None:
        key = tuple(options.items())
        try:
            return self._by_options[key]
        except KeyError:
            pass
        except TypeError:  # a queue, not its name
            return None
        if len(self._by_options) >= _MOST:
            self._by_options.clear()
        plan: Plan | None = self._task.app.outbox.plan(self._task, PublishOptions.parse(options))
        self._by_options[key] = plan
        return plan

    def call(self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """One plain call, sent from the running task if there is one.

        Raises:
            EncodeError: the arguments cannot be sent, or are too large.
            TypeError: the function takes other arguments.
        """
        if self.check is not None:
            self.check(args, kwargs)
        body = v2.body(args, kwargs, serializer=plan.serializer)[2]
        if len(body) > plan.max_body:
            raise too_large(self._task.name, len(body), plan.max_body)
        task_id = uuid7(SYSTEM.now())
        parent = current.request.get()
        if parent is None or parent.id is None:
            root_id, parent_id = task_id, None
        else:
            root_id, parent_id = parent.root_id, parent.id
            parent.children.append([[task_id, None], None])
            parent.has_sent = True
        return Call(task_id, root_id, parent_id, preview(args), preview(kwargs), body)

    def handle(self, plan: Plan, task_id: str) -> AsyncResult[Any]:
        """The handle of a plain call."""
        handle: AsyncResult[Any] = AsyncResult(task_id, None, self._task.name, self._task.app)
        handle.ignored = plan.stencil.headers["ignore_result"] is True
        return handle
