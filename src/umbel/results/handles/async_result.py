"""`AsyncResult`: what a caller holds of a task (Celery 5.7's interface)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from umbel import states
from umbel.errors import IncompleteStream, TimeoutError
from umbel.messages import ids
from umbel.results.handles import joining
from umbel.results.handles.record_view import RecordView
from umbel.results.handles.revocable import Revocable
from umbel.results.model import Record

if TYPE_CHECKING:
    from umbel.results.workflow import Workflow
    from umbel.results.workflow.graph import DependencyGraph

R = TypeVar("R")

#: Members of a header that are read while the body is waited for.
_SMALL = 100


class AsyncResult(RecordView, Revocable, Generic[R]):
    """The result of a task, now or later.

    Args:
        id: the task's id.
        backend: the result store; the app's when not given.
        task_name: shown where no record tells it.
        app: the current app when not given.
        parent: the result of the task before it in a chain.
    """

    TimeoutError = TimeoutError

    parent: AsyncResult[Any] | None

    #: Builds the results of what a task has sent, groups too; see `group_result`, which knows both kinds.
    from_tuple: ClassVar[Callable[..., Any]]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __str__(self) -> str:
        return str(self.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return self.id == other.id
        return self.id == other if isinstance(other, str) else NotImplemented

    def __copy__(self) -> AsyncResult[R]:
        return self.__class__(*self.__reduce__()[1])

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__class__, (self.id, None, self._task_name, None, self.parent)

    def as_tuple(self) -> tuple[tuple[str, Any], None]:
        """Its form inside other messages and results: ``((id, parent), None)``."""
        return (self.id, self.parent.as_tuple() if self.parent else None), None

    #: A task may return it; JSON holds it as its tuple.
    __json__ = as_tuple

    def as_list(self) -> list[str]:
        """The ids of this task and those before it."""
        return [self.id, *(self.parent.as_list() if self.parent else [])]

    # waiting

    def get(  # noqa: PLR0913, PLR0917 - Celery's interface
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        no_ack: bool = True,
        follow_parents: bool = True,
        callback: Callable[[str, Any], object] | None = None,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        disable_sync_subtasks: bool = True,
        EXCEPTION_STATES: object = None,  # noqa: N803 - Celery's
        PROPAGATE_STATES: object = None,  # noqa: N803
    ) -> R:
        """Wait until the task has ended; return what it returned or raise what it raised.

        Args:
            timeout: seconds; ``None`` is for ever.
            propagate: raise the task's exception; else return it.
            interval: seconds between two calls of ``on_interval``; results are pushed, not polled for.
            no_ack: without meaning here.
            follow_parents: raise the exception of a task before it, too, in its chain or in the header of its chord.
            callback: called with the id and the value.
            on_message: called with each stored state seen while waiting, as a mapping.
            on_interval: called every ``interval`` seconds.
            disable_sync_subtasks: refuse to wait inside a task.
            EXCEPTION_STATES: without meaning here.
            PROPAGATE_STATES: without meaning here.

        Raises:
            TimeoutError: it has not ended in time.
            ResultExpired: it is gone, or waits or runs for longer than results are kept. A `TimeoutError`, too: raised when the time is over, and at
                once where ``timeout`` is ``None``.
            UnknownTaskId: it was never sent.
            RuntimeError: called inside a task.
        """
        del no_ack, EXCEPTION_STATES, PROPAGATE_STATES
        if self.ignored:
            return cast("R", None)
        if disable_sync_subtasks:
            joining.assert_will_not_block()
        watched = follow_parents and propagate and self.parent is not None
        if watched:
            self._raise_for_parents()
        if self._final is None:
            guess = joining.refuse_hopeless(self, timeout)
            seen = joining.as_meta(on_message) if on_message is not None else None
            with joining.timing_out_as(guess):
                if watched or on_interval is not None:
                    between = self._raise_for_parents if watched else None
                    self._finish(joining.wait_in_slices(self, timeout, interval, seen, (between, on_interval)))
                else:
                    self._finish(self.backend.wait(self.id, timeout, seen))
            if seen is not None:
                seen(cast("Record", self._final))
        if watched and self.state in states.PROPAGATE_STATES:
            self._raise_for_parents(ended=True)
        return self._outcome(propagate, callback)

    wait = get

    async def aget(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        callback: Callable[[str, Any], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """`get` for coroutines; never blocks the event loop.

        Args:
            timeout: seconds; ``None`` is for ever.
            propagate: raise the task's exception; else return it.
            callback: called with the id and the value.
            disable_sync_subtasks: refuse to wait inside a task.

        Raises:
            TimeoutError: it has not ended in time.
            ResultExpired: as for `get`.
            UnknownTaskId: it was never sent.
            RuntimeError: called inside a task.
        """
        import asyncio

        if self.ignored:
            return cast("R", None)
        if disable_sync_subtasks:
            joining.assert_will_not_block()
        if self._final is None:
            guess = await asyncio.to_thread(joining.refuse_hopeless, self, timeout) if ids.begins_at(self.id) is not None else None
            with joining.timing_out_as(guess):
                self._finish(await self.backend.wait_async(self.id, timeout))
        if propagate and self.parent is not None and self.state in states.PROPAGATE_STATES:
            await asyncio.to_thread(self._raise_for_parents, ended=True)
        return self._outcome(propagate, callback)

    def _raise_for_parents(self, ended: bool = False) -> None:
        """Raise the first error of the tasks before this one. As in Celery (5.7), that of a chord's header is its member's, not the body's `ChordError`.

        Args:
            ended: this one has failed; else that is found out by the tasks before it, without reading large headers again and again.
        """
        line: list[Any] = []
        node: Any = self.parent
        while node is not None:
            line.append(node)
            node = node.parent
        if ended or any(isinstance(node, AsyncResult) and node.state in states.PROPAGATE_STATES for node in line):
            for node in reversed(line):
                node.maybe_throw()
            return
        for node in reversed(line):
            if not isinstance(node, AsyncResult) and len(node.leaves()) <= _SMALL:
                node.maybe_throw()

    def _outcome(self, propagate: bool, callback: Callable[[str, Any], object] | None) -> R:
        if propagate:
            self.maybe_throw(callback=callback)
        elif callback is not None:
            callback(self.id, self._value)
        return cast("R", self._value)

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], object] | None = None) -> Any:
        """Raise the task's exception if it has failed or was revoked; else return its value, ``None`` where it has not ended. Never waits.

        Args:
            propagate: ``False`` returns the exception.
            callback: called with the id and the value, where nothing is raised.
        """
        record = self._record()
        value = None if record is None else self.result
        if record is not None and propagate and record.status in states.PROPAGATE_STATES:
            self.throw(value, record.traceback)
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def throw(self, value: Any, traceback: str | None = None) -> None:
        """Raise an exception, with the worker's traceback as a note.

        Args:
            value: the exception; what is none is raised in an ``Exception``.
            traceback: the worker's, as text.
        """
        error = value if isinstance(value, BaseException) else Exception(value)
        if traceback and not getattr(error, "__notes__", None):
            error.add_note(f"\nOn the worker:\n{traceback.rstrip()}")
        raise error.with_traceback(None)  # that of the last time it was raised has nothing to do with this one

    def then(
        self, callback: Callable[[Any], object], on_error: Callable[[Any], object] | None = None, weak: bool = False
    ) -> Callable[[Any], object]:
        """Call back as soon as this handle learns that the task has ended; returns the callback.

        Args:
            callback: called with this handle.
            on_error: called with the exception, in place of ``callback``, where the task has failed.
            weak: ignored; callbacks are held.
        """
        del weak
        if self._final is not None:
            self._tell(callback, on_error)
        else:
            self._callbacks.append((callback, on_error))
        return callback

    def forget(self) -> None:
        """Drop the record, and those of the tasks before it."""
        self._final = None
        if self.parent is not None:
            self.parent.forget()
        self.backend.forget([self.id])

    # what it has led to

    @property
    def children(self) -> list[Any] | None:
        """The tasks and groups that this one has sent; ``None`` where nothing is known. Of a chain, that is its first task, whose children are the rest."""
        record = self._record()
        if record is None or record.children is None:
            return None
        return [_first_task(self.from_tuple(child, self._app, self._store)) for child in record.children]

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[AsyncResult[Any] | None, AsyncResult[Any]]]:
        """(parent, result) of this task and all that came of it, the nearest first.

        Args:
            intermediate: pass over what came of a task that has not ended.

        Raises:
            IncompleteStream: one has not ended, unless ``intermediate``.
        """
        waiting: list[tuple[AsyncResult[Any] | None, AsyncResult[Any]]] = [(None, self)]
        while waiting:
            parent, node = waiting.pop(0)
            yield parent, node
            if node.ready():
                waiting += [(node, child) for child in node.children or ()]
            elif not intermediate:
                raise IncompleteStream

    def collect(self, intermediate: bool = False, **options: Any) -> Iterator[tuple[AsyncResult[Any], Any]]:
        """(result, value) of this task and all that came of it; waits for each.

        Args:
            intermediate: as for `iterdeps`.
            **options: arguments of `get`.
        """
        for _, node in self.iterdeps(intermediate):
            yield node, node.get(**options)

    def get_leaf(self) -> Any:
        """The value of the last task that came of this one."""
        return list(self.collect())[-1][1]

    def build_graph(self, intermediate: bool = False, formatter: Callable[[Any], str] | None = None) -> DependencyGraph:
        """Make a graph of this task and all that came of it.

        Args:
            intermediate: pass over what came of a task that has not ended.
            formatter: makes the label of a result in the graph's ``to_dot``.

        Raises:
            IncompleteStream: one has not ended, unless ``intermediate``.
        """
        from umbel.results.workflow.graph import graph_of

        return graph_of(self, intermediate=intermediate, formatter=formatter)

    @property
    def graph(self) -> DependencyGraph:
        """The graph of this task and all that came of it, which must have ended; see `build_graph`."""
        return self.build_graph()

    def workflow(self, depth: int | None = None, nodes: int | None = None) -> Workflow:
        """Look at the workflow that this task is part of, as far as the handle, the store and the ids in it tell; waits for nothing.

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

    def save(self) -> None:
        """Keep which tasks and groups are before this result as long as results are kept, so that its `workflow` is whole in any process.

        Raises:
            ImproperlyConfigured: the store keeps no groups (rpc://).
        """
        from umbel.results.workflow import reading

        reading.save(self, self.backend)


def _first_task(sent: Any) -> Any:
    """The first task in a line of results; what is stored is its last one. Without tasks: the group at its end."""
    found, node = sent, sent
    while node is not None:
        if isinstance(node, AsyncResult):
            found = node
        node = node.parent
    return found
