"""`inject`: a task's parameters that are ``Annotated[…, Depends(provider)]`` come from the providers that the program's routes use."""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from umbel.errors import ImproperlyConfigured

F = TypeVar("F", bound=Callable[..., Any])

#: Classes of which there is none in a task: what made the call has long ended.
_OF_REQUESTS = ("Request", "WebSocket", "HTTPConnection", "Response", "BackgroundTasks", "SecurityScopes")


@dataclass(frozen=True, slots=True)
class _Provider:
    """One provider, and what it needs itself."""

    call: Callable[..., Any]
    needs: Mapping[str, _Provider]
    use_cache: bool

    @property
    def is_async(self) -> bool:
        """Report whether it, or what it needs, has to be awaited."""
        return (
            self.makes(inspect.iscoroutinefunction)
            or self.makes(inspect.isasyncgenfunction)
            or any(each.is_async for each in self.needs.values())
        )

    def makes(self, kind: Callable[[Any], bool]) -> bool:
        """Report whether it is a function of a ``kind``, also as an object that is called."""
        return kind(_function_of(self.call))


def inject(function: F) -> F:
    """Give a task what its dependencies make: below ``@app.task``. For each call they are made once, and those that yield go on when it has ended, also by an error.

    The same providers as of routes will do, but for those that need the request: in a task there is none.

    Args:
        function: of the task, plain or a coroutine. Only a coroutine may have providers that are coroutines.

    Raises:
        ImproperlyConfigured: a provider needs what no task has.
    """
    providers = _providers(function, ())
    signature = inspect.signature(function)
    given = signature.replace(parameters=[each for name, each in signature.parameters.items() if name not in providers])
    bind = functools.partial(_bind, signature, given)
    run: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            async with contextlib.AsyncExitStack() as stack:
                made: dict[Any, Any] = {}
                found = {name: await _amake(provider, stack, made) for name, provider in providers.items() if name not in kwargs}
                bound = bind(args, {**kwargs, **found})
                return await function(*bound.args, **bound.kwargs)

        run = run_async
    else:
        wrong = next((name for name, provider in providers.items() if provider.is_async), None)
        if wrong is not None:
            raise ImproperlyConfigured(
                f"{function.__qualname__}: the provider of {wrong} is a coroutine: write async def {function.__name__}"
            )

        @functools.wraps(function)
        def run_plain(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as stack:
                made: dict[Any, Any] = {}
                found = {name: _make(provider, stack, made) for name, provider in providers.items() if name not in kwargs}
                bound = bind(args, {**kwargs, **found})
                return function(*bound.args, **bound.kwargs)

        run = run_plain
    run.__signature__ = given
    return typing.cast("F", run)


def _bind(whole: inspect.Signature, given: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    """Bind arguments where positional ones pass over what is injected.

    Args:
        whole: of the function.
        given: the same without what is injected.
        args: of a call.
        kwargs: of the call, with what is injected.
    """
    injected = {name: value for name, value in kwargs.items() if name in whole.parameters and name not in given.parameters}
    bound = given.bind(*args, **{name: value for name, value in kwargs.items() if name not in injected})
    values = {**bound.arguments, **injected}
    return inspect.BoundArguments(whole, OrderedDict((name, values[name]) for name in whole.parameters if name in values))


def _providers(function: Callable[..., Any], above: tuple[Any, ...]) -> dict[str, _Provider]:
    """Find the providers of a function's parameters, and theirs."""
    from fastapi.params import Depends

    called = _function_of(function)
    hints = typing.get_type_hints(called, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name)
        marks = (
            [each for each in typing.get_args(hint)[1:] if isinstance(each, Depends)] if typing.get_origin(hint) is typing.Annotated else []
        )
        mark = marks[-1] if marks else parameter.default if isinstance(parameter.default, Depends) else None
        if mark is None:
            if above and parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ImproperlyConfigured(_impossible(function, name, hint, above))
            continue
        call: Any = mark.dependency or (typing.get_args(hint)[0] if marks else hint)
        if call in above:
            raise ImproperlyConfigured(f"the provider {call!r} depends on itself")
        found[name] = _Provider(call, _providers(call, (*above, function)), mark.use_cache)
    return found


def _function_of(call: Any) -> Any:
    """Return the function behind something that can be called."""
    if inspect.isroutine(call):
        return call
    return vars(call).get("__init__", call) if isinstance(call, type) else type(call).__call__


def _impossible(function: Callable[..., Any], name: str, hint: Any, above: tuple[Any, ...]) -> str:
    kind = getattr(hint, "__name__", hint)
    what = f"needs the {kind} of a request" if kind in _OF_REQUESTS else f"takes {name} ({kind}) from the request"
    task = getattr(above[0], "__qualname__", above[0])
    return f"{task}: the provider {getattr(function, '__qualname__', function)} {what}, and in a task there is none: give the task what it needs as an argument"


def _make(provider: _Provider, stack: contextlib.ExitStack, made: dict[Any, Any]) -> Any:
    if provider.use_cache and provider.call in made:
        return made[provider.call]
    values = {name: _make(each, stack, made) for name, each in provider.needs.items()}
    if provider.makes(inspect.isgeneratorfunction):
        value = stack.enter_context(contextlib.contextmanager(provider.call)(**values))
    else:
        value = provider.call(**values)
    made[provider.call] = value
    return value


async def _amake(provider: _Provider, stack: contextlib.AsyncExitStack, made: dict[Any, Any]) -> Any:
    if provider.use_cache and provider.call in made:
        return made[provider.call]
    values = {name: await _amake(each, stack, made) for name, each in provider.needs.items()}
    if provider.makes(inspect.isasyncgenfunction):
        value = await stack.enter_async_context(contextlib.asynccontextmanager(provider.call)(**values))
    elif provider.makes(inspect.isgeneratorfunction):
        value = stack.enter_context(contextlib.contextmanager(provider.call)(**values))
    else:
        value = provider.call(**values)
        if inspect.isawaitable(value):
            value = await value
    made[provider.call] = value
    return value
