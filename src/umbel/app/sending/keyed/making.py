"""Keys of calls: made of their arguments, as their tasks say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umbel.app import argument_check
from umbel.execution.keys import KeyTemplate, key_of, key_option


def signature_of(task: Any) -> inspect.Signature | None:
    """Find the signature of a task's function, without the task; ``None`` where it is not known.

    Args:
        task: a task object, or ``None``.
    """
    if task is None:
        return None
    known: inspect.Signature | None = getattr(task, "__signature__", None) or argument_check.signature(task.run)
    return known


def key_of_call(
    option: str, key: KeyTemplate | Callable[..., Any] | None, task: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """Make a key of a call; ``None`` where it has none.

    Args:
        option: that says how.
        key: its value, see `umbel.execution.keys.key_option`.
        task: the task object, where there is one.
        name: of the task.
        args: positional arguments.
        kwargs: keyword arguments.

    Raises:
        TypeError: a function returned no text, or an argument cannot be compared.
        ValueError: the arguments have no such field.
    """
    try:
        return key_of(key, args, kwargs, signature_of(task))
    except (TypeError, ValueError) as error:
        raise type(error)(f"task {name}: {option}: {error}") from None


def limit_key(option: str, given: Any, task: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Make the key of a call that is limited with others of the same key; empty where it has none.

    Args:
        option: ``concurrency_key`` or ``rate_limit_key``.
        given: its value.
        task: the task object, where there is one.
        name: of the task.
        args: positional arguments.
        kwargs: keyword arguments.

    Raises:
        TypeError: a function returned no text.
        ValueError: the arguments have no such field.
    """
    return key_of_call(option, key_option(option, given), task, name, args, kwargs) or ""
