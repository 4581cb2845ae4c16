"""`chord`: tasks that run side by side, and one that gets the list of their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from umbel import current
from umbel.canvas import shapes
from umbel.canvas.freezing import leaves
from umbel.canvas.opening import header_group
from umbel.canvas.signatures.base import Signature, maybe_signature
from umbel.canvas.signatures.groups import group
from umbel.canvas.signatures.unread import Unread
from umbel.typing import R

if TYPE_CHECKING:
    from umbel.results.handles import AsyncResult

T = TypeVar("T")


def _copied(member: Any) -> Any:
    return maybe_signature(shapes.member("chord", member), clone=True)


@Signature.register_type("chord")
class chord(Signature[R]):  # noqa: N801 - Celery's name
    """A header of tasks that run side by side, and a body that gets the list of their results, in order: ``group(…) | body``.

    Args:
        header: a list or generator of signatures, or a group.
        body: a signature; it may be given when the chord is called.
        task: not used; Celery has it.
        args: in front of each header task's own.
        kwargs: over each header task's own.
        app: whose it is.
        options: calling options of the body and the header tasks.
    """

    def __init__(
        self,
        header: Any,
        body: Signature[R] | None = None,
        task: str = "celery.chord",  # noqa: ARG002
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        app: Any = None,
        **options: Any,
    ) -> None:
        self._app = app
        if isinstance(header, Mapping) and shapes.kind(header) == shapes.GROUP:
            members: Any = header if header.get("options") or header.get("args") else shapes.tasks(header)
        else:
            parts = (header,) if isinstance(header, Mapping) else shapes.iterated("chord", header)
            # Copies, as in Celery: what is done to the header is not done to the caller's signatures.
            members = Unread(parts, _copied) if isinstance(parts, Iterator) else [_copied(each) for each in parts]
        if body is not None:
            shapes.checked("chord", body)
        self.update(shapes.chord_of(members, body, options))
        self.update(args=tuple(args))
        self.kwargs["kwargs"] = dict(kwargs or {})

    @property
    def tasks(self) -> Any:
        """Its header: a list, or a group where that has arguments or options of its own."""
        found = self.kwargs["header"]
        if isinstance(found, Mapping):
            made: Any = maybe_signature(found, self._app)
        else:
            made = [maybe_signature(each, self._app) for each in found]
        self.kwargs["header"] = made
        return made

    @tasks.setter
    def tasks(self, tasks: Any) -> None:
        self.kwargs["header"] = tasks

    @property
    def body(self) -> Any:
        """The signature that gets the results, or ``None``."""
        found = self.kwargs["body"] = maybe_signature(self.kwargs.get("body"), self._app)
        return found

    @body.setter
    def body(self, body: Any) -> None:
        self.kwargs["body"] = body

    @overload
    def __call__(self, body: None = None, **options: Any) -> AsyncResult[R]: ...
    @overload
    def __call__(self, body: Signature[T], **options: Any) -> AsyncResult[T]: ...
    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Send it.

        Args:
            body: in place of its own.
            options: calling options.
        """
        return self.apply_async((), {}, body=body, **options)

    def apply_async(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult[R]:
        """Send its header; the body follows when all of it has succeeded.

        Args:
            args: in front of each header task's own.
            kwargs: over each header task's own.
            options: calling options; ``body`` in place of its own, ``interval`` and ``max_retries`` are not needed.

        Raises:
            TypeError: it has no body.
        """
        body = options.pop("body", None)
        for name in ("interval", "max_retries"):
            options.pop(name, None)
        header, body = self.kwargs["header"], body if body is not None else self.kwargs["body"]
        own = self.get("args") or self.get("options") or self.kwargs.get("kwargs") or self.get("immutable")
        if isinstance(header, Unread) and header.is_untouched and body is not None and not (args or kwargs or options or own):
            # The app is not looked for among the members: that would read them.
            app: Any = self._app or getattr(body, "app_or_none", None) or current.find_app()
            if app is not None and app.workflows.can_stream():
                found: AsyncResult[R] = app.workflows.stream(header.one_by_one(), body)
                return found
        whole = self if body is None else self.replace(kwargs={**self.kwargs, "body": body})
        return super(chord, whole).apply_async(args, kwargs, **options)

    run = apply_async

    def link(self, callback: Any) -> Any:
        """Call another with the body's result.

        Args:
            callback: a signature.
        """
        if self.body is None:
            return super().link(callback)
        return self.body.link(callback)

    def link_error(self, errback: Any) -> Any:
        """Call another when the body fails, or cannot be called because a task of the header has failed.

        With the setting ``task_allow_error_cb_on_chord_header`` it is called for each failed task of the header, too.

        Args:
            errback: as in `Signature.link_error`.
        """
        if self.body is None:
            return super().link_error(errback)
        app = self.app_or_none or current.find_app()
        if app is not None and app.workflows.naming().errbacks_in_header:
            for member in self._members():
                member.link_error(maybe_signature(errback, clone=True))
        return self.body.link_error(errback)

    def set_immutable(self, immutable: bool) -> None:
        """Let its header take the result of the task before it, or not.

        Args:
            immutable: do not let it.
        """
        for member in self._members():
            member.set_immutable(immutable)

    def _members(self) -> list[Any]:
        header = self.tasks
        return list(header.tasks) if isinstance(header, group) else header

    def __length_hint__(self) -> int:
        """The number of results that its body waits for."""
        return sum(1 for _ in leaves(header_group(self)))

    def __repr__(self) -> str:
        header = self.tasks
        if self.body is None:
            return f"chord({header!r})"
        return f"chord({header!r}, {self.body!r})"
