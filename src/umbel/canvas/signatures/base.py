"""`Signature`: the call of a task as a value, to be sent later, passed on, or made part of a workflow.

It is a dict, and goes into a message as it is::

    {"task": "tasks.add", "args": [2], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from umbel.canvas import shapes
from umbel.canvas.freezing import Naming, freeze
from umbel.canvas.handles import Handle, handle_of
from umbel.canvas.operators import combine
from umbel.canvas.signatures.fields import Fields
from umbel.canvas.stamping import Stamping, StampingVisitor, stamps_of
from umbel.typing import R

if TYPE_CHECKING:
    from umbel.results.handles import AsyncResult, EagerResult

T = TypeVar("T")
Kind = TypeVar("Kind", bound="type[Signature[Any]]")


class Workflows(Protocol):
    """The part of an app that signatures need: its ``workflows``."""

    def naming(self) -> Naming:
        """Make the names for a workflow."""

    def publish(self, workflow: Signature[Any], args: Iterable[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Send a workflow; returns its result's handle.

        Args:
            workflow: any signature.
            args: in front of its own.
            kwargs: over its own.
            options: calling options.
        """

    def run(self, workflow: Signature[Any], args: Iterable[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Run a workflow here and now; returns its result.

        Args:
            workflow: any signature.
            args: in front of its own.
            kwargs: over its own.
            options: calling options.
        """

    def result(self, handle: Handle) -> Any:
        """The result object of a handle.

        Args:
            handle: of a frozen workflow.
        """


class Signature(Fields, Generic[R]):
    """The call of a task, as a value.

    Args:
        task: a task, its name, or a signature to copy.
        args: positional arguments; those that it is called with come before them.
        kwargs: keyword arguments.
        options: calling options.
        type: the task object, in place of its name.
        subtask_type: the kind of workflow, ``None`` for a task.
        immutable: it takes no more arguments, and so not the result of a task before it.
        app: whose task it is; the current app when it is needed, if not given.
        more: calling options.
    """

    #: Classes by ``subtask_type``.
    TYPES: ClassVar[dict[str, type[Signature[Any]]]] = {}

    def __init__(
        self,
        task: Any = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: Any = None,
        subtask_type: str | None = None,
        immutable: bool = False,
        app: Any = None,
        **more: Any,
    ) -> None:
        self._app = app
        if isinstance(task, Mapping):
            super().__init__(task)
            return
        if task is not None and not isinstance(task, str):
            type, task = task, task.name
        elif type is not None:
            task = type.name
        self._type = type
        if app is None:
            self._app = getattr(type, "app", None)
        super().__init__(
            task=task,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            options={**(options or {}), **more},
            subtask_type=subtask_type,
            immutable=immutable,
        )

    # copies

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Any = None) -> Signature[Any]:
        """The signature of a dict, as it comes out of a message: of the class of its kind.

        Args:
            d: with ``task``, at least.
            app: whose it is.

        Raises:
            TypeError: it is no signature.
        """
        shapes.checked("from_dict", d)
        found = Signature.TYPES.get(d.get("subtask_type") or "", Signature)
        if found is not cls and found.from_dict.__func__ is not cls.from_dict.__func__:  # type: ignore[attr-defined]
            return found.from_dict(d, app)  # a class of the user's, with a way of its own
        made = found.__new__(found)
        made.update(d)
        return made.belong(app if app is not None else getattr(d, "_app", None))

    @classmethod
    def register_type(cls, name: str | None = None) -> Callable[[Kind], Kind]:
        """Make a class that of all signatures of its ``subtask_type``; a decorator.

        Args:
            name: the ``subtask_type``; the class's name when not given.
        """

        def register(kind: Kind) -> Kind:
            cls.TYPES[name or kind.__name__] = kind
            return kind

        return register

    def clone(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Self:
        """A copy, down to its parts and callbacks.

        Args:
            args: in front of its own.
            kwargs: over its own.
            options: over its own.
        """
        new: Any = self.from_dict(shapes.merged(shapes.copied(self), args or (), kwargs, options), self._app)
        return new.belong(self._app, self._type)  # type: ignore[no-any-return]

    partial = clone

    def __copy__(self) -> Self:
        return self.clone()

    def __deepcopy__(self, memo: object) -> Self:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return signature, (dict(self),)

    def __json__(self) -> dict[str, Any]:
        return dict(self)

    def replace(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
    ) -> Self:
        """A copy with other arguments or options in place of its own.

        Args:
            args: in place of its own; ``None`` keeps them.
            kwargs: likewise.
            options: likewise.
        """
        new = self.clone()
        new.update(
            {
                name: value
                for name, value in (("args", None if args is None else tuple(args)), ("kwargs", kwargs), ("options", options))
                if value is not None
            }
        )
        return new

    # changes

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Set calling options of this one; returns it.

        Args:
            immutable: as the argument of the class.
            options: by name.
        """
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Let it take the result of the task before it, or not.

        Args:
            immutable: do not let it.
        """
        self.immutable = immutable

    def append_to_list_option(self, key: str, value: T) -> T:
        """Add to an option that is a list, once; returns what was added.

        Args:
            key: the option's name.
            value: to add.
        """
        self.options[key] = shapes.union(shapes.listed(self.options.get(key)), (value,))
        return value

    def extend_list_option(self, key: str, value: Any) -> None:
        """Add one or several to an option that is a list, each once.

        Args:
            key: the option's name.
            value: one, or a list.
        """
        self.options[key] = shapes.union(shapes.listed(self.options.get(key)), shapes.listed(value))

    def link(self, callback: Any) -> Any:
        """Call another with its result; returns that one.

        Args:
            callback: a signature.
        """
        return self.append_to_list_option("link", shapes.checked("link", callback))

    def link_error(self, errback: Any) -> Any:
        """Call another when it fails; returns that one.

        Args:
            errback: a signature; its task takes (request, exc, traceback), or the failed task's id.
        """
        return self.append_to_list_option("link_error", shapes.checked("link_error", errback))

    def on_error(self, errback: Any) -> Self:
        """As `link_error`, but returns this signature, for use in a workflow.

        Args:
            errback: as in `link_error`.
        """
        self.link_error(errback)
        return self

    def flatten_links(self) -> list[Any]:
        """A list of this one, its callbacks, their callbacks, …"""
        found: list[Any] = []
        pending: list[Any] = [self]
        while pending:
            node = pending.pop()
            found.append(node)
            pending.extend(reversed(shapes.listed(shapes.option(node, "link"))))
        return found

    def stamp(self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any) -> None:
        """Mark it and its parts (see `umbel.canvas.stamping`).

        Args:
            visitor: says what to stamp.
            append_stamps: add to stamps of the same name, in place of replacing them.
            headers: stamps by name.
        """
        Stamping(maybe_signature, visitor, append_stamps).stamp(self, stamps_of(headers))

    def stamp_links(self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any) -> None:
        """Mark its callbacks and error callbacks alone; the arguments are those of `stamp`.

        Args:
            visitor: as in `stamp`.
            append_stamps: as in `stamp`.
            headers: stamps by name.
        """
        Stamping(maybe_signature, visitor, append_stamps).stamp_links(self, stamps_of(headers))

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> Any:
        """Give ids to it and to all its parts now; returns the handle of its result.

        Args:
            _id: of its result; a new one when not given.
            group_id: the group that it is a member of.
            chord: the body that its result counts for.
            root_id: the task that everything began with.
            parent_id: the task before it.
            group_index: its place in the group.
        """
        given = {
            "task_id": _id, "group_id": group_id, "chord": chord, "root_id": root_id, "parent_id": parent_id, "group_index": group_index,
        }  # fmt: skip
        workflows: Workflows = self.app.workflows
        options = {name: value for name, value in given.items() if value is not None}
        frozen = freeze(shapes.merged(self, options=options), workflows.naming())
        self.update(frozen)
        handle = handle_of(frozen)
        return None if handle is None else workflows.result(handle)

    # putting together

    def __or__(self, other: Signature[T]) -> Signature[T]:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        combined: Any = self.from_dict(combine(self, shapes.checked("|", other)), self._app)
        return combined  # type: ignore[no-any-return]

    def __ior__(self, other: Signature[T]) -> Signature[T]:  # type: ignore[override]
        return self | other

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.from_dict(combine(shapes.checked("|", other), self), self._app)

    # running

    def __call__(self, *partial_args: Any, **partial_kwargs: Any) -> Any:
        """Call the task here and now, as a function."""
        own = shapes.merged(self, partial_args, partial_kwargs)
        return self.type(*own["args"], **own["kwargs"])

    def __invert__(self) -> R:
        """Send it, and wait for its result."""
        return self.apply_async().get()

    def delay(self, *partial_args: Any, **partial_kwargs: Any) -> AsyncResult[R]:
        """Send it; the arguments as in `clone`.

        Args:
            partial_args: in front of its own.
            partial_kwargs: over its own.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        return self.apply_async(partial_args, partial_kwargs)

    def apply_async(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult[R]:
        """Send it.

        Args:
            args: in front of its own.
            kwargs: over its own.
            options: calling options, over its own.

        Raises:
            OperationalError: the broker cannot be reached.
            TypeError: the task takes other arguments, or there is no such option.
        """
        handle: AsyncResult[R] = self.app.workflows.publish(self, args or (), kwargs or {}, options)
        return handle

    def apply(self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> EagerResult[R]:
        """Run it here and now, as a worker would; the arguments are those of `apply_async`.

        Args:
            args: in front of its own.
            kwargs: over its own.
            options: calling options, and ``throw``: raise what the task raises.
        """
        result: EagerResult[R] = self.app.workflows.run(self, args or (), kwargs or {}, options)
        return result

    # looks

    def reprcall(self, *args: Any) -> str:
        """Write its call as Python.

        Args:
            args: in front of its own.
        """
        own = shapes.merged(self, args)
        shown = [*map(repr, own["args"]), *(f"{name}={value!r}" for name, value in own["kwargs"].items())]
        return f"{self.task}({', '.join(shown)})"

    def __repr__(self) -> str:
        return self.reprcall()

    @property
    def AsyncResult(self) -> Callable[[str], AsyncResult[R]]:  # noqa: N802 - Celery's name
        """The class of its results."""
        found: Callable[[str], AsyncResult[R]] = self.app.AsyncResult
        return found


def signature(varies: Any, *args: Any, **kwargs: Any) -> Signature[Any]:
    """A signature of a dict, or a new one; the arguments are those of `Signature`.

    Args:
        varies: a signature, as an object or a dict, which is copied; a task or its name.
        args: as `Signature`.
        kwargs: as `Signature`.
    """
    if isinstance(varies, Mapping):
        app = kwargs.get("app")
        return varies.clone() if isinstance(varies, Signature) else Signature.from_dict(varies, app)
    return Signature(varies, *args, **kwargs)


def maybe_signature(d: Any, app: Any = None, clone: bool = False) -> Any:
    """A signature object of a dict; ``None`` and what is no dict stay what they are.

    Args:
        d: a dict, a signature or anything.
        app: whose it is.
        clone: copy what is a signature already.
    """
    if not isinstance(d, Mapping):
        return d
    if not isinstance(d, Signature):
        return Signature.from_dict(d, app)
    found = d.clone() if clone else d
    return found if app is None else found.belong(app)


#: Celery's older name.
subtask = signature
