"""``@app.task(pydantic=True)``: arguments become the models that the function's annotations name, and a returned model becomes a dict.

Pydantic is not imported here: whatever has ``model_validate`` and ``model_dump`` will do.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def validating(
    function: Callable[..., Any], *, strict: bool | None, context: Mapping[str, Any], dump: Mapping[str, Any]
) -> Callable[..., Any]:
    """Make a function that validates what it gets and dumps what it returns.

    Args:
        function: the task's.
        strict: as for ``model_validate``.
        context: as for ``model_validate``.
        dump: keyword arguments of ``model_dump``.
    """
    signature = inspect.signature(function)
    models = {name: model for name, hint in typing.get_type_hints(function).items() if (model := _model(hint)) is not None}

    def validated(args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if name in models and isinstance(value, Mapping):
                bound.arguments[name] = models[name].model_validate(value, strict=strict, context=dict(context))
        return bound

    def dumped(value: Any) -> Any:
        return value.model_dump(**dump) if hasattr(type(value), "model_dump") else value

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            bound = validated(args, kwargs)
            return dumped(await function(*bound.args, **bound.kwargs))

        return _described(run_async, signature, models)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        bound = validated(args, kwargs)
        return dumped(function(*bound.args, **bound.kwargs))

    return _described(run, signature, models)


def _described(wrapper: Callable[..., Any], signature: inspect.Signature, models: Mapping[str, Any]) -> Callable[..., Any]:
    """Let a wrapper say what it takes: nobody looks through it."""
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    wrapper.models = models  # type: ignore[attr-defined]
    return wrapper


def check(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Validate a call before it is sent: what the models of a task's arguments will refuse in a worker, they refuse here.

    Args:
        function: of the task; one without models takes anything.
        args: positional arguments, as they are on the wire.
        kwargs: named arguments, likewise.

    Raises:
        ValueError: of pydantic: a model refuses its argument.
        TypeError: the function takes other arguments.
    """
    models: Mapping[str, Any] = getattr(function, "models", {})
    if models:
        bound = inspect.signature(function).bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if name in models and isinstance(value, Mapping):
                models[name].model_validate(value)


def _model(hint: Any) -> Any:
    """The model that an annotation names, alone or as ``Model | None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [each for each in typing.get_args(hint) if each is not type(None)]
        return _model(found[0]) if len(found) == 1 else None
    return hint if isinstance(hint, type) and hasattr(hint, "model_validate") else None
