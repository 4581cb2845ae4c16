"""`State`: what is known of a cluster by its events. It does no I/O; its memory is bounded, whatever it is told.

Names and return values are Celery's (`celery.events.state`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from umbel.events.model import BY_NAME, group_of
from umbel.events.parsing import is_clock, is_name, is_time
from umbel.events.task_state import Task
from umbel.events.worker_state import Worker, heartbeat_expires
from umbel.runtime.clock import SYSTEM, Clock

__all__ = ["State", "Task", "Worker", "heartbeat_expires"]

#: Group and rest of the usual types of events.
_PARTS: Final = {kind: (group_of(kind), kind.partition("-")[2]) for kind in BY_NAME}

V = TypeVar("V")
T = TypeVar("T")


class Recent(dict[str, V], Generic[V]):
    """A dict that keeps those that were touched last.

    Args:
        limit: how many; ``None`` is no limit.
        on_removal: told of each that gives way.
    """

    def __init__(self, limit: int | None, on_removal: Callable[[V], object] | None = None) -> None:
        super().__init__()
        self.limit = limit
        self._on_removal = on_removal

    def touch(self, key: str) -> V:
        """Return the value of ``key``, which becomes the last to give way.

        Raises:
            KeyError: there is none.
        """
        value = self[key] = self.pop(key)
        return value

    def add(self, key: str, value: V) -> None:
        """Add a new one; the oldest gives way where there are too many.

        Args:
            key: its name.
            value: what it is.
        """
        self[key] = value
        while self.limit is not None and len(self) > self.limit:
            gone = self.pop(next(iter(self)))
            if self._on_removal is not None:
                self._on_removal(gone)


class TaskIndex(dict[str, dict[str, Task]]):
    """Tasks by a name of something: ``index[name]`` are those tasks by id; ``index(name)`` yields them, the newest first.

    Args:
        state: whose tasks.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def __call__(self, name: str, limit: int | None = None, reverse: bool = True) -> Iterator[tuple[str, Task]]:
        """Yield ids and tasks.

        Args:
            name: of what they have in common.
            limit: how many.
            reverse: the newest first.
        """
        found = sorted(self.get(name, {}).values(), key=_order, reverse=reverse)
        return ((task.uuid or "", task) for task in found[:limit])

    def put(self, name: str | None, task: Task) -> None:
        """Add a task.

        Args:
            name: of what it has in common with others; nothing happens without one.
            task: of the state.
        """
        if name is not None and task.uuid is not None:
            self.setdefault(name, {})[task.uuid] = task

    def drop(self, name: str | None, task: Task) -> None:
        """Remove a task, and the entry with the last one.

        Args:
            name: as for `put`.
            task: as for `put`.
        """
        if name is not None and name in self:
            self[name].pop(task.uuid or "", None)
            if not self[name]:
                del self[name]


