"""`group`: tasks that run side by side, with a list of their results."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from umbel.canvas import shapes
from umbel.canvas.signatures.base import Signature, maybe_signature
from umbel.typing import R

if TYPE_CHECKING:
    from umbel.results.handles import GroupResult

_SHOWN = 20


@Signature.register_type("group")
class group(Signature[list[R]]):  # noqa: N801 - Celery's name
    """Tasks that run side by side; its result is the list of theirs, in order.

    Args:
        tasks: signatures, or one list, generator or group of them.
        app: whose it is.
        options: calling options of every task.
    """

    def __init__(self, *tasks: Signature[R] | Iterable[Signature[R]], app: Any = None, **options: Any) -> None:
        parts: Any = tasks
        if len(tasks) == 1:
            (only,) = tasks
            if isinstance(only, group):
                parts, options, app = only.tasks, {**only.options, **options}, only.app_or_none if app is None else app
            elif not isinstance(only, Mapping):
                parts = only
        members = [shapes.member("group", each) for each in shapes.iterated("group", parts)]
        self._app = app
        self.update(shapes.group_of(members, options))

    @property
    def tasks(self) -> list[Any]:
        """Its members."""
        found = self.kwargs["tasks"] = [maybe_signature(each, self._app) for each in shapes.tasks(self)]
        return found

    @tasks.setter
    def tasks(self, tasks: Iterable[Any]) -> None:
        self.kwargs["tasks"] = list(tasks)

    def __len__(self) -> int:
        return len(shapes.tasks(self)) if "kwargs" in self else 0

    def __bool__(self) -> bool:
        return True

    def __call__(self, *partial_args: Any, **options: Any) -> GroupResult[R]:
        """Send it."""
        return self.apply_async(partial_args, **options)

    if TYPE_CHECKING:

        def delay(self, *partial_args: Any, **partial_kwargs: Any) -> GroupResult[R]: ...  # type: ignore[override]

    def apply_async(  # type: ignore[override]
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> GroupResult[R]:
        """Send its tasks.

        Args:
            args: in front of each task's own.
            kwargs: over each task's own.
            options: calling options of each.

        Raises:
            TypeError: a ``link``: there is no one result that it could take.
        """
        if options.get("link"):
            raise TypeError("a group has no one result that its callback could take: write group(…) | callback")
        sent: Any = super().apply_async(args, kwargs, **options)
        return sent  # type: ignore[no-any-return]

    def link(self, callback: Any) -> Any:
        """Call another when its first task has succeeded, without the result. To call it with the results of all: ``group(…) | callback``.

        Args:
            callback: a signature.
        """
        members = self.tasks
        if not members:
            raise TypeError("an empty group has no task that a callback could follow")
        return members[0].link(maybe_signature(callback, clone=True).set(immutable=True))

    def link_error(self, errback: Any) -> Any:
        """Call another for each of its tasks that fails.

        Args:
            errback: as in `Signature.link_error`.
        """
        for member in self.tasks:
            member.link_error(maybe_signature(errback, clone=True))
        return errback

    def set_immutable(self, immutable: bool) -> None:
        """Let its tasks take the result of the task before it, or not.

        Args:
            immutable: do not let them.
        """
        for member in self.tasks:
            member.set_immutable(immutable)

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> group[R]:
        """Have its tasks begin one after the other.

        Args:
            start: seconds until the first.
            stop: seconds after which it begins with ``start`` again.
            step: seconds between two.
        """
        for member, countdown in zip(self.tasks, _rounds(start, stop, step), strict=False):
            member.set(countdown=countdown)
        return self

    def __repr__(self) -> str:
        members = self.tasks
        shown = [*map(repr, members[:_SHOWN]), *(["…"] if len(members) > _SHOWN else [])]
        return f"group({', '.join(shown)})"


def _rounds(start: float, stop: float | None, step: float) -> Iterator[float]:
    if stop is None:
        return itertools.count(float(start), step)
    many = max(1, round((stop - start) / step)) if step else 1
    return itertools.cycle([start + step * each for each in range(many)])
