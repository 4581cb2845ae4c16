"""The values of the live view: what is seen of the cluster, and where its user is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: The parts of the view that have a selection.
Pane = Literal["tasks", "workers"]
#: What a question is about.
Topic = Literal["revoke", "terminate", "rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker."""

    name: str
    alive: bool
    #: Tasks that it can run at once; ``None`` while it has not said.
    slots: int | None = None
    active: int | None = None
    processed: int | None = None
    #: Tasks that have ended, a second.
    rate: float | None = None
    #: Of its machine, in the last minute.
    load: float | None = None
    #: It sends events of tasks; ``None``: nobody knows yet.
    tells: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task."""

    id: str
    name: str
    state: str
    worker: str = ""
    #: Seconds in its code, so far.
    runtime: float | None = None
    #: Seconds since its last event.
    age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cluster at one moment."""

    workers: tuple[WorkerRow, ...] = ()
    #: The newest first; not all of them, where there are very many.
    tasks: tuple[TaskRow, ...] = ()
    #: How many tasks are known.
    known: int = 0
    #: Names and values of the task or worker that is open; ``None`` where it is not known any more.
    details: tuple[tuple[str, str], ...] | None = None

    @property
    def silent(self) -> tuple[str, ...]:
        """Names of workers that run tasks and do not tell of them."""
        return tuple(worker.name for worker in self.workers if worker.tells is False)

    def task(self, task_id: str | None) -> TaskRow | None:
        """Find a task.

        Args:
            task_id: its id.
        """
        return next((task for task in self.tasks if task.id == task_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that is open at the bottom of the view."""

    topic: Topic
    #: Id of the task; of a rate limit, its name.
    about: str
    #: In words.
    text: str
    #: The answer so far.
    typed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The place where the user is."""

    pane: Pane = "tasks"
    #: The selected ones; ``None`` is the first, whichever that is.
    task: str | None = None
    worker: str | None = None
    paused: bool = False
    #: The selected one is shown with all that is known of it.
    opened: bool = False
    #: Lines of it that are scrolled away.
    scrolled: int = 0
    question: Question | None = None
    #: The last thing that the user should know.
    note: str = ""

    def selected(self, seen: Seen) -> int:
        """Find the place of the selection in its pane; 0 where there is none any more.

        Args:
            seen: the cluster.
        """
        names = names_of(self.pane, seen)
        wanted = self.task if self.pane == "tasks" else self.worker
        return names.index(wanted) if wanted in names else 0

    def current(self, seen: Seen) -> str | None:
        """Name what is selected: a task's id, or a worker's name.

        Args:
            seen: the cluster.
        """
        names = names_of(self.pane, seen)
        return names[self.selected(seen)] if names else None


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave the view."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell all workers something."""

    command: str
    arguments: tuple[tuple[str, object], ...] = ()


Action = Quit | Tell


def names_of(pane: Pane, seen: Seen) -> list[str]:
    """List what can be selected.

    Args:
        pane: where.
        seen: the cluster.
    """
    return [task.id for task in seen.tasks] if pane == "tasks" else [worker.name for worker in seen.workers]
