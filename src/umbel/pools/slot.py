"""Slots, and the children that they belong to.

A *slot* runs one job at a time, in the order in which they were given. A *child* is what holds slots: a process of its own, or (`solo`) the main
thread of the worker's process. It loads the app, comes and goes, and dies, with all its slots at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final

from umbel.pools.board.rows import BoardRow

#: Fields of a job.
_FIELDS: Final = 9
#: A job as it crosses: the fields of `execution.model.Job`, in order.
JobTuple = tuple[int, dict[str, Any], bytes, str, str, dict[str, Any], str, str, bool]


def join(jobs: Sequence[JobTuple]) -> Any:
    """Make one job of several that run together: the first one, which carries the others as a tenth field.

    Args:
        jobs: of one task.
    """
    first, *others = jobs
    return (*first, tuple(others)) if others else first


def part(fields: Any) -> list[JobTuple] | None:
    """Part what `join` has made; ``None`` where it is one job.

    Args:
        fields: as they came.
    """
    return None if len(fields) == _FIELDS else [fields[:_FIELDS], *fields[_FIELDS]]


class Slot:
    """Runs one job at a time; the parent's side of it.

    Args:
        child: whose slot it is.
        index: its place among the child's slots, from 0.
        row: of the board.
    """

    __slots__ = ("child", "given", "index", "is_counted", "is_listed", "is_single", "is_stalled", "last", "level", "row")

    def __init__(self, child: Child, index: int, row: BoardRow) -> None:
        self.child: Child = child
        self.index: int = index
        self.row: BoardRow = row
        #: What it has been given and has not reported, by number, in the order in which it runs them: whatever the worker calls a job.
        self.given: dict[int, Any] = {}
        #: The highest number sent.
        self.last: int = 0
        #: What it runs takes longer than such jobs should: nothing is queued behind it.
        self.is_stalled: bool = False
        #: Nothing is queued around the job that it has.
        self.is_single: bool = False
        #: Where `umbel.worker.slots.free_slots.FreeSlots` has put it.
        self.is_counted: bool = False
        self.is_listed: bool = False
        self.level: int = 0

    def __repr__(self) -> str:
        return f"<slot {self.child.index}.{self.index} with {len(self.given)} jobs>"

    @property
    def takes_more(self) -> bool:
        """True when it may be given jobs."""
        child = self.child
        return child.is_ready and not child.is_spent and not self.is_stalled

    def send(self, jobs: Sequence[JobTuple]) -> None:
        """Give it ``jobs``; never blocks."""
        self.child.send(self.index, jobs)

    def current(self) -> tuple[int, float]:
        """(job number, monotonic start) of what runs now; number 0 when idle."""
        row = self.row
        return row.current, row.since

    def started(self) -> int:
        """The highest job number that it has started."""
        return self.row.started

    def take_back(self) -> int | None:
        """Take back every job that it was sent and has not started; see `umbel.pools.board.rows.BoardRow.take_back`."""
        return self.row.take_back(self.last)

    def interrupt(self, number: int) -> None:
        """Raise SoftTimeLimitExceeded in the job of this ``number``, if it still runs."""
        self.child.interrupt(self.index, number)

    def end(self, number: int) -> None:
        """Ask its child to end the job of this ``number``, if it still runs, and nothing else."""
        self.child.end(self.index, number)


class Child(ABC):
    """A holder of slots: a process, or the main thread.

    Args:
        index: small number, shown in logs: 1, 2, ….
        rows: of its board, one for each slot.
    """

    #: Its slots run jobs side by side: it is asked to end one, and killed only when it cannot.
    is_shared = False

    def __init__(self, index: int, rows: Iterable[BoardRow]) -> None:
        self.index = index
        #: The app is loaded, and it has not been told to end.
        self.is_ready = False
        #: It has been ready.
        self.came_up = False
        #: It gets no more jobs, and ends when those that it has are done.
        self.is_spent = False
        #: Jobs completed, for max_tasks_per_child.
        self.served = 0
        #: Jobs given and not taken back.
        self.allotted = 0
        self.slots: tuple[Slot, ...] = tuple(Slot(self, place, row) for place, row in enumerate(rows))

    @property
    def is_idle(self) -> bool:
        """True when none of its slots has a job."""
        return not any(slot.given for slot in self.slots)

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Its process id."""

    @abstractmethod
    def send(self, slot: int, jobs: Sequence[JobTuple]) -> None:
        """Give jobs to one of its slots; never blocks.

        Args:
            slot: its place, from 0.
            jobs: in the order in which it runs them.
        """

    @abstractmethod
    def interrupt(self, slot: int, number: int) -> None:
        """Raise SoftTimeLimitExceeded in a slot's job, if it still runs.

        Args:
            slot: its place, from 0.
            number: of the job.
        """

    def end(self, slot: int, number: int) -> None:  # noqa: ARG002 - where there is one slot, it goes with the child
        """End a slot's job, if it still runs; the others go on where children are shared.

        Args:
            slot: its place, from 0.
            number: of the job.
        """
        self.kill()

    @abstractmethod
    def kill(self) -> None:
        """End it at once, with what it runs. `umbel.pools.base.PoolListener.on_death` follows."""

    @abstractmethod
    def quit(self) -> None:
        """Let it end when its jobs are done. `umbel.pools.base.PoolListener.on_death` follows."""

    @abstractmethod
    def close(self) -> None:
        """Free what it holds, after its death."""
