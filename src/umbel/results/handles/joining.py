"""Waiting for a task to end: whether one may, when it is hopeless, and what is done meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from umbel import current, states
from umbel.errors import ResultExpired, TimeoutError, UnknownTaskId
from umbel.results.handles.record_view import RecordView
from umbel.results.meta import expired, to_meta
from umbel.results.model import Record

_WOULD_BLOCK = (
    "Never call result.get() within a task: the worker may have no free slot for the other one. "
    "Use a callback, or allow it here with allow_join_result() or disable_sync_subtasks=False."
)


def assert_will_not_block() -> None:
    """Raise `RuntimeError` where waiting for a result would occupy a worker's slot."""
    if current.task_join_will_block():
        raise RuntimeError(_WOULD_BLOCK)


@contextlib.contextmanager
def timing_out_as(guess: ResultExpired | None) -> Iterator[None]:
    """Raise this in place of a `TimeoutError`, where it is known why the wait was in vain."""
    try:
        yield
    except TimeoutError:
        if guess is None:
            raise
        raise guess from None


def refuse_hopeless(result: RecordView, timeout: float | None) -> ResultExpired | None:
    """Raise where waiting may be for ever; asks the store only when the id gives reason to.

    Args:
        result: the task.
        timeout: seconds of the wait that is to come; ``None`` is for ever.

    Returns:
        An exception to raise if waiting is in vain.

    Raises:
        ResultExpired: the record is gone, or late, and the wait would be for ever.
        UnknownTaskId: the task was never sent.
    """
    absent = result.absent_state()
    if absent != states.PENDING and not result.exists():
        if absent == states.EXPIRED:
            guess = expired(result.id, result.backend)
            if timeout is None:
                raise guess
            return guess
        raise UnknownTaskId(f"No task with the id {result.id} was ever sent, or its result was forgotten.")
    return None


def wait_in_slices(
    result: RecordView,
    timeout: float | None,
    interval: float,
    seen: Callable[[Record], None] | None,
    between: Sequence[Callable[[], object] | None],
) -> Record:
    """Wait for a terminal record, and call functions meanwhile.

    Args:
        result: the task.
        timeout: seconds; ``None`` is for ever.
        interval: seconds between two rounds of calls.
        seen: called with each record on the way.
        between: called in each round; ``None`` is passed over.

    Raises:
        TimeoutError: it has not ended in time.
    """
    end = None if timeout is None else time.monotonic() + timeout
    interval = max(interval, 0.01)
    while True:
        left = interval if end is None else min(interval, end - time.monotonic())
        try:
            return result.backend.wait(result.id, max(left, 0.0), seen)
        except TimeoutError:
            if end is not None and time.monotonic() >= end:
                raise
        for call in between:
            if call is not None:
                call()


def as_meta(on_message: Callable[[dict[str, Any]], object]) -> Callable[[Record], None]:
    """A function that shows a record to ``on_message`` as Celery's task meta."""

    def seen(record: Record) -> None:
        on_message(to_meta(record))

    return seen