class State:
    """The tasks and workers of a cluster. Thread-safe.

    Args:
        callback: called with the state and each event, before the event changes it.
        max_workers_in_memory: workers that are kept: those that were heard of last.
        max_tasks_in_memory: tasks that are kept, likewise.
        on_node_join: called with a worker that is new, or says that it comes.
        on_node_leave: called with a worker that says that it goes; it is forgotten then.
        clock: tells the time.
    """

    def __init__(
        self,
        callback: Callable[[State, Mapping[str, Any]], object] | None = None,
        max_workers_in_memory: int = 5_000,
        max_tasks_in_memory: int = 10_000,
        on_node_join: Callable[[Worker], object] | None = None,
        on_node_leave: Callable[[Worker], object] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.event_callback = callback
        self.max_workers_in_memory = max_workers_in_memory
        self.max_tasks_in_memory = max_tasks_in_memory
        self.on_node_join = on_node_join
        self.on_node_leave = on_node_leave
        #: Of all kinds, and of tasks received, since the beginning.
        self.event_count: int = 0
        self.task_count: int = 0
        self.workers: Recent[Worker] = Recent(max_workers_in_memory)
        self.tasks: Recent[Task] = Recent(max_tasks_in_memory, self._forget)
        self.tasks_by_type: TaskIndex = TaskIndex(self)
        self.tasks_by_worker: TaskIndex = TaskIndex(self)
        self._by_parent = TaskIndex(self)
        self._clock = clock
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<State: events={self.event_count} tasks={self.task_count}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self._lock = threading.RLock()

    # learning

    def event(self, event: Mapping[str, Any]) -> tuple[tuple[Any, bool], str] | None:
        """Learn from an event.

        Args:
            event: any; what is none of a task or a worker changes nothing but the count.

        Returns:
            The task or worker, whether it is new, and the type without its group; ``None`` for other events.
        """
        with self._lock:
            self.event_count += 1
            if self.event_callback is not None:
                self.event_callback(self, event)
            kind, hostname = event.get("type"), event.get("hostname")
            if type(kind) is not str or type(hostname) is not str or (hostname not in self.workers and not is_name(hostname)):
                return None
            group, subject = _PARTS.get(kind) or _parts(kind)
            if not is_clock(event.get("clock")):
                event = {**event, "clock": 0}
            if group == "task":
                uuid = event.get("uuid")
                found = None if type(uuid) is not str else self._task_event(subject, event, hostname, uuid)
                return None if found is None else (found, subject)
            if group == "worker":
                return self._worker_event(subject, event, hostname), subject
            return None

    def _task_event(self, subject: str, event: Mapping[str, Any], hostname: str, uuid: str) -> tuple[Task, bool] | None:
        if created := uuid not in self.tasks:
            if not is_name(uuid):
                return None
            task = Task(uuid, self)
            self.tasks.add(uuid, task)
        else:
            task = self.tasks.touch(uuid)
        name, parent_id, worker = task.name, task.parent_id, task.worker
        if subject == "sent":
            task.client = hostname
        else:
            task.worker = self._worker(hostname)[0]
            came = event.get("local_received")
            if is_time(came):
                task.worker.shows_life(came, event["clock"], event.get("pid"))
        if subject == "received":
            self.task_count += 1
        timestamp = event.get("timestamp")
        task.event(subject, timestamp if is_time(timestamp) else self._clock.now(), None, event)
        if task.name is not name:
            self.tasks_by_type.drop(name, task)
            self.tasks_by_type.put(task.name, task)
        if task.parent_id is not parent_id:
            self._by_parent.drop(parent_id, task)
            self._by_parent.put(task.parent_id, task)
        if task.worker is not worker:
            if worker is not None:
                self.tasks_by_worker.drop(worker.hostname, task)
            if task.worker is not None:
                self.tasks_by_worker.put(task.worker.hostname, task)
        return task, created

    def _worker_event(self, subject: str, event: Mapping[str, Any], hostname: str) -> tuple[Worker, bool]:
        is_leaving = subject == "offline"
        worker, created = (Worker(hostname, self._clock), False) if is_leaving and hostname not in self.workers else self._worker(hostname)
        worker.event(subject, event.get("timestamp"), event.get("local_received"), event)
        if self.on_node_join is not None and not is_leaving and (created or subject == "online"):
            self.on_node_join(worker)
        if self.on_node_leave is not None and is_leaving:
            self.on_node_leave(worker)
            self.workers.pop(hostname, None)
        return worker, created

    def _worker(self, hostname: str) -> tuple[Worker, bool]:
        try:
            return self.workers.touch(hostname), False
        except KeyError:
            worker = Worker(hostname, self._clock)
            self.workers.add(hostname, worker)
            return worker, True

    def worker_event(self, type_: str, fields: Mapping[str, Any]) -> Any:
        """Learn from an event of a worker; returns it, and whether it is new.

        Args:
            type_: the event's type without ``worker-``.
            fields: of the event.
        """
        found = self.event({**fields, "type": f"worker-{type_}"})
        return None if found is None else found[0]

    def task_event(self, type_: str, fields: Mapping[str, Any]) -> Any:
        """Learn from an event of a task; returns it, and whether it is new.

        Args:
            type_: the event's type without ``task-``.
            fields: of the event.
        """
        found = self.event({**fields, "type": f"task-{type_}"})
        return None if found is None else found[0]

    def get_or_create_worker(self, hostname: str, **known: Any) -> tuple[Worker, bool]:
        """Find a worker, or begin to know it; returns it, and whether it is new.

        Args:
            hostname: its name.
            known: fields of it.
        """
        with self._lock:
            worker, created = self._worker(hostname)
            worker.update(known)
            return worker, created

    def get_or_create_task(self, uuid: str) -> tuple[Task, bool]:
        """Find a task, or begin to know it; returns it, and whether it is new.

        Args:
            uuid: its id.
        """
        with self._lock:
            try:
                return self.tasks.touch(uuid), False
            except KeyError:
                task = Task(uuid, self)
                self.tasks.add(uuid, task)
                return task, True

    # forgetting

    def freeze_while(self, fun: Callable[..., T], *args: Any, clear_after: bool = False, **kwargs: Any) -> T:
        """Call a function while no event changes anything; returns what it returns.

        Args:
            fun: the function.
            args: its positional arguments.
            clear_after: forget tasks that have ended, and all workers, when it has returned.
            kwargs: its keyword arguments.
        """
        with self._lock:
            try:
                return fun(*args, **kwargs)
            finally:
                if clear_after:
                    self.clear()

    def clear_tasks(self, ready: bool = True) -> None:
        """Forget tasks.

        Args:
            ready: those that have ended; else all.
        """
        with self._lock:
            for task in [task for task in self.tasks.values() if task.ready or not ready]:
                del self.tasks[task.uuid or ""]
                self._forget(task)

    def clear(self, ready: bool = True) -> None:
        """Forget all workers and the counts, and tasks as `clear_tasks` does.

        Args:
            ready: as for `clear_tasks`.
        """
        with self._lock:
            self.workers.clear()
            self.clear_tasks(ready)
            self.event_count = self.task_count = 0

    def _forget(self, task: Task) -> None:
        self.tasks_by_type.drop(task.name, task)
        self._by_parent.drop(task.parent_id, task)
        if task.worker is not None:
            self.tasks_by_worker.drop(task.worker.hostname, task)

    # asking

    def itertasks(self, limit: int | None = None) -> Iterator[tuple[str, Task]]:
        """Yield ids and tasks, those that were heard of last at the end.

        Args:
            limit: how many.
        """
        with self._lock:
            found = list(islice(self.tasks.items(), limit))
        return iter(found)

    def tasks_by_timestamp(self, limit: int | None = None, reverse: bool = True) -> Iterator[tuple[str, Task]]:
        """Yield ids and tasks by the logical clock of their last event, then by its time.

        Args:
            limit: how many.
            reverse: the newest first.
        """
        with self._lock:
            found = sorted(self.tasks.values(), key=_order, reverse=reverse)
        return ((task.uuid or "", task) for task in found[:limit])

    tasks_by_time = tasks_by_timestamp

    def task_types(self) -> list[str]:
        """List the names of the tasks that are known, sorted."""
        with self._lock:
            return sorted(self.tasks_by_type)

    def alive_workers(self) -> Iterator[Worker]:
        """Yield the workers whose last heartbeat is young enough."""
        with self._lock:
            found = [worker for worker in self.workers.values() if worker.alive]
        return iter(found)

    def children_of(self, uuid: str) -> list[Task]:
        """List the tasks that a task has sent, as far as they are known.

        Args:
            uuid: its id.
        """
        with self._lock:
            return list(self._by_parent.get(uuid, {}).values())

    def rebuild_taskheap(self) -> None:
        """Do nothing: the order of tasks is found when it is asked for. Celery's has to be told."""


def _order(task: Task) -> tuple[int, float]:
    return task.clock, task.timestamp or 0.0


def _parts(kind: str) -> tuple[str, str]:
    """Group and rest of a type; no group where it has no rest, or is no name."""
    group, _, rest = kind.partition("-")
    return (group, rest) if rest and is_name(kind) else ("", "")
