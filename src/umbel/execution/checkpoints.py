"""Checkpoints: how far a task has come, kept beside its record until it has ended, for the run that follows when its worker dies.

A checkpoint is a record of the result store under an id of its own, so every store that clients share keeps it, and drops it when results expire.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from umbel import states
from umbel.errors import EncodeError, ImproperlyConfigured, OperationalError
from umbel.execution.model import Effect, Execution, RunHandlers, Store, Verdict
from umbel.results.base import ResultStore
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers

logger: logging.Logger = logging.getLogger("umbel.execution")

#: The state of its record; no task has it.
CHECKPOINT: Final = "CHECKPOINT"
#: Bytes that a checkpoint may take as the result serializer writes it.
MOST_BYTES: Final = 256 * 1024
#: Seconds between two that are written.
INTERVAL: Final = 1.0


def checkpoint_id(task_id: str) -> str:
    """Name the record of a task's checkpoint.

    Args:
        task_id: of the task.
    """
    return f"{task_id}:checkpoint"


class Checkpoints:
    """The checkpoint of one run.

    Args:
        store: the result store; ``None`` keeps it for this run only.
        task_id: of the task.
        monotonic: tells seconds.
    """

    def __init__(self, store: ResultStore | None, task_id: str, monotonic: Callable[[], float] = SYSTEM.monotonic) -> None:
        self._store = store
        self._id = checkpoint_id(task_id)
        self._task_id = task_id
        self._monotonic = monotonic
        self._state: Any = None
        self._is_known = store is None
        #: The state is newer than what is stored.
        self._is_unsaved = False
        #: The store may have one.
        self._is_stored = False
        self._due = 0.0

    def read(self) -> Any:
        """Return the last state, of this run or one before; ``None`` where there is none.

        Raises:
            OperationalError: the store cannot be reached.
        """
        if not self._is_known and self._store is not None:
            record = self._store.fetch([self._id]).get(self._id)
            self._is_known, self._is_stored = True, record is not None
            self._state = None if record is None else record.result
        return self._state

    def save(self, state: Any, *, force: bool) -> bool:
        """Have a state kept; returns whether it is stored now.

        Args:
            state: what the result serializer can write.
            force: store it even if one was stored a moment ago.

        Raises:
            EncodeError: it cannot be written, or is too large.
        """
        self._state, self._is_known, self._is_unsaved = state, True, True
        now = self._monotonic()
        if self._store is None or (now < self._due and not force):
            return False
        record = self.record()
        self._due = now + INTERVAL
        try:
            self._store.store([record])
        except OperationalError as error:
            logger.warning("The checkpoint of task %s could not be stored: %s. The task goes on.", self._task_id, error)
            return False
        self._is_stored, self._is_unsaved = True, False
        return True

    def record(self) -> Record:
        """Make the record of the last state.

        Raises:
            EncodeError: it cannot be written, or is too large.
        """
        assert self._store is not None
        try:
            _, _, data = serializers.dumps(self._state, self._store.options.serializer)
        except EncodeError as error:
            raise EncodeError(f"the checkpoint of task {self._task_id} cannot be stored: {error}") from error
        if len(data) > MOST_BYTES:
            raise EncodeError(
                f"the checkpoint of task {self._task_id} is {len(data):,} bytes long, and may be {MOST_BYTES:,}: keep in it where the work stands,"
                " and the work itself elsewhere"
            )
        return Record(task_id=self._id, status=CHECKPOINT, result=self._state)

    def effects_of_end(self, *, goes_on: bool) -> tuple[Effect, ...]:
        """Decide what becomes of the checkpoint when the run has ended.

        Args:
            goes_on: there will be another run.
        """
        if self._store is None:
            return ()
        if not goes_on:
            return (RunHandlers(partial(self._drop, self._store)),) if self._is_stored else ()
        try:
            return (Store(self.record()),) if self._is_unsaved else ()
        except EncodeError as error:
            logger.error("%s", error)
            return ()

    def _drop(self, store: ResultStore) -> None:
        try:
            store.forget([self._id])
        except OperationalError as error:
            logger.warning("The checkpoint of task %s stays until results expire: %s", self._task_id, error)


def checkpoints_of(request: Any) -> Checkpoints:
    """Find the checkpoint of a run.

    Args:
        request: of the run (`umbel.execution.request.Request`).

    Raises:
        ImproperlyConfigured: the app has no result store that keeps one.
    """
    found: Checkpoints | None = request.checkpoints
    if found is None:
        store = None
        if request.id is not None and not request.is_eager:
            store = request.task_object.app.store
            if store is None or not store.shared:
                kind = "there is none" if store is None else f"{store.public_url()} keeps none"
                raise ImproperlyConfigured(
                    f"task {request.task} has checkpoints, which need a result store such as Redis, SQLite or an SQL database: {kind} (result_backend)"
                )
        found = request.checkpoints = Checkpoints(store, request.id or "")
    return found


def with_checkpoint(checkpoints: Checkpoints, execution: Execution) -> Execution:
    """Let the end of a run keep its checkpoint where the task goes on, and drop it where it has ended.

    Args:
        checkpoints: of the run.
        execution: its end.
    """
    goes_on = execution.state == states.RETRY or execution.verdict is Verdict.REQUEUE
    own = execution.effects
    place = next((place for place, effect in enumerate(own) if type(effect) is not Store), len(own))
    more = checkpoints.effects_of_end(goes_on=goes_on)
    return execution._replace(effects=(*own[:place], *more, *own[place:]) if goes_on else (*own, *more))
