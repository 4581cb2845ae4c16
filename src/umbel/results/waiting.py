"""Waiting for the end of a task, over whatever calls back when something is stored of it."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import queue
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from umbel import states
from umbel.errors import TimeoutError
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM, Clock


class Stored(Protocol):
    """The argument of a call back: a record, or its packed form."""

    @property
    def status(self) -> str:
        """The task's state."""


S = TypeVar("S", bound=Stored)
S_co = TypeVar("S_co", bound=Stored, covariant=True)


class Source(Protocol[S_co]):
    """Calls back, from any thread."""

    def add(self, task_id: str, tell: Callable[[S_co | BaseException], None], /) -> None:
        """Call back with what is stored of a task, now and from now on, or with what went wrong."""

    def remove(self, task_id: str, tell: Callable[[S_co | BaseException], None], /) -> None:
        """Call back no more."""


class Waiting(Generic[S]):
    """The waiting methods of one store.

    Args:
        source: calls back.
        read: makes a record of what it calls back with; called by who waits.
    """

    def __init__(self, source: Source[S], read: Callable[[S], Record], clock: Clock = SYSTEM) -> None:
        self._source = source
        self._read = read
        self._clock = clock

    def wait(self, task_id: str, timeout: float | None, on_record: Callable[[Record], None] | None) -> Record:
        """See `umbel.results.base.ResultStore.wait`."""
        box: queue.SimpleQueue[S | BaseException] = queue.SimpleQueue()
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        self._source.add(task_id, box.put)
        try:
            while True:
                left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
                record = self._record(box.get(timeout=left))
                if record.status in states.READY_STATES:
                    return record
                if on_record is not None:
                    on_record(record)
        except queue.Empty:
            raise late(task_id, timeout) from None
        finally:
            self._source.remove(task_id, box.put)

    async def wait_async(self, task_id: str, timeout: float | None) -> Record:
        """See `umbel.results.base.ResultStore.wait_async`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[S | BaseException] = loop.create_future()

        def tell(found: S | BaseException) -> None:
            if isinstance(found, BaseException) or found.status in states.READY_STATES:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(_finish, done, found)

        self._source.add(task_id, tell)
        try:
            async with asyncio.timeout(timeout) as limit:
                return self._record(await done)
        except builtins.TimeoutError:
            if limit.expired():
                raise late(task_id, timeout) from None
            raise
        finally:
            self._source.remove(task_id, tell)

    def _record(self, found: S | BaseException) -> Record:
        if isinstance(found, BaseException):
            raise found
        return self._read(found)


def _finish(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def late(task_id: str, timeout: float | None) -> TimeoutError:
    """The error of who has waited long enough.

    Args:
        timeout: seconds.
    """
    return TimeoutError(f"task {task_id} has not ended within {timeout:g} s")
