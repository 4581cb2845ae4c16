"""``task_annotations``: attributes of tasks, changed from the settings."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel.app.config.sources import import_object
from umbel.errors import ImproperlyConfigured


def annotate(tasks: Iterable[Any], given: Any) -> None:
    """Apply annotations to tasks.

    Args:
        tasks: to be changed.
        given: a dict of task name (``*`` for all) to attributes, an object with ``annotate(task)`` and ``annotate_any()``, an import
            path of one, or a list of these. An attribute ``@name`` is a function that wraps the method of that name.
    """
    if not given:
        return
    rules = [_rule(each) for each in (given if isinstance(given, (list, tuple)) else [given])]
    for task in tasks:
        if getattr(task, "_annotated", False):
            continue
        task._annotated = True  # noqa: SLF001
        for rule in rules:
            for attributes in rule(task):
                _apply(task, attributes)


def _rule(given: Any) -> Callable[[Any], Iterable[Mapping[str, Any]]]:
    if isinstance(given, str):
        given = import_object(given)
        if isinstance(given, type):
            given = given()
    if isinstance(given, Mapping):
        return lambda task: [found for found in (given.get("*"), given.get(task.name)) if found]
    if hasattr(given, "annotate"):
        return lambda task: [found for found in (_any(given), given.annotate(task)) if found]
    raise ImproperlyConfigured(
        f"task_annotations: expected a dict, an object with annotate(), or an import path, got {type(given).__name__}"
    )


def _any(given: Any) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = given.annotate_any() if hasattr(given, "annotate_any") else None
    return found


def _apply(task: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name.startswith("@"):
            method = getattr(task, name[1:])
            wrapper = functools.wraps(method)(value(method))
            vars(wrapper).pop("does_nothing", None)  # the mark of a handler that nobody overrides, see `umbel.app.task.handlers`
            setattr(task, name[1:], wrapper)
        else:  # a function becomes a method: it is given the task, as one that is written in a class
            setattr(task, name, types.MethodType(value, task) if inspect.isfunction(value) else value)
