"""`ResultSet`: several results in their order (Celery 5.7's interface)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, Union, overload

from umbel import current, states
from umbel.results.base import ResultStore
from umbel.results.handles import gathering, joining
from umbel.results.handles.async_result import AsyncResult
from umbel.results.meta import to_meta
from umbel.typing import R

Member = Union[AsyncResult[Any], "ResultSet[Any]"]


class ResultSet(Generic[R]):
    """Results of several tasks. Each task is in it once.

    Args:
        results: results, or sets and groups of such.
        app: the current app when not given.
    """

    #: The app that is meant where none is given: set in the classes that an app has (``app.GroupResult``).
    bound_app: ClassVar[Any] = None

    @overload
    def __init__(self, results: Iterable[AsyncResult[R]], app: Any = None) -> None: ...
    @overload
    def __init__(self: ResultSet[Any], results: Iterable[Member], app: Any = None) -> None: ...
    def __init__(self, results: Iterable[Any], app: Any = None) -> None:
        self.results: list[Member] = []
        self._app = app if app is not None else self.bound_app
        self.update(results)

    @classmethod
    def bound_to(cls, app: Any) -> type[ResultSet[Any]]:
        """Make a class of this kind that belongs to an app.

        Args:
            app: used where no other is given.
        """
        return type(cls.__name__, (cls,), {"bound_app": app, "__module__": cls.__module__})

    @property
    def app(self) -> Any:
        """The app that the results belong to."""
        if self._app is None:
            self._app = self.results[0].app if self.results else current.find_app()
        return self._app

    @property
    def backend(self) -> ResultStore:
        """The result store."""
        store: ResultStore = self.results[0].backend if self.results else self.app.store
        return store

    #: Waiting for all takes few round trips on every store.
    supports_native_join = True

    # its members

    def add(self, result: Member) -> None:
        """Append a result, unless it is in.

        Args:
            result: of a task or a group.
        """
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Member | str) -> None:
        """Take a result out.

        Args:
            result: the result, or its id.

        Raises:
            KeyError: it is not in.
        """
        for place, member in enumerate(self.results):
            if member == result or getattr(member, "id", None) == result:
                del self.results[place]
                return
        raise KeyError(result)

    def discard(self, result: Member | str) -> None:
        """Take a result out, if it is in.

        Args:
            result: the result, or its id.
        """
        if result in self:
            self.remove(result)

    def update(self, results: Iterable[Member]) -> None:
        """Append those that are not in.

        Args:
            results: of tasks and groups.
        """
        known = {getattr(member, "id", None) for member in self.results}
        for result in results:
            name = getattr(result, "id", None)
            if name is None or name not in known:
                known.add(name)
                self.results.append(result)

    def clear(self) -> None:
        """Take all out."""
        self.results.clear()

    def __contains__(self, result: object) -> bool:
        return any(member == result or getattr(member, "id", None) == result for member in self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.results)

    def __getitem__(self, place: int) -> Member:
        return self.results[place]

    def __eq__(self, other: object) -> bool:
        return other.results == self.results if isinstance(other, ResultSet) else NotImplemented

    def __hash__(self) -> int:
        raise TypeError(f"{type(self).__name__} can change: it has no hash")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(str(getattr(member, 'id', member)) for member in self.results)}]>"

    def leaves(self) -> list[AsyncResult[Any]]:
        """List the results of tasks, those in groups too, in order."""
        found: list[AsyncResult[Any]] = []
        left: list[Member] = self.results[::-1]
        while left:
            member = left.pop()
            if isinstance(member, ResultSet):
                left += member.results[::-1]
            else:
                found.append(member)
        return found

    # how they stand

    def _looked(self) -> list[AsyncResult[Any]]:
        leaves = self.leaves()
        gathering.look(leaves)
        return leaves

    def ready(self) -> bool:
        """Report whether all have ended."""
        return all(leaf.is_known or leaf.ready() for leaf in self._looked())

    def successful(self) -> bool:
        """Report whether all have succeeded."""
        return all(leaf.is_known and leaf.successful() for leaf in self._looked())

    def failed(self) -> bool:
        """Report whether one has failed."""
        return any(leaf.is_known and leaf.failed() for leaf in self._looked())

    def waiting(self) -> bool:
        """Report whether one has not ended."""
        return not self.ready()

    def completed_count(self) -> int:
        """Count those that have succeeded."""
        return sum(leaf.is_known and leaf.successful() for leaf in self._looked())

    def maybe_throw(self, callback: Callable[[str, Any], object] | None = None, propagate: bool = True) -> None:
        """Raise the exception of the first that has failed.

        Args:
            callback: called with the id and the value of each.
            propagate: raise.
        """
        for leaf in self._looked():
            leaf.maybe_throw(callback=callback, propagate=propagate)

    maybe_reraise = maybe_throw

    # waiting for them

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], object] | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        disable_sync_subtasks: bool = True,
        on_interval: Callable[[], object] | None = None,
    ) -> list[R]:
        """Wait until all tasks have ended; return their values in order, those of a group as a list of its own.

        Args:
            timeout: seconds for all of them; ``None`` is for ever.
            propagate: raise the exception of one that has failed, the first in order; one that fails while others still run is not waited past. Else it
                stands among the values.
            interval: seconds between two calls of ``on_interval``.
            callback: called with the id and the value of each, in order, in place of returning the values.
            no_ack: without meaning here.
            on_message: called with each stored state seen while waiting, as a mapping.
            disable_sync_subtasks: refuse to wait inside a task.
            on_interval: called every ``interval`` seconds.

        Raises:
            TimeoutError: they have not ended in time.
            RuntimeError: called inside a task.
        """
        del no_ack
        if disable_sync_subtasks:
            joining.assert_will_not_block()
        deadline, leaves = gathering.deadline_of(timeout), self.leaves()
        window = gathering.Window(leaves)
        for place, leaf in enumerate(leaves):
            window.look(place)
            between = on_interval
            if propagate and place + 1 < len(leaves):
                between = partial(self._raise_for_failed, leaves[place + 1 : place + 1 + gathering.MANY], on_interval)
            leaf.get(gathering.left(deadline), propagate, interval, on_message=on_message, on_interval=between, disable_sync_subtasks=False)
            if callback is not None:
                callback(leaf.id, leaf.result)
        return self.values() if callback is None else []

    @staticmethod
    def _raise_for_failed(others: Sequence[AsyncResult[Any]], on_interval: Callable[[], object] | None) -> None:
        """While one is waited for: raise where another has failed."""
        if on_interval is not None:
            on_interval()
        gathering.look(others)
        for leaf in others:
            if leaf.is_known:
                leaf.maybe_throw()

    join = get
    join_native = get

    async def aget(self, timeout: float | None = None, propagate: bool = True, disable_sync_subtasks: bool = True) -> list[R]:
        """`get` for coroutines; never blocks the event loop.

        Args:
            timeout: seconds for all of them; ``None`` is for ever.
            propagate: raise the exception of the first in order that has failed.
            disable_sync_subtasks: refuse to wait inside a task.

        Raises:
            TimeoutError: they have not ended in time.
            RuntimeError: called inside a task.
        """
        import asyncio

        if disable_sync_subtasks:
            joining.assert_will_not_block()
        deadline, leaves = gathering.deadline_of(timeout), self.leaves()
        window = gathering.Window(leaves)
        for place, leaf in enumerate(leaves):
            if not leaf.is_known:
                await asyncio.to_thread(window.look, place)
            await leaf.aget(gathering.left(deadline), propagate, disable_sync_subtasks=False)
        return self.values()

    def values(self) -> list[R]:
        """List what the results are now, in order and nested as they are: values, exceptions, or ``None``."""
        found: list[Any] = [member.values() if isinstance(member, ResultSet) else member.result for member in self.results]
        return found

    def iterate(self, timeout: float | None = None, propagate: bool = True, interval: float = 0.5) -> Iterator[R]:
        """Yield the values as the tasks end.

        Args:
            timeout: seconds for all of them; ``None`` is for ever.
            propagate: raise the exception of one that has failed.
            interval: without meaning here.

        Raises:
            TimeoutError: some have not ended in time.
        """
        del interval
        for leaf in gathering.as_they_end(self.leaves(), timeout):
            yield leaf.get(propagate=propagate, disable_sync_subtasks=False)

    def iter_native(
        self,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (id, stored state as a mapping) as the tasks end.

        Args:
            timeout: seconds for all of them; ``None`` is for ever.
            interval: without meaning here, as is the next.
            no_ack: without meaning here.
            on_message: called with each mapping before it is yielded.
            on_interval: called while none has ended, several times a second.

        Raises:
            TimeoutError: some have not ended in time.
        """
        del interval, no_ack
        for leaf in gathering.as_they_end(self.leaves(), timeout, on_interval):
            meta = to_meta(leaf.record())
            if on_message is not None:
                on_message(meta)
            yield leaf.id, meta

    def __aiter__(self) -> AsyncIterator[AsyncResult[Any]]:
        """Results as their tasks end: ``async for result in group_result``."""
        return gathering.as_they_end_async(self.leaves(), None)

    def then(
        self, callback: Callable[[Any], object], on_error: Callable[[Any], object] | None = None, weak: bool = False
    ) -> Callable[[Any], object]:
        """Call back with this set as soon as it learns that all have ended, or ``on_error`` with the exception of one that has failed.

        Args:
            callback: called once.
            on_error: called once, in its place.
            weak: without meaning here.
        """
        del weak
        missing = {id(leaf) for leaf in self.leaves()}

        def ended(leaf: AsyncResult[Any]) -> None:
            missing.discard(id(leaf))
            if missing:
                return
            failed = next((leaf for leaf in self.leaves() if leaf.state in states.PROPAGATE_STATES), None)
            if failed is not None and on_error is not None:
                on_error(failed.result)
            else:
                callback(self)

        for leaf in self.leaves():
            leaf.then(ended)
        return callback

    def forget(self) -> None:
        """Drop the records of all."""
        leaves = self.leaves()
        if leaves:
            self.backend.forget([leaf.id for leaf in leaves])
        for leaf in leaves:
            leaf.unlearn()

    def revoke(
        self,
        connection: Any = None,
        terminate: bool = False,
        signal: str | int | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Have none of the tasks run, with one request for all; see `AsyncResult.revoke`.

        Args:
            connection: Celery's; without effect.
            terminate: as for `AsyncResult.revoke`.
            signal: likewise.
            wait: likewise.
            timeout: likewise.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        del connection
        ids = [leaf.id for leaf in self.leaves()]
        return self.app.control.revoke(ids, terminate=terminate, signal=signal, reply=wait, timeout=timeout) if ids else None
