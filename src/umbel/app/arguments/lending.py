"""Objects that are expensive to make and are lent to tasks: a model, a client with its connections. Each process makes its own, when a task first asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any, Final, cast

from umbel import hooks
from umbel.errors import ImproperlyConfigured
from umbel.runtime import process_hooks

logger: logging.Logger = logging.getLogger("umbel.app")

#: Seconds between two attempts of a coroutine to get an object that another task has.
_AGAIN: Final = 0.005


class Lent:
    """One object, and whose turn it is.

    Args:
        name: of the parameter of tasks that get it.
        make: makes it; a generator function yields it, and closes it when it goes on.
        shared: several tasks may have it at a time.
        check: told the object before it is lent; what it returns, or raises, says whether it still works.
        errors: exceptions of tasks after which it does not work any more.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        *,
        shared: bool,
        check: Callable[[Any], Any] | None,
        errors: tuple[type[BaseException], ...],
    ) -> None:
        self.name = name
        self._make = make
        self._shared = shared
        self._check = check
        self._errors = errors
        self._forget()
        process_hooks.attach(after_fork=self._forget, before_exit=self.close)

    def _forget(self) -> None:
        """Know of nothing: in a forked child, the object is the parent's."""
        self._turn, self._making = threading.Lock(), threading.Lock()
        self._made: list[Any] = []
        self._generator: Generator[Any, None, None] | None = None

    @contextlib.contextmanager
    def lend(self) -> Iterator[Any]:
        """Lend it for the time of a block. Where it is not shared, wait until it is free."""
        with contextlib.nullcontext() if self._shared else self._turn, self._watched(self._get()) as made:
            yield made

    @contextlib.asynccontextmanager
    async def alend(self) -> AsyncIterator[Any]:
        """Lend it to a coroutine; the event loop goes on meanwhile."""
        while not self._shared and not self._turn.acquire(blocking=False):  # noqa: ASYNC110 - tasks of other threads have their turns, too
            await asyncio.sleep(_AGAIN)
        try:
            with self._watched(await asyncio.to_thread(self._get)) as made:
                yield made
        finally:
            if not self._shared:
                self._turn.release()

    @contextlib.contextmanager
    def _watched(self, made: Any) -> Iterator[Any]:
        try:
            yield made
        except self._errors as error:
            logger.warning("The %s is made anew: a task has ended with %s", self.name, type(error).__name__)
            self._discard(made)
            raise

    def _get(self) -> Any:
        with self._making:
            if self._made and not self._works(self._made[0]):
                self._end(self._made[0])
            if not self._made:
                self._begin()
            return self._made[0]

    def _begin(self) -> None:
        for signal in (hooks.worker_process_shutdown, hooks.worker_shutdown):
            signal.connect(self._close_for, weak=False, dispatch_uid=f"umbel.lent.{id(self)}")
        try:
            made = self._make()
        except StopIteration as error:  # a coroutine could not be told of it, and would wait for ever
            raise RuntimeError(f"what makes the {self.name} raised StopIteration") from error
        if inspect.isgenerator(made):
            self._generator = generator = cast("Generator[Any, None, None]", made)
            try:
                made = next(generator)
            except StopIteration:
                self._generator = None
                raise ImproperlyConfigured(f"what makes the {self.name} is a generator that yields nothing") from None
        self._made = [made]

    def _works(self, made: Any) -> bool:
        if self._check is None:
            return True
        try:
            works = self._check(made)
        except Exception as error:
            logger.warning("The %s is made anew: its check has failed: %s: %s", self.name, type(error).__name__, error)
            return False
        if works is not None and not works:
            logger.warning("The %s is made anew: its check says that it does not work", self.name)
            return False
        return True

    def _discard(self, made: Any) -> None:
        with self._making:
            if self._made and self._made[0] is made:  # else another task was quicker
                self._end(made)

    def _end(self, made: Any) -> None:
        generator, self._made, self._generator = self._generator, [], None
        try:
            if generator is not None:
                next(generator, None)
            elif (close := getattr(made, "close", None)) is not None:
                close()
        except Exception:
            logger.exception("The %s could not be closed", self.name)

    def _close_for(self, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the object, if there is one. The next task that asks gets a new one."""
        with self._making:
            if self._made:
                self._end(self._made[0])


def borrowing(function: Callable[..., Any], names: Sequence[str], find: Callable[[str], Lent]) -> Callable[..., Any]:
    """Make a function that gets some of its arguments lent.

    Args:
        function: the task's.
        names: of these arguments, and of what is lent.
        find: a lent object by its name, when the task runs.

    Raises:
        ImproperlyConfigured: the function has no such parameter.
    """
    signature = inspect.signature(function)
    for name in names:
        if name not in signature.parameters:
            raise ImproperlyConfigured(f"{function.__qualname__} is lent {name!r}, and has no parameter of that name")
    rest = signature.replace(parameters=[each for each in signature.parameters.values() if each.name not in names])

    def bound(args: tuple[Any, ...], kwargs: dict[str, Any], lent: dict[str, Any]) -> inspect.BoundArguments:
        found = rest.bind(*args, **kwargs).arguments
        given = {name: (lent if name in lent else found)[name] for name in signature.parameters if name in lent or name in found}
        return inspect.BoundArguments(signature, given)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            async with contextlib.AsyncExitStack() as stack:
                lent = {name: await stack.enter_async_context(find(name).alend()) for name in sorted(names)}
                call = bound(args, kwargs, lent)
                return await function(*call.args, **call.kwargs)

        wrapper: Callable[..., Any] = run_async
    else:

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as stack:
                # In one order for all tasks: two that need the same two must not wait for each other.
                lent = {name: stack.enter_context(find(name).lend()) for name in sorted(names)}
                call = bound(args, kwargs, lent)
                return function(*call.args, **call.kwargs)

        wrapper = run
    wrapper.__signature__ = rest  # type: ignore[attr-defined]
    return wrapper
