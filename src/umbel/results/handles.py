"""What a caller holds of a task: `AsyncResult`, and `EagerResult` for a task that has run already (Celery 5.7's interface).

Without a record, a state is concluded from the id: ``PENDING`` while the task may be waiting, ``EXPIRED`` when the id (a UUIDv7, which carries the time at which its
task may begin) is older than results are kept, ``UNKNOWN`` when the app keeps a record of everything it sends and there is none. An id that tells no time stays ``PENDING``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from umbel import current, planned, states
from umbel.errors import ImproperlyConfigured, IncompleteStream, ResultExpired, TimeoutError, UnknownTaskId
from umbel.messages import ids
from umbel.results.base import ResultStore
from umbel.results.meta import absent_state, expired, is_terminal, to_meta
from umbel.results.model import Record
from umbel.wire import failures

R = TypeVar("R")

#: States that waiting does not change: get() returns or raises at once. EXPIRED is a guess: the task may still wait behind others, or run.
_SETTLED = states.READY_STATES | {states.UNKNOWN}
_WOULD_BLOCK = (
    "Never call result.get() within a task: the worker may have no free slot for the other one. "
    "Use a callback, or allow it here with allow_join_result() or disable_sync_subtasks=False."
)


@contextlib.contextmanager
def _timing_out_as(guess: ResultExpired | None) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        if guess is None:
            raise
        raise guess from None


def assert_will_not_block() -> None:
    """Raise `RuntimeError` where waiting for a result would occupy a worker's slot."""
    if current.task_join_will_block():
        raise RuntimeError(_WOULD_BLOCK)


