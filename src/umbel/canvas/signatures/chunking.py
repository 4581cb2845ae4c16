"""One task for many arguments: `chunks` sends a message for every few, `xmap` and `xstarmap` one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from umbel.canvas import shapes
from umbel.canvas.signatures.base import Signature, maybe_signature
from umbel.canvas.signatures.groups import group

_SHOWN = 5


class _Over(Signature[list[Any]]):
    """A built-in task that calls another again and again."""

    _task = ""
    _kind: str | None = None

    def __init__(self, task: Any, it: Iterable[Any], app: Any = None, **options: Any) -> None:
        own = options.pop("own", {})
        app = task.app_or_none if app is None and isinstance(task, Signature) else app
        super().__init__(
            self._task,
            (),
            {"task": shapes.copied(shapes.checked(type(self).__name__, task)), "it": _listed(it), **own},
            options,
            subtask_type=self._kind,
            immutable=True,
            app=app,
        )

    @classmethod
    def _shown(cls, it: Any) -> str:
        return repr(it) if len(it) <= _SHOWN else f"[{', '.join(map(repr, it[:_SHOWN]))}, … ({len(it)} items)]"

    @property
    def _inner(self) -> Any:
        return maybe_signature(self.kwargs["task"], self._app)


@Signature.register_type("xmap")
class xmap(_Over):  # noqa: N801 - Celery's name
    """One message that calls a task with each item, one after the other, and has the list of results: ``task.map(it)``.

    Args:
        task: the signature of the task.
        it: the items; each is its only argument.
        app: whose it is.
        options: calling options.
    """

    _task, _kind = "celery.map", "xmap"

    def __repr__(self) -> str:
        return f"[{self._inner.task}(x) for x in {self._shown(self.kwargs['it'])}]"


@Signature.register_type("xstarmap")
class xstarmap(_Over):  # noqa: N801 - Celery's name
    """As `xmap`, with the items for lists of arguments: ``task.starmap(it)``."""

    _task, _kind = "celery.starmap", "xstarmap"

    def __repr__(self) -> str:
        return f"[{self._inner.task}(*x) for x in {self._shown(self.kwargs['it'])}]"


@Signature.register_type("chunks")
class chunks(_Over):  # noqa: N801 - Celery's name
    """A group of messages, each of which calls a task with some of the items: ``task.chunks(it, n)``.

    Args:
        task: the signature of the task.
        it: lists of arguments.
        n: how many go into one message.
        app: whose it is.
        options: calling options.
    """

    _task, _kind = "celery.chunks", "chunks"

    def __init__(self, task: Any, it: Iterable[Any], n: int, app: Any = None, **options: Any) -> None:
        if n < 1:
            raise ValueError(f"chunks needs the number of items in one message, 1 or more, not {n!r}")
        super().__init__(task, it, app, own={"n": n}, **options)

    def group(self) -> group[Any]:
        """The group that it is sent as."""
        task, items, n = self.kwargs["task"], self.kwargs["it"], self.kwargs["n"]
        parts = [items[start : start + n] for start in range(0, len(items), n)]
        return group([xstarmap(task, part, self._app, **self.options) for part in parts], app=self._app)

    def apply_async(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send its messages; the arguments are those of `group.apply_async`.

        Args:
            args: not used by its messages.
            kwargs: not used by its messages.
            options: calling options of each message.
        """
        return self.group().apply_async(args, kwargs, **options)

    def apply(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run it here and now; the arguments are those of `group.apply_async`.

        Args:
            args: not used.
            kwargs: not used.
            options: as for `group.apply`.
        """
        return self.group().apply(args, kwargs, **options)

    def __call__(self, **options: Any) -> Any:
        """Send its messages."""
        return self.apply_async(**options)

    @classmethod
    def apply_chunks(cls, task: Any, it: Iterable[Any], n: int, app: Any = None) -> Any:
        """Send the messages of chunks; the arguments are those of the class.

        Args:
            task: the signature of the task.
            it: lists of arguments.
            n: how many go into one message.
            app: whose it is.
        """
        return cls(task, it, n, app=app)()

    def __repr__(self) -> str:
        return f"chunks({self._inner!r}, {self._shown(self.kwargs['it'])}, {self.kwargs['n']})"


def _listed(it: Iterable[Any]) -> list[Any]:
    return it if isinstance(it, list) else list(it)
