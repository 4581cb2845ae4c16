"""The plans of one task's plain calls: those that have nothing of their own but their arguments. Each plan is made once, at the first such call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from umbel.app import argument_check
from umbel.app.annotations import annotate
from umbel.app.sending.options import PublishOptions
from umbel.app.sending.publishing import Plan

#: Calling options that are mostly the same in many calls: such calls share a plan.
_LASTING: Final = frozenset(("queue", "exchange", "routing_key", "priority", "serializer"))
_MOST: Final = 64


class Plans:
    """The plans of one task, for as long as neither its attributes nor the settings change.

    Args:
        task: is annotated by ``task_annotations``: a program that only sends need not finalize the app.
    """

    __slots__ = ("_by_options", "_task", "check", "is_plain", "usual", "version")

    def __init__(self, task: Any) -> None:
        app = task.app
        annotate((task,), app.conf.task_annotations)
        #: Of the settings.
        self.version: int = app.conf.version
        strict = app.strict_typing if task.typing is None else task.typing
        #: Raises a ``TypeError`` where the function takes other arguments.
        self.check: Callable[[tuple[Any, ...], dict[str, Any]], None] | None = (
            argument_check.argument_check(task.run, skip_first=False) if strict else None
        )
        #: The plan of calls without options, once it is made.
        self.usual: Plan | None = None
        self._task = task
        #: No call is shown under a name of its own, or has a key.
        self.is_plain: bool = getattr(task.shadow_name, "does_nothing", False) and not task.has_keys
        self._by_options: dict[tuple[tuple[str, Any], ...], Plan | None] = {}

    def find(self, options: Mapping[str, Any]) -> Plan | None:
        """Find the plan of calls with these ``options``; ``None`` where calls differ in more. Making it declares the queue, and no other."""
        if not self.is_plain or not options.keys() <= _LASTING:
            return None
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
        if not options:
            self.usual = plan
        return plan


def plans_of(task: Any) -> Plans:
    """Find the plans of ``task``. They are left with it, and `Task` forgets them when one of its attributes changes."""
    plans: Plans | None = task._plans  # noqa: SLF001
    if plans is None or plans.version != task.app.conf.version:
        plans = task._plans = Plans(task)  # noqa: SLF001
    return plans
