"""Progress of a running task: counts items as they are done, and tells a few times a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Final, TypeVar

from umbel.errors import OperationalError
from umbel.execution.completion import is_ignored
from umbel.results.progress import PROGRESS, Progress
from umbel.runtime.clock import Clock
from umbel.runtime.logs import TASKS

T = TypeVar("T")

#: Seconds between two that are told: four a second look smooth, and a store bears thousands of tasks that tell so.
INTERVAL: Final = 0.25


class ProgressTracker:
    """Yields items and tells how many are done.

    Args:
        tell: stores a progress.
        clock: says when it is time.
        interval: seconds between two that are told, the first and the last excepted.
    """

    def __init__(self, tell: Callable[[Progress], None], clock: Clock, interval: float = INTERVAL) -> None:
        self._tell = tell
        self._clock = clock
        self._interval = interval

    def track(self, items: Iterable[T], total: float | None) -> Iterator[T]:
        """Yield the items. One counts as done when the next is asked for.

        Args:
            items: any iterable.
            total: how many there are; ``None`` where that is not known.
        """
        tell, monotonic, interval = self._tell, self._clock.monotonic, self._interval
        told, done = Progress(0, total), 0
        tell(told)
        due = monotonic() + interval
        for item in items:
            yield item
            done += 1
            if monotonic() >= due:
                told = Progress(done, total)
                tell(told)
                due = monotonic() + interval
        last = Progress(done, done if total is None else total)
        if last != told:
            tell(last)


def track(task: Any, items: Iterable[T], total: float | None) -> Iterator[T]:
    """Yield items, and store how many are done, for the task that runs.

    Args:
        task: a task object.
        items: any iterable.
        total: how many there are; found out by ``len`` when not given, where that is possible.
    """
    request = task.request
    ignored = is_ignored(request.fields, bool(task.ignore_result))
    if request.id is None or request.is_eager or ignored or task.app.store is None:
        return iter(items)
    if total is None and isinstance(items, Sized):
        total = len(items)

    def tell(progress: Progress) -> None:
        try:
            task.update_state(request.id, PROGRESS, meta=progress.to_meta())
        except OperationalError as error:
            TASKS.warning("The progress of task %s[%s] could not be stored: %s. The task goes on.", task.name, request.id, error)

    return ProgressTracker(tell, task.app.time).track(items, total)
