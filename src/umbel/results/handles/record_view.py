"""`RecordView`: what is stored of one task, read when it is asked for.

Without a record, a state is concluded from the id: ``PENDING`` while the task may be waiting, ``EXPIRED`` when the id (a UUIDv7, which carries the time at which its
task may begin) is older than results are kept, ``UNKNOWN`` when the app keeps a record of everything it sends and there is none. An id that tells no time stays ``PENDING``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

from umbel import current, states
from umbel.errors import ImproperlyConfigured
from umbel.results.base import ResultStore
from umbel.results.meta import absent_state, is_terminal
from umbel.results.model import Record
from umbel.results.progress import Progress, progress_of
from umbel.wire import failures

#: States that waiting does not change: get() returns or raises at once. EXPIRED is a guess: the task may still wait behind others, or run.
_SETTLED = states.READY_STATES | {states.UNKNOWN}


class RecordView:
    """The record of one task, and what it says; see `umbel.results.handles.async_result.AsyncResult` for the arguments."""

    # Here, not in __init__: one is made for each message.
    #: The task stores no result, so that get() returns None at once.
    ignored: bool = False
    #: The terminal record, once seen.
    _final: Record | None = None
    _value: Any = None

    def __init__(
        self,
        id: str,
        backend: ResultStore | None = None,
        task_name: str | None = None,
        app: Any = None,
        parent: Any = None,
    ) -> None:
        if not id:
            raise ValueError("AsyncResult needs a task id")
        self.id: str = id
        self.parent = parent
        self._task_name = task_name
        self._app = app
        self._store = backend
        self._callbacks: list[tuple[Callable[[Any], object], Callable[[Any], object] | None]] = []

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

    # what is stored

    def _record(self) -> Record | None:
        if self._final is None:
            record = self.backend.fetch([self.id]).get(self.id)
            if record is None or not is_terminal(record):
                return record
            self._finish(record)
        return self._final

    @property
    def is_known(self) -> bool:
        """True when no look at the store is needed any more: it has ended, or keeps no result."""
        return self._final is not None or self.ignored

    @property
    def known_record(self) -> Record | None:
        """The record of a task that is known to have ended, without a look at the store."""
        return self._final

    @property
    def known_name(self) -> str | None:
        """The task's name, where the handle has it, without a look at the store."""
        return self._task_name

    def learn(self, record: Record) -> bool:
        """Take over a record that was read with others; returns whether it says that the task has ended.

        Args:
            record: of this task.
        """
        if not is_terminal(record):
            return False
        self._finish(record)
        return True

    def unlearn(self) -> None:
        """Look at the store again the next time."""
        self._final = None

    def record(self) -> Record:
        """Return the record, one without a result where none is stored."""
        return self._record() or Record(task_id=self.id, status=self.absent_state(), children=None)

    def _finish(self, record: Record) -> None:
        if self._final is None:
            self._final = record
            self._value = value_of(record)
        callbacks, self._callbacks = self._callbacks, []
        for callback, on_error in callbacks:
            self._tell(callback, on_error)

    def _tell(self, callback: Callable[[Any], object], on_error: Callable[[Any], object] | None) -> None:
        if self._final is not None and self._final.status in states.PROPAGATE_STATES and on_error is not None:
            on_error(self._value)
        else:
            callback(self)

    def absent_state(self) -> str:
        """The state of a task without a record."""
        return absent_state(self.id, self.backend, records_sent=self.app is not None and getattr(self.app.conf, "task_store_queued", False))

    @property
    def state(self) -> str:
        """The task's state, see `umbel.states`."""
        record = self._record()
        return record.status if record is not None else self.absent_state()

    status = state

    @property
    def result(self) -> Any:
        """The return value, the exception (not raised), the meta of a custom state, or ``None``."""
        record = self._record()
        if record is None:
            return None
        return self._value if record is self._final else value_of(record)

    info = result

    @property
    def progress(self) -> Progress | None:
        """The progress that the running task tells (`Task.progress`); ``None`` where it tells none, and when it has ended."""
        return progress_of(self._record())

    @property
    def traceback(self) -> str | None:
        """The worker's traceback, where the task failed."""
        record = self._record()
        return record.traceback if record else None

    @property
    def date_done(self) -> datetime | None:
        """The time at which it ended."""
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
        """Number of attempts after the first (``result_extended``)."""
        return cast("int | None", self._extended("retries"))

    @property
    def queue(self) -> str | None:
        """The queue it came from (``result_extended``)."""
        return cast("str | None", self._extended("queue"))

    def exists(self) -> bool:
        """Report whether there is a record of it."""
        return self._record() is not None

    def ready(self) -> bool:
        """Report whether `get` returns, or raises, without waiting."""
        return self.state in _SETTLED

    def successful(self) -> bool:
        """Report whether it has succeeded."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Report whether it has failed."""
        return self.state == states.FAILURE


def value_of(record: Record) -> Any:
    """Return the value that `AsyncResult.result` shows of a record: exceptions are built again."""
    return failures.rebuild(record.result) if record.status in states.EXCEPTION_STATES else record.result
