"""Reading many results with few round trips: those that have ended together, the first that has not by waiting for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from umbel.errors import TimeoutError
from umbel.results.handles.async_result import AsyncResult

#: Ids that one round trip asks for: at least, at most.
_FEW, MANY = 16, 1000
#: Seconds between two looks at all that have not ended, while waiting for whichever ends next; the wait for the first of them ends sooner.
_LOOK, _LOOK_AT_MOST = 0.01, 0.1

Results = Sequence[AsyncResult[Any]]


def look(results: Results) -> int:
    """Read which of these have ended, in one round trip for each thousand.

    Args:
        results: of one app; those that are known to have ended are not read again.

    Returns:
        How many were found to have ended since the last look.
    """
    found = 0
    pending = [result for result in results if not result.is_known]
    for first in range(0, len(pending), MANY):
        part = pending[first : first + MANY]
        records = part[0].backend.fetch([result.id for result in part])
        for result in part:
            record = records.get(result.id)
            if record is not None:
                found += result.learn(record)
    return found


class Window:
    """The number of results to read ahead when one has to be looked up: more when many were found to have ended the last time.

    Args:
        results: in the order in which they are wanted.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._size = MANY

    def look(self, place: int) -> None:
        """Read this one and some behind it, unless it is known to have ended.

        Args:
            place: of the result that is wanted next.
        """
        if not self._results[place].is_known:
            found = look(self._results[place : place + self._size])
            self._size = max(_FEW, min(MANY, 4 * found))


def left(deadline: float | None) -> float | None:
    """Seconds until a deadline.

    Args:
        deadline: monotonic; ``None`` is never.
    """
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def deadline_of(timeout: float | None) -> float | None:
    """The deadline of a wait that begins now.

    Args:
        timeout: seconds; ``None`` is for ever.
    """
    return None if timeout is None else time.monotonic() + timeout


def as_they_end(results: Results, timeout: float | None, between: Callable[[], object] | None = None) -> Iterator[AsyncResult[Any]]:
    """Yield results as their tasks end, whichever is first.

    Args:
        results: of one app.
        timeout: seconds for all of them; ``None`` is for ever.
        between: called while none has ended, several times a second.

    Raises:
        TimeoutError: some have not ended in time.
    """
    deadline, pause, pending = deadline_of(timeout), _LOOK, list(results)
    while pending:
        look(pending)
        ended = [result for result in pending if result.is_known]
        pending = [result for result in pending if not result.is_known]
        yield from ended
        if not pending:
            return
        pause = _LOOK if ended else min(pause * 1.5, _LOOK_AT_MOST)
        rest = left(deadline)
        try:
            pending[0].get(pause if rest is None else min(pause, rest), propagate=False, disable_sync_subtasks=False)
        except TimeoutError:
            if rest is not None and rest <= pause and left(deadline) == 0.0:
                raise TimeoutError(f"{len(pending)} of {len(results)} tasks have not ended within {timeout:g} s") from None
        if between is not None:
            between()


async def as_they_end_async(results: Results, timeout: float | None) -> AsyncIterator[AsyncResult[Any]]:
    """`as_they_end` for coroutines; never blocks the event loop.

    Args:
        results: of one app.
        timeout: seconds for all of them; ``None`` is for ever.

    Raises:
        TimeoutError: some have not ended in time.
    """
    import asyncio

    deadline, pause, pending = deadline_of(timeout), _LOOK, list(results)
    while pending:
        await asyncio.to_thread(look, pending)
        ended = [result for result in pending if result.is_known]
        pending = [result for result in pending if not result.is_known]
        for result in ended:
            yield result
        if not pending:
            return
        pause = _LOOK if ended else min(pause * 1.5, _LOOK_AT_MOST)
        rest = left(deadline)
        try:
            await pending[0].aget(pause if rest is None else min(pause, rest), propagate=False, disable_sync_subtasks=False)
        except TimeoutError:
            if rest is not None and rest <= pause and left(deadline) == 0.0:
                raise TimeoutError(f"{len(pending)} of {len(results)} tasks have not ended within {timeout:g} s") from None
