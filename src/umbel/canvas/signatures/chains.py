"""`chain`: one task after the other, each with the result of the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, overload

from umbel.canvas import shapes
from umbel.canvas.operators import compose
from umbel.canvas.signatures.base import Signature, maybe_signature
from umbel.typing import R

if TYPE_CHECKING:
    from umbel.results.handles import AsyncResult

_SHOWN = 20


@Signature.register_type("chain")
class chain(Signature[R]):  # noqa: N801 - Celery's name
    """One task after the other: ``chain(a.s(1), b.s())`` is ``a.s(1) | b.s()``.

    A group that something follows becomes a chord; what begins with a group or chord is a chord, as with ``|``.

    Args:
        tasks: signatures, or one list or generator of them.
        app: whose it is.
        options: calling options of the first task; ``link`` is the last one's, ``link_error`` that of all.
    """

    def __new__(cls, *tasks: Any, app: Any = None, **options: Any) -> Self:
        if not tasks and not options:
            return super().__new__(cls)
        parts = tasks[0] if len(tasks) == 1 and not isinstance(tasks[0], Mapping) else tasks
        found = compose([shapes.checked("chain", each) for each in shapes.iterated("chain", parts)])
        made: Any = Signature.from_dict(found, app)
        return made.set(**options) if options else made  # type: ignore[no-any-return]

    @overload
    def __init__(self, first: Signature[R], /, *, app: Any = None, **options: Any) -> None: ...
    @overload
    def __init__(self, first: Signature[Any], second: Signature[R], /, *, app: Any = None, **options: Any) -> None: ...
    @overload
    def __init__(
        self, first: Signature[Any], second: Signature[Any], third: Signature[R], /, *, app: Any = None, **options: Any
    ) -> None: ...
    @overload
    def __init__(
        self,
        first: Signature[Any],
        second: Signature[Any],
        third: Signature[Any],
        fourth: Signature[R],
        /,
        *,
        app: Any = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(self: chain[Any], *tasks: Signature[Any], app: Any = None, **options: Any) -> None: ...
    @overload
    def __init__(self: chain[Any], tasks: Iterable[Signature[Any]], /, *, app: Any = None, **options: Any) -> None: ...
    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:  # type: ignore[misc]  # noqa: ARG002 - `__new__` has made it
        if not self:
            self.update(shapes.chain_of([]))
            self._app = app

    @property
    def tasks(self) -> list[Any]:
        """Its steps."""
        found = self.kwargs["tasks"] = [maybe_signature(each, self._app) for each in shapes.tasks(self)]
        return found

    @tasks.setter
    def tasks(self, tasks: Iterable[Any]) -> None:
        self.kwargs["tasks"] = list(tasks)

    def unchain_tasks(self) -> list[Any]:
        """Copies of its steps, with its callbacks at the last one, and its error callbacks at all."""
        copy = self.clone()
        steps: list[Any] = copy.tasks
        for step in steps:
            for errback in shapes.listed(self.options.get("link_error")):
                step.link_error(errback)
        for callback in shapes.listed(self.options.get("link")) if steps else ():
            steps[-1].link(callback)
        return steps

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it."""
        return self.apply_async(args, kwargs) if self.kwargs.get("tasks") else None

    def apply_async(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult[R]:
        """Send it; an empty one sends nothing, and returns ``None``.

        Args:
            args: in front of the first step's own.
            kwargs: over the first step's own.
            options: calling options.
        """
        return super().apply_async(args, kwargs, **options) if self.kwargs.get("tasks") else None  # type: ignore[return-value]

    run = apply_async

    def __repr__(self) -> str:
        steps = self.tasks
        if not steps:
            return "chain()"
        shown = " | ".join(map(repr, steps[:_SHOWN]))
        return shown if len(steps) <= _SHOWN else f"{shown} | … ({len(steps)} tasks)"
