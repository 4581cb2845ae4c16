"""What a worker asks of a pool: seats.

A *seat* is one place where jobs run, one after the other: a child process, or the main thread (`solo`). The parent gives jobs to a seat,
takes back what has not started, and hears of outcomes and deaths through a `SeatListener`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Outcome(NamedTuple):
    """How one job ended, as a child reports it. Plain values: crosses the process boundary by `marshal`."""

    number: int
    #: An `execution.model.Verdict`.
    verdict: int
    state: str
    #: Seconds in the task's own code.
    runtime: float
    #: Machine-readable word for a dead letter.
    reason: str
    #: One line for the log.
    detail: str
    traceback: str | None
    #: Expected by the task (`throws`).
    expected: bool
    #: Monotonic seconds at which the task's own code began; 0 when it did not.
    started: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """What a child must know to start. Crosses the process boundary by pickle."""

    #: ``module:attribute`` of the app.
    app_path: str
    hostname: str
    #: Prepended to ``sys.path``, as in the parent.
    path: tuple[str, ...] = ()
    #: Settings given on the command line.
    changes: dict[str, Any] = field(default_factory=dict)
    #: ``module:function`` and its arguments, called first of all: logging.
    initializer: tuple[str, tuple[Any, ...]] | None = None
    #: Its place among the worker's children, from 1.
    index: int = 1


#: A job as it crosses: the fields of `execution.model.Job`, in order.
JobTuple = tuple[int, dict[str, Any], bytes, str, str, dict[str, Any], str, str, bool]


class SeatListener(Protocol):
    """Whom a seat tells; called on the event loop."""

    def on_ready(self, seat: Seat) -> None:
        """It takes jobs now."""

    def on_outcomes(self, seat: Seat, outcomes: list[Outcome]) -> None:
        """Jobs have ended."""

    def on_death(self, seat: Seat, cause: str) -> None:
        """It is gone; its board still says what it was doing. ``cause`` is a phrase for a log line."""


class Seat(Protocol):
    """One place where jobs run, one at a time."""

    #: Small number, shown in logs: 1, 2, ….
    index: int
    is_ready: bool

    @property
    def pid(self) -> int | None:
        """Its process id."""

    def send(self, jobs: Sequence[JobTuple]) -> None:
        """Give it jobs; never blocks."""

    def current(self) -> tuple[int, float]:
        """(job number, monotonic start) of what runs now; number 0 when idle."""

    def started(self) -> int:
        """The highest job number that it has started."""

    def take_back(self, last: int) -> int | None:
        """Take back every job up to ``last`` that has not started; see `board.Board.take_back`."""

    def interrupt(self, number: int) -> None:
        """Raise SoftTimeLimitExceeded in this job, if it still runs."""

    def kill(self) -> None:
        """End it at once, with what it runs. `SeatListener.on_death` follows."""

    def quit(self) -> None:
        """Let it end when its jobs are done. `SeatListener.on_death` follows."""

    def close(self) -> None:
        """Free what it holds, after its death."""
