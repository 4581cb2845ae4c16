"""`Scheduler`: Celery's, with its entries in memory. Subclasses override what they like; `umbel.beat.service.Service` asks for `tick`, and waits as long as it says."""

from __future__ import annotations

import copy
import heapq
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from umbel.app.connections import seconds
from umbel.beat.entries.usual import default_entries
from umbel.beat.runs.lazy import evaluate
from umbel.beat.schedulers.entry import ScheduleEntry
from umbel.errors import UmbelError
from umbel.schedules import schedstate

logger: logging.Logger = logging.getLogger("umbel.beat")


class SchedulingError(UmbelError):
    """An error: a periodic task could not be sent."""


class event_t(NamedTuple):  # noqa: N801 - Celery's name
    """An entry in the heap."""

    time: float
    priority: int
    entry: Any


class Scheduler:
    """Sends entries when they are due. Keeps them in memory: after a restart all count from then.

    Args:
        app: whose tasks.
        schedule: entries by name, or a function that returns them.
        max_interval: seconds that `tick` may say to wait; ``beat_max_loop_interval`` when not given, else that of the class.
        Producer: Celery's; without effect.
        lazy: do not set the entries up yet.
        sync_every_tasks: sent tasks after which to `sync`; ``beat_sync_every`` when not given.
        kwargs: of subclasses.
    """

    Entry = ScheduleEntry
    schedule: Any = None
    #: Seconds.
    max_interval: float = 300.0
    #: Seconds between two calls of `sync`.
    sync_every: float = 180.0
    sync_every_tasks: int | None = None
    logger = logger

    def __init__(
        self,
        app: Any,
        schedule: Any = None,
        max_interval: float | None = None,
        Producer: Any = None,  # noqa: N803 - Celery's name
        lazy: bool = False,
        sync_every_tasks: int | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.app = app
        self.data: dict[str, Any] = (schedule() if callable(schedule) else schedule) or {}
        self.max_interval = float(seconds(max_interval or app.conf.beat_max_loop_interval) or self.max_interval)
        self.Producer = Producer
        self.sync_every_tasks = app.conf.beat_sync_every if sync_every_tasks is None else sync_every_tasks
        self.old_schedulers: dict[str, Any] | None = None
        self._heap: list[event_t] | None = None
        self._last_sync: float | None = None
        self._tasks_since_sync = 0
        if not lazy:
            self.setup_schedule()

    # entries

    def setup_schedule(self) -> None:
        """Read the entries: those of the settings, and the usual ones."""
        self.install_default_entries(self.data)
        self.merge_inplace(self.app.conf.beat_schedule)

    def install_default_entries(self, data: Mapping[str, Any]) -> None:
        """Add the usual entries.

        Args:
            data: that there are.
        """
        self.update_from_dict({name: entry for name, entry in default_entries(self.app).items() if name not in data})

    def add(self, **kwargs: Any) -> Any:
        """Add an entry.

        Args:
            kwargs: its fields.
        """
        entry = self.Entry(app=self.app, **kwargs)
        self.schedule[entry.name] = entry
        return entry

    def _maybe_entry(self, name: str, entry: Any) -> Any:
        if isinstance(entry, self.Entry):
            entry.app = self.app
            return entry
        return self.Entry(**{**entry, "name": name, "app": self.app})

    def update_from_dict(self, dict_: Mapping[str, Any]) -> None:
        """Add entries, or put them in place of those of their names.

        Args:
            dict_: by name.
        """
        self.schedule.update({name: self._maybe_entry(name, entry) for name, entry in dict_.items()})

    def merge_inplace(self, b: Mapping[str, Any]) -> None:
        """Drop what is not in some entries, and take over what is.

        Args:
            b: by name.
        """
        schedule = self.schedule
        for name in [name for name in schedule if name not in b and name not in default_entries(self.app)]:
            schedule.pop(name, None)
        for name, given in b.items():
            entry = self._maybe_entry(name, given)
            if schedule.get(name):
                schedule[name].update(entry)
            else:
                schedule[name] = entry

    def get_schedule(self) -> Any:
        """Return the entries by name."""
        return self.data

    def set_schedule(self, schedule: Any) -> None:
        """Replace the entries.

        Args:
            schedule: by name.
        """
        self.data = schedule

    schedule = property(lambda self: self.get_schedule(), lambda self, schedule: self.set_schedule(schedule))

    # the loop

    def tick(self) -> float:
        """Send the entry that is due, if one is; returns the seconds until there is something to do again."""
        if self._heap is None or not self.schedules_equal(self.old_schedulers, self.schedule):
            self.old_schedulers = copy.copy(dict(self.schedule))
            self.populate_heap()
        heap = self._heap
        if not heap:
            return self.max_interval
        event = heap[0]
        early = event.time - self._when(event.entry, 0)
        if early > 0:
            return min(early, self.max_interval)
        is_due, wait = self._asked(event.entry, self.is_due)
        top = heapq.heappop(heap)
        if top is not event:  # the question has put another entry before this one
            heapq.heappush(heap, top)
            return min(top.time - self._when(top.entry, 0), self.max_interval)
        if is_due:
            following = self.reserve(event.entry)
            self.apply_entry(event.entry, producer=self.producer)
            heapq.heappush(heap, event_t(self._when(following, wait), event.priority, following))
            return 0
        wait = wait if isinstance(wait, (int, float)) else self.max_interval
        heapq.heappush(heap, event_t(self._when(event.entry, wait), event.priority, event.entry))
        return 0 if heap[0].entry is not event.entry else min(self.adjust(wait), self.max_interval)

    def _asked(self, entry: Any, question: Callable[[Any], Any]) -> tuple[bool, Any]:
        """Ask an entry whether it is due. One that cannot say is asked again later, and the others run on."""
        try:
            is_due, wait = question(entry)
        except Exception:
            self.logger.exception("The next run of %s cannot be told; it is asked again in %g s", entry.name, self.max_interval)
            return False, self.max_interval
        return is_due, wait

    def populate_heap(self, event_t: Callable[..., Any] = event_t, heapify: Callable[[Any], Any] = heapq.heapify) -> None:
        """Make the heap of the entries anew.

        Args:
            event_t: makes an element of time, priority, entry.
            heapify: makes a heap of a list.
        """
        found = []
        for entry in self.schedule.values():
            is_due, wait = self._asked(entry, lambda each: each.is_due())
            found.append(event_t(self._when(entry, 0 if is_due else wait) or 0, 5, entry))
        heapify(found)
        self._heap = found

    def is_due(self, entry: Any) -> schedstate:
        """Ask an entry whether it is due.

        Args:
            entry: to be asked.
        """
        found: schedstate = entry.is_due()
        return found

    def adjust(self, n: float, drift: float = -0.010) -> float:
        """Shorten a wait a little, so that the next look is not late.

        Args:
            n: seconds.
            drift: to be added.
        """
        return n + drift if n and n > 0 else n

    def _when(self, entry: Any, next_time_to_run: float) -> float:
        now: float = entry.default_now().timestamp() if hasattr(entry, "default_now") else self.app.time.now()
        return now + (self.adjust(next_time_to_run) or 0)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        """Report whether two collections of entries are the same.

        Args:
            old_schedules: by name, or ``None``.
            new_schedules: by name, or ``None``.
        """
        if old_schedules is None or new_schedules is None:
            return old_schedules is new_schedules
        return set(old_schedules) == set(new_schedules) and all(new_schedules.get(name) == old for name, old in old_schedules.items())

    # sending

    def reserve(self, entry: Any) -> Any:
        """Put the next instance of an entry in its place.

        Args:
            entry: that is sent now.
        """
        found = self.schedule[entry.name] = next(entry)
        return found

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send an entry; what goes wrong is logged.

        Args:
            entry: that is due.
            producer: Celery's; without effect.
        """
        self.logger.info("Scheduler: sending due task %s (%s)", entry.name, entry.task)
        try:
            result = self.apply_async(entry, producer=producer, advance=False)
        except Exception:
            self.logger.exception("%s (%s) could not be sent; it is sent again when it is due again", entry.name, entry.task)
        else:
            self.logger.debug("%s sent. id->%s", entry.task, getattr(result, "id", None))

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:  # noqa: ARG002
        """Send an entry; returns its result.

        Args:
            entry: to be sent.
            producer: Celery's; without effect.
            advance: put its next instance in its place first.
            kwargs: of subclasses.

        Raises:
            SchedulingError: it could not be sent.
        """
        entry = self.reserve(entry) if advance else entry
        task = self.app.tasks.get(entry.task)
        try:
            args, named = evaluate(entry.args, entry.kwargs)
            if task is not None:
                return task.apply_async(args, named, **entry.options)
            return self.send_task(entry.task, args, named, **entry.options)
        except Exception as error:
            raise SchedulingError(f"the task {entry.task} of {entry.name} could not be sent: {type(error).__name__}: {error}") from error
        finally:
            self._tasks_since_sync += 1
            if self.should_sync():
                self._do_sync()

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        """Send a task that this app does not have.

        Args:
            args: of the app's `send_task`.
            kwargs: of the app's `send_task`.
        """
        return self.app.send_task(*args, **kwargs)

    # keeping

    def should_sync(self) -> bool:
        """Report whether it is time to `sync`."""
        if self._last_sync is None or self.app.time.monotonic() - self._last_sync > self.sync_every:
            return True
        return bool(self.sync_every_tasks) and self._tasks_since_sync >= (self.sync_every_tasks or 0)

    def _do_sync(self) -> None:
        try:
            self.sync()
        finally:
            self._last_sync = self.app.time.monotonic()
            self._tasks_since_sync = 0

    def sync(self) -> None:
        """Keep the state of the entries; for subclasses."""

    def close(self) -> None:
        """End."""
        self.sync()

    @property
    def producer(self) -> Any:
        """Celery's; there is none."""
        return None

    @property
    def info(self) -> str:
        """A line about it for the banner."""
        return ""
