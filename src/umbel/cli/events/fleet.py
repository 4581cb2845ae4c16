"""`Fleet`: what the live view knows of a cluster: a `State`, and beside it rates, slots and who does not tell of tasks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from umbel import states
from umbel.cli.events.model import Seen, TaskRow, View, WorkerRow
from umbel.events.parsing import is_time
from umbel.events.state import State, Task, Worker

#: Tasks that are shown; more are known.
MOST_SHOWN: Final = 500
#: Seconds over which the rate of a worker is taken.
_OVER: Final = 15.0
#: Fields of a task in the order of its details, behind those that are made here.
_OF_TASK: Final = (
    "args", "kwargs", "result", "exception", "retries", "eta", "expires", "queue", "routing_key", "client", "root_id", "parent_id",
)  # fmt: skip
_MOMENTS: Final = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected")


class _Counts:
    """The tasks that one worker had done, at the times of its heartbeats."""

    def __init__(self) -> None:
        self.told: deque[tuple[float, int]] = deque()
        #: Its last event of a task.
        self.told_of_task: float | None = None
        #: When its count went up first, without such an event.
        self.is_silent = False

    def add(self, when: float, processed: int) -> None:
        """Take a heartbeat.

        Args:
            when: seconds since the epoch.
            processed: tasks that it has done.
        """
        if self.told and processed < self.told[-1][1]:
            self.told.clear()  # it has started again
        if self.told and processed > self.told[-1][1]:
            self.is_silent = self.told_of_task is None or self.told_of_task < self.told[-1][0] - 1.0
        self.told.append((when, processed))
        while len(self.told) > 2 and self.told[0][0] < when - _OVER:
            self.told.popleft()

    @property
    def rate(self) -> float | None:
        """Tasks done in a second."""
        if len(self.told) < 2:
            return None
        (begin, before), (end, after) = self.told[0], self.told[-1]
        return (after - before) / (end - begin) if end > begin else None


class Fleet:
    """Learns from events and replies; any thread may use it.

    Args:
        state: learns the same events.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._lock = threading.Lock()
        self._counts: dict[str, _Counts] = {}
        self._slots: dict[str, int] = {}

    def learn(self, event: Mapping[str, Any]) -> None:
        """Learn from an event.

        Args:
            event: as it was received.
        """
        self.state.event(event)
        hostname, kind, when = event.get("hostname"), event.get("type"), event.get("local_received")
        if not isinstance(hostname, str) or not isinstance(kind, str) or not is_time(when):
            return
        with self._lock:
            if kind == "worker-offline":
                self._counts.pop(hostname, None)
                return
            if kind == "task-sent" or len(self._counts) > self.state.max_workers_in_memory:
                return
            counts = self._counts.setdefault(hostname, _Counts())
            processed = event.get("processed")
            if kind.startswith("task-"):
                counts.told_of_task, counts.is_silent = when, False
            elif isinstance(processed, int):
                counts.add(when, processed)

    def learn_slots(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Learn from replies to ``stats``.

        Args:
            replies: each ``{node: reply}``.
        """
        with self._lock:
            for node, reply in ((node, reply) for each in replies for node, reply in each.items()):
                pool = reply.get("pool") if isinstance(reply, Mapping) else None
                slots = pool.get("max-concurrency") if isinstance(pool, Mapping) else None
                if isinstance(slots, int):
                    self._slots[node] = slots

    @property
    def alive(self) -> int:
        """The number of workers that are there."""
        return sum(1 for _ in self.state.alive_workers())

    def look(self, view: View, now: float) -> Seen:
        """Take what the view shows.

        Args:
            view: where the user is.
            now: seconds since the epoch.
        """
        return self.state.freeze_while(self._look, view, now)

    def _look(self, view: View, now: float) -> Seen:
        tasks = [_task_row(task, now) for _, task in zip(range(MOST_SHOWN), reversed(self.state.tasks.values()), strict=False)]
        held = self.state.tasks.get(view.task or "")
        if held is not None and all(task.id != view.task for task in tasks):
            tasks.append(_task_row(held, now))
        with self._lock:
            workers = [self._worker_row(worker) for worker in self.state.workers.values()]
        seen = Seen(workers=tuple(sorted(workers, key=lambda each: each.name)), tasks=tuple(tasks), known=len(self.state.tasks))
        if not view.opened:
            return seen
        return Seen(workers=seen.workers, tasks=seen.tasks, known=seen.known, details=self._details(view, now))

    def _worker_row(self, worker: Worker) -> WorkerRow:
        name = worker.hostname or ""
        counts = self._counts.get(name)
        tells = None if counts is None else False if counts.is_silent else True if counts.told_of_task is not None else None
        return WorkerRow(
            name=name,
            alive=worker.alive,
            slots=self._slots.get(name),
            active=worker.active,
            processed=worker.processed,
            rate=None if counts is None else counts.rate,
            load=worker.loadavg[0] if worker.loadavg else None,
            tells=tells,
        )

    def _details(self, view: View, now: float) -> tuple[tuple[str, str], ...] | None:
        if view.pane == "workers":
            worker = self.state.workers.get(view.worker or "")
            return None if worker is None else _details_of_worker(worker)
        task = self.state.tasks.get(view.task or "")
        return None if task is None else _details_of_task(task, now)


def _task_row(task: Task, now: float) -> TaskRow:
    worker = "" if task.worker is None else task.worker.hostname or ""
    runtime = task.runtime
    if task.state == states.STARTED and task.started is not None:
        runtime = max(0.0, now - task.started)
    age = None if task.timestamp is None else max(0.0, now - task.timestamp)
    return TaskRow(id=task.uuid or "", name=task.name or "", state=task.state, worker=worker, runtime=runtime, age=age)


def _details_of_task(task: Task, now: float) -> tuple[tuple[str, str], ...]:
    row = _task_row(task, now)
    found = [("task", row.name or "?"), ("id", row.id), ("state", row.state)]
    if row.worker:
        found.append(("worker", row.worker))
    found += [(name, str(value)) for name in _OF_TASK if (value := getattr(task, name)) is not None]
    if row.runtime is not None:
        found.append(("runtime", f"{row.runtime:.3f} s"))
    found += [(name, f"{max(0.0, now - when):.1f} s ago") for name in _MOMENTS if (when := getattr(task, name)) is not None]
    children = [child.uuid or "" for child in task.children]
    if children:
        found.append(("children", ", ".join(children)))
    if task.traceback:
        found.append(("traceback", task.traceback))
    return tuple(found)


def _details_of_worker(worker: Worker) -> tuple[tuple[str, str], ...]:
    load = ", ".join(f"{each:.2f}" for each in worker.loadavg or ())
    known = {
        "worker": worker.hostname,
        "status": worker.status_string.lower(),
        "process": worker.pid,
        "software": " ".join(each for each in (worker.sw_ident, worker.sw_ver, worker.sw_sys) if each),
        "active": worker.active,
        "done": worker.processed,
        "heartbeat": f"every {worker.freq:g} s",
        "load": load,
    }
    return tuple((name, str(value)) for name, value in known.items() if value not in (None, ""))