class AsyncResult(Generic[R]):
    """The result of a task, now or later.

    Args:
        id: the task's id.
        backend: the result store; the app's when not given.
        task_name: shown where no record tells it.
        app: the current app when not given.
        parent: the result of the task before it in a chain.
    """

    TimeoutError = TimeoutError

    def __init__(
        self,
        id: str,
        backend: ResultStore | None = None,
        task_name: str | None = None,
        app: Any = None,
        parent: AsyncResult[Any] | None = None,
    ) -> None:
        if not id:
            raise ValueError("AsyncResult needs a task id")
        self.id: str = id
        self.parent = parent
        #: The task stores no result, so that get() returns None at once.
        self.ignored = False
        self._task_name = task_name
        self._app = app
        self._store = backend
        #: The terminal record, once seen.
        self._final: Record | None = None
        self._value: Any = None
        self._callbacks: list[tuple[Callable[[Any], object], Callable[[Any], object] | None]] = []

    # who it is

    @property
    def task_id(self) -> str:
        """The id."""
        return self.id

    @property
    def app(self) -> Any:
        """The app it belongs to."""
        return self._app if self._app is not None else current.find_app()

    @property
    def backend(self) -> ResultStore:
        """The result store.

        Raises:
            ImproperlyConfigured: there is none.
        """
        store: ResultStore | None = self._store
        if store is None and self.app is not None:
            store = self.app.store
        if store is None:
            raise ImproperlyConfigured("no result store is configured: set result_backend, e.g. to redis://localhost:6379/1")
        return store

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

    def as_list(self) -> list[str]:
        """The ids of this task and those before it."""
        return [self.id, *(self.parent.as_list() if self.parent else [])]

    # how it stands

    def _record(self) -> Record | None:
        if self._final is None:
            record = self.backend.fetch([self.id]).get(self.id)
            if record is None or not is_terminal(record):
                return record
            self._finish(record)
        return self._final

    def _finish(self, record: Record) -> None:
        if self._final is None:
            self._final = record
            self._value = _value_of(record)
        callbacks, self._callbacks = self._callbacks, []
        for callback, on_error in callbacks:
            self._tell(callback, on_error)

    def _tell(self, callback: Callable[[Any], object], on_error: Callable[[Any], object] | None) -> None:
        if self._final is not None and self._final.status in states.PROPAGATE_STATES and on_error is not None:
            on_error(self._value)
        else:
            callback(self)

    def _absent(self) -> str:
        """The state of a task without a record."""
        return absent_state(self.id, self.backend, records_sent=self.app is not None and getattr(self.app.conf, "task_store_queued", False))

    @property
    def state(self) -> str:
        """The task's state, see `umbel.states`."""
        record = self._record()
        return record.status if record is not None else self._absent()

    status = state

    @property
    def result(self) -> Any:
        """The return value, the exception (not raised), the meta of a custom state, or ``None``."""
        record = self._record()
        if record is None:
            return None
        return self._value if record is self._final else _value_of(record)

    info = result

    @property
    def traceback(self) -> str | None:
        """The worker's traceback, where the task failed."""
        record = self._record()
        return record.traceback if record else None

    @property
    def children(self) -> list[AsyncResult[Any]] | None:
        """The tasks this one has sent; ``None`` where nothing is known."""
        record = self._record()
        if record is None or record.children is None:
            return None
        return [result for child in record.children for result in self._children_of(child)]

    def _children_of(self, child: Any) -> list[AsyncResult[Any]]:
        if isinstance(child, AsyncResult):
            return [child]
        try:
            (task_id, parent), members = child
            if members:  # a group: its members
                return [result for member in members for result in self._children_of(member)]
            parents = self._children_of(parent) if isinstance(parent, (list, tuple)) else []
            return [AsyncResult(task_id, self._store, app=self._app, parent=parents[0] if parents else None)]
        except (TypeError, ValueError):
            return [AsyncResult(str(child), self._store, app=self._app)]

    @property
    def date_done(self) -> datetime | None:
        """When it ended."""
        record = self._record()
        return datetime.fromisoformat(record.date_done) if record and record.date_done else None

    def _extended(self, name: str) -> Any:
        record = self._record()
        return record.extended.get(name) if record else None

    @property
    def name(self) -> str | None:
        """The task's name (stored with ``result_extended``)."""
        return cast("str | None", self._extended("name") or self._task_name)

    @property
    def args(self) -> Sequence[Any] | None:
        """Positional arguments (``result_extended``)."""
        return cast("Sequence[Any] | None", self._extended("args"))

    @property
    def kwargs(self) -> dict[str, Any] | None:
        """Keyword arguments (``result_extended``)."""
        return cast("dict[str, Any] | None", self._extended("kwargs"))

    @property
    def worker(self) -> str | None:
        """The worker that ran it (``result_extended``)."""
        return cast("str | None", self._extended("worker"))

    @property
    def retries(self) -> int | None:
        """How often it was tried again (``result_extended``)."""
        return cast("int | None", self._extended("retries"))

    @property
    def queue(self) -> str | None:
        """The queue it came from (``result_extended``)."""
        return cast("str | None", self._extended("queue"))

    def exists(self) -> bool:
        """Whether there is a record of it."""
        return self._record() is not None

    def ready(self) -> bool:
        """Whether `get` returns, or raises, without waiting."""
        return self.state in _SETTLED

    def successful(self) -> bool:
        """Whether it has succeeded."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it has failed."""
        return self.state == states.FAILURE

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
            follow_parents: raise the exception of a task before it in its chain too.
            callback: called with the id and the value.
            on_message: called with each stored state seen while waiting, as a mapping.
            on_interval: called every ``interval`` seconds.
            disable_sync_subtasks: refuse to wait inside a task.
            EXCEPTION_STATES: without meaning here, as is the next.

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
            assert_will_not_block()
        watched = follow_parents and propagate and self.parent is not None
        if watched:
            self._raise_for_parents()
        if self._final is None:
            guess = self._refuse_hopeless(timeout)
            seen = _as_meta(on_message) if on_message is not None else None
            with _timing_out_as(guess):
                if watched or on_interval is not None:
                    self._finish(self._wait_in_slices(timeout, interval, seen, on_interval, watched=watched))
                else:
                    self._finish(self.backend.wait(self.id, timeout, seen))
            if seen is not None:
                seen(cast("Record", self._final))
        return self._outcome(propagate, callback)

    wait = get

    async def aget(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        callback: Callable[[str, Any], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """`get` for coroutines; never blocks the event loop."""
        import asyncio

        if self.ignored:
            return cast("R", None)
        if disable_sync_subtasks:
            assert_will_not_block()
        if self._final is None:
            guess = await asyncio.to_thread(self._refuse_hopeless, timeout) if ids.begins_at(self.id) is not None else None
            with _timing_out_as(guess):
                self._finish(await self.backend.wait_async(self.id, timeout))
        return self._outcome(propagate, callback)

    def _refuse_hopeless(self, timeout: float | None) -> ResultExpired | None:
        """Raise where waiting may be for ever; asks the store only when the id gives reason to. Returns what to raise if waiting is in vain."""
        absent = self._absent()
        if absent != states.PENDING and self._record() is None:
            if absent == states.EXPIRED:
                guess = expired(self.id, self.backend)
                if timeout is None:
                    raise guess
                return guess
            raise UnknownTaskId(f"No task with the id {self.id} was ever sent, or its result was forgotten.")
        return None

    def _wait_in_slices(
        self,
        timeout: float | None,
        interval: float,
        seen: Callable[[Record], None] | None,
        on_interval: Callable[[], object] | None,
        *,
        watched: bool,
    ) -> Record:
        end = None if timeout is None else time.monotonic() + timeout
        interval = max(interval, 0.01)
        while True:
            left = interval if end is None else min(interval, end - time.monotonic())
            try:
                return self.backend.wait(self.id, max(left, 0.0), seen)
            except TimeoutError:
                if end is not None and time.monotonic() >= end:
                    raise
            if watched:
                self._raise_for_parents()
            if on_interval is not None:
                on_interval()

    def _raise_for_parents(self) -> None:
        node = self.parent
        while node is not None:
            node.maybe_throw()
            node = node.parent

    def _outcome(self, propagate: bool, callback: Callable[[str, Any], object] | None) -> R:
        if propagate:
            self.maybe_throw(callback=callback)
        elif callback is not None:
            callback(self.id, self._value)
        return cast("R", self._value)

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], object] | None = None) -> Any:
        """Raise the task's exception if it has failed or was revoked; else return its value."""
        record = self._record()
        value = None if record is None else self.result
        if record is not None and propagate and record.status in states.PROPAGATE_STATES:
            self.throw(value, record.traceback)
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def throw(self, value: Any, traceback: str | None = None) -> None:
        """Raise an exception, with the worker's traceback as a note."""
        error = value if isinstance(value, BaseException) else Exception(value)
        if traceback and not getattr(error, "__notes__", None):
            error.add_note(f"\nOn the worker:\n{traceback.rstrip()}")
        raise error.with_traceback(None)  # that of the last time it was raised has nothing to do with this one

    def then(
        self, callback: Callable[[Any], object], on_error: Callable[[Any], object] | None = None, weak: bool = False
    ) -> Callable[[Any], object]:
        """Call back with this handle (or ``on_error`` with the exception) as soon as this handle learns that the task has ended."""
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

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[AsyncResult[Any] | None, AsyncResult[Any]]]:
        """(parent, result) of this task and all that came of it, the nearest first.

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
        """(result, value) of this task and all that came of it."""
        for _, node in self.iterdeps(intermediate):
            yield node, node.get(**options)

    def get_leaf(self) -> Any:
        """The value of the last task that came of this one."""
        return list(self.collect())[-1][1]


if not TYPE_CHECKING:  # for type checkers there is no such attribute
    AsyncResult.__getattr__ = planned.teller("a result", planned.RESULT)


def _as_meta(on_message: Callable[[dict[str, Any]], object]) -> Callable[[Record], None]:
    def seen(record: Record) -> None:
        on_message(to_meta(record))

    return seen


def _value_of(record: Record) -> Any:
    return failures.rebuild(record.result) if record.status in states.EXCEPTION_STATES else record.result


class EagerResult(AsyncResult[R]):
    """The result of a task that has run in this process."""

    def __init__(self, id: str, ret_value: Any, state: str, traceback: str | None = None, name: str | None = None) -> None:
        super().__init__(id, task_name=name)
        self._final = Record(task_id=id, status=state, result=None, traceback=traceback)
        self._value = ret_value

    def __reduce__(self) -> tuple[Any, ...]:
        record = cast("Record", self._final)
        return self.__class__, (self.id, self._value, record.status, record.traceback, self._task_name)

    def _record(self) -> Record | None:
        return self._final

    @property
    def result(self) -> Any:
        """The return value, or the exception."""
        return self._value

    info = result

    def ready(self) -> bool:
        """It has run."""
        return True

    def forget(self) -> None:
        """Nothing is stored."""
