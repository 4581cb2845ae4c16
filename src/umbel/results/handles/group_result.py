"""`GroupResult`: the results of a group, which has an id and can be saved (Celery 5.7's interface)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from umbel import current
from umbel.errors import ChordError, ImproperlyConfigured
from umbel.messages.ids import uuid7
from umbel.results.base import ResultStore
from umbel.results.group_store import GroupStore
from umbel.results.handles.async_result import AsyncResult
from umbel.results.handles.result_set import Member, ResultSet
from umbel.runtime.clock import SYSTEM
from umbel.typing import R

if TYPE_CHECKING:
    from umbel.results.workflow import Workflow


class GroupResult(ResultSet[R]):
    """The results of the tasks of a group.

    Args:
        id: of the group; a new one when not given.
        results: of its members, in order. One task may be in it more than once.
        parent: the result of what came before the group in a chain.
        app: the current app when not given.
    """

    @overload
    def __init__(self, id: str | None, results: Iterable[AsyncResult[R]], parent: Any = None, app: Any = None) -> None: ...
    @overload
    def __init__(
        self: GroupResult[Any], id: str | None = None, results: Iterable[Member] | None = None, parent: Any = None, app: Any = None
    ) -> None: ...
    def __init__(self, id: str | None = None, results: Iterable[Any] | None = None, parent: Any = None, app: Any = None) -> None:
        self.id: str = id or uuid7(SYSTEM.now())
        self.parent = parent
        super().__init__((), app)
        self.results: list[Member] = list(results or ())

    def __bool__(self) -> bool:
        """True, also of an empty group."""
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id} [{', '.join(str(getattr(member, 'id', member)) for member in self.results)}]>"

    def __str__(self) -> str:
        return self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GroupResult):
            return (self.id, self.parent, self.results) == (other.id, other.parent, other.results)
        return self.id == other if isinstance(other, str) else NotImplemented

    def __reduce__(self) -> tuple[Any, ...]:
        return GroupResult, (self.id, self.results, self.parent)

    @classmethod
    def bound_to(cls, app: Any) -> type[GroupResult[Any]]:
        """Make a class of this kind that belongs to an app.

        Args:
            app: used where no other is given.
        """
        return type(cls.__name__, (cls,), {"bound_app": app, "__module__": cls.__module__})

    @property
    def children(self) -> list[Member]:
        """Its results."""
        return self.results

    def as_tuple(self) -> tuple[tuple[str, Any], list[Any]]:
        """Its form inside other messages and results: ``((id, parent), [member, …])``."""
        parent = self.parent.as_tuple() if self.parent is not None else None
        return (self.id, parent), [member.as_tuple() for member in self.results if isinstance(member, (AsyncResult, GroupResult))]

    #: A task may return it; JSON holds it as its tuple.
    __json__ = as_tuple

    def get(self, *args: Any, **kwargs: Any) -> list[R]:
        """Wait, as `ResultSet.get`. Of a chord's body that is a group, a member's `ChordError` gives way to the error of the header's task, as for a task.

        Args:
            args: of `ResultSet.get`.
            kwargs: likewise.
        """
        try:
            return super().get(*args, **kwargs)
        except ChordError:
            self._raise_for_parents()
            raise

    join = join_native = get

    async def aget(self, *args: Any, **kwargs: Any) -> list[R]:
        """`get` for coroutines; never blocks the event loop.

        Args:
            args: of `ResultSet.aget`.
            kwargs: likewise.
        """
        import asyncio

        try:
            return await super().aget(*args, **kwargs)
        except ChordError:
            await asyncio.to_thread(self._raise_for_parents)
            raise

    def _raise_for_parents(self) -> None:
        line: list[Any] = []
        node = self.parent
        while node is not None:
            line.append(node)
            node = node.parent
        for node in reversed(line):
            node.maybe_throw()

    def get_leaf(self) -> list[Any]:
        """Return the values of its members, which must have ended."""
        return self.get()

    def workflow(self, depth: int | None = None, nodes: int | None = None) -> Workflow:
        """Look at the workflow that this group is part of, as far as the handle, the store and the ids in it tell; waits for nothing.

        Args:
            depth: levels that are read at most; 1,000 when not given.
            nodes: tasks and groups that are read at most; 20,000 when not given.

        Raises:
            ImproperlyConfigured: there is no result store.
            OperationalError: the store cannot be reached.
            ValueError: ``depth`` or ``nodes`` is less than 1.
        """
        from umbel.results.workflow import reading

        return reading.reader_of(self, depth, nodes).read()

    # kept in the store

    def save(self, backend: ResultStore | None = None) -> None:
        """Keep which tasks are in the group, for `restore`.

        Args:
            backend: the result store; the app's when not given.

        Raises:
            ImproperlyConfigured: the store cannot keep groups (rpc://), or there is none.
        """
        _groups(backend or self.backend).save(self.id, self.as_tuple())

    def delete(self, backend: ResultStore | None = None) -> None:
        """Drop what `save` has kept; results stay.

        Args:
            backend: the result store; the app's when not given.
        """
        _groups(backend or self.backend).forget(self.id)

    @classmethod
    def restore(cls, id: str, backend: ResultStore | None = None, app: Any = None) -> GroupResult[Any] | None:
        """Read a group that was saved; ``None`` when there is none of this id.

        Args:
            id: of the group.
            backend: the result store; the app's when not given.
            app: the current app when not given.
        """
        app = app or cls.bound_app or current.find_app()
        store = backend if backend is not None else app.store
        if store is None:
            raise ImproperlyConfigured("no result store is configured: set result_backend, e.g. to redis://localhost:6379/1")
        tree = _groups(store).tree(id)
        if tree is None:
            return None
        found = result_from_tuple(tree, app, backend)
        return found if isinstance(found, GroupResult) else cls(id, [found], app=app)


def _groups(store: ResultStore) -> GroupStore:
    if store.groups is None:
        raise ImproperlyConfigured(
            f"the result store {store.public_url()} cannot keep groups: use redis://, sqlite:// or another shared store"
        )
    return store.groups


def result_from_tuple(tree: Any, app: Any = None, backend: ResultStore | None = None) -> Any:
    """Build the result of a task or a group from its form in messages and stores.

    Args:
        tree: of `AsyncResult.as_tuple` or `GroupResult.as_tuple`, perhaps as lists; also an id, or a result, which is returned.
        app: the current app when not given.
        backend: the result store; the app's when not given.
    """
    if isinstance(tree, (AsyncResult, ResultSet)):
        return tree
    if isinstance(tree, (list, tuple)) and len(tree) == 2:
        head, members = tree
        task_id, parent = head if isinstance(head, (list, tuple)) and len(head) == 2 else (head, None)
        before = result_from_tuple(parent, app, backend) if parent else None
        if isinstance(members, (list, tuple)):
            return GroupResult(str(task_id), [result_from_tuple(member, app, backend) for member in members], before, app)
        return AsyncResult(str(task_id), backend, app=app, parent=before)
    return AsyncResult(str(tree), backend, app=app)
