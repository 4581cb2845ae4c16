"""A task made of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Protocol, overload

from umbel.app import argument_check
from umbel.app.sending.options import OPTIONS
from umbel.app.task.options import KEYED, UNIQUE, TaskOptions
from umbel.app.task.task import Task
from umbel.errors import ImproperlyConfigured
from umbel.typing import P, R


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
    _check_batch(options)
    _check_resources(options)
    if lent := options.pop("lend", None):
        from umbel.app.arguments.lending import borrowing  # few tasks are lent anything

        function = borrowing(function, (lent,) if isinstance(lent, str) else tuple(lent), app.lent)
    keys = _check_keys(options, function, bound=bound)
    if options.pop("pydantic", False):
        from umbel.app.arguments.pydantic_models import validating  # few tasks take models

        context = {**(options.pop("pydantic_context", None) or {}), "celery_app": app, "celery_task_name": options["name"]}
        dump = options.pop("pydantic_dump_kwargs", None) or {"mode": "json"}
        function = validating(function, strict=options.pop("pydantic_strict", None), context=context, dump=dump)
    attributes: dict[str, Any] = {
        **options,
        **keys,
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


def _check_batch(options: dict[str, Any]) -> None:
    """Look at the options of a task that runs calls together. Its function takes none of the arguments that its calls have.

    Raises:
        ImproperlyConfigured: they make no sense.
    """
    if options.get("batch_size") is None and "batch_wait" not in options:
        return
    from umbel.execution import policy  # most programs have no such tasks

    try:
        policy.batch_of(options.get("batch_size"), options.get("batch_wait", 1.0))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {options['name']}: {error}") from None
    alone = next((name for name in (*KEYED, "concurrency_limit", "rate_limit", "resources", "pydantic") if options.get(name)), None)
    if alone is not None or options.get("acks_late") is False:
        raise ImproperlyConfigured(f"task {options['name']}: batch_size does not go with {alone or 'acks_late=False'}")
    options.setdefault("typing", False)


def _check_resources(options: dict[str, Any]) -> None:
    """Look at what a task needs while it runs.

    Raises:
        ImproperlyConfigured: it makes no sense.
    """
    if options.get("resources") is None:
        return
    from umbel.execution import policy  # few tasks need any

    try:
        policy.resources_of(options["resources"])
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {options['name']}: {error}") from None


def _check_keys(options: dict[str, Any], function: Callable[..., Any], *, bound: bool) -> dict[str, Any]:
    """Look at the options that make keys of arguments; returns them as attributes.

    Raises:
        ImproperlyConfigured: they make no sense.
    """
    given = {name: options[name] for name in (*KEYED, "concurrency_limit", "rate_limit_scope") if options.get(name) is not None}
    if not given:
        return {}
    from umbel.app.sending.keyed import unique  # most programs have no tasks with keys
    from umbel.execution import keys, policy

    try:
        rule = unique.rule_of(*(given.get(name) for name in UNIQUE))
        policy.concurrency_of(given.get("concurrency_limit"), given.get("concurrency_key"))
        policy.rate_options_of(given.get("rate_limit_scope"), given.get("rate_limit_key"))
        for key in (
            rule and rule.key,
            *(keys.key_option(name, given[name]) for name in ("concurrency_key", "rate_limit_key") if name in given),
        ):
            if isinstance(key, keys.KeyTemplate):
                keys.check_fields(key, argument_check.signature(functools.partial(function, None) if bound else function))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {options['name']}: {error}") from None
    # A class would bind a function to the task.
    return {name: staticmethod(given[name]) for name in ("unique_key", "concurrency_key", "rate_limit_key") if callable(given.get(name))}


class Decorator(Protocol):
    """Makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class BindingDecorator(Protocol):
    """Makes a task of a function whose first argument is the task."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...
