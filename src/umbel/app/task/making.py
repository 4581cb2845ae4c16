"""A task made of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from umbel.app import argument_check
from umbel.app.sending.options import OPTIONS
from umbel.app.task.options import TaskOptions
from umbel.app.task.pydantic_arguments import validating
from umbel.app.task.task import Task


def make_task(app: Any, function: Callable[..., Any], base: type[Task[..., Any]], options: dict[str, Any]) -> Task[..., Any]:
    """The task of a function.

    Args:
        app: whose task it is.
        function: what runs.
        base: the class to inherit from.
        options: attributes; ``name`` among them.
    """
    argument_check.warn_of_options(base, options, TaskOptions.__annotations__, OPTIONS)
    bound = bool(options.pop("bind", False))
    if options.pop("pydantic", False):
        context = {**(options.pop("pydantic_context", None) or {}), "celery_app": app, "celery_task_name": options["name"]}
        dump = options.pop("pydantic_dump_kwargs", None) or {"mode": "json"}
        function = validating(function, strict=options.pop("pydantic_strict", None), context=context, dump=dump)
    attributes: dict[str, Any] = {
        **options,
        "app": app,
        "bound": bound,
        "abstract": False,
        "run": function if bound else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__name__": getattr(function, "__name__", options["name"]),
    }
    task: Task[..., Any] = type(getattr(function, "__name__", "task"), (base,), attributes)()
    # On the instance: a class would bind the function to it.
    object.__setattr__(task, "__wrapped__", function)
    object.__setattr__(task, "__signature__", argument_check.signature(task.run))
    type(task).on_bound(app)
    return task
