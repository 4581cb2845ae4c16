"""Values that go into running a task and come out of it, and their order.

Running a task decides what is to be done (`Execution.effects`), and the `Committer` does it, so that the results of a burst can be stored in one
round trip::

    execution = runner.execute(job)     # before_start, the body; never raises for what the task did
    committer.commit([execution], …)    # stores, publishes, then on_success / on_failure / on_retry, after_return, signals
    …                                   # now the outcome is reported and the message settled

This is Celery's order (5.7): before_start → body → result stored → handler → after_return.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from umbel.brokers.topology import Destination
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.model import Record
from umbel.wire.message import Message


class Verdict(enum.IntEnum):
    """The fate of the message of an executed task."""

    #: It is done with.
    ACK = 0
    #: It goes back to its queue (``Reject(requeue=True)``).
    REQUEUE = 1
    #: It goes to the dead letters: rejected by the task, or it could not be decoded; `Execution.reason` says why.
    DEAD = 2
    #: The task was cut off in a child that lives on: the worker decides, as after a child's death; `Execution.detail` says by what.
    CUT_OFF = 3


class SoftLimit:
    """The moments at which a soft time limit may raise: while the task's own code runs.

    A signal's handler runs between any two bytecodes. So a runner sets `may_raise` as the first thing inside a ``try`` and resets it in its
    ``finally``, all inside the ``try`` that turns exceptions into outcomes.
    """

    __slots__ = ("due", "ended", "may_raise")

    def __init__(self) -> None:
        self.may_raise: bool = False
        #: The job whose limit passed while this could not be raised: its code has yet to begin, or has ended.
        self.due: int = 0
        #: The job that was told to end.
        self.ended: int = 0


@dataclass(slots=True)
class Job:
    """One message on its way to an executor, as plain values: it crosses a process boundary by `marshal`."""

    #: Unique within one worker; names the job on the slot board and in outcomes.
    number: int
    headers: dict[str, Any]
    body: bytes
    content_type: str
    content_encoding: str
    #: correlation_id, reply_to, priority, … as received.
    properties: dict[str, Any]
    exchange: str
    routing_key: str
    redelivered: bool


class Store(NamedTuple):
    """An effect: a record is written to the result store. All of a burst are written in one round trip, before anything else happens."""

    record: Record
    #: What the execution becomes when its result cannot be written: the failure with this error.
    otherwise: Callable[[Exception], Execution] | None = None


class Publish(NamedTuple):
    """An effect: a message is with the broker before the task's own message is settled. The next attempt, callbacks, the next link of a chain."""

    message: Message
    to: Destination


class OpenChord(NamedTuple):
    """An effect: a chord is counted from now on. Before its header is published."""

    group_id: str
    #: Members of its header.
    size: int
    #: The tree of its header's results, where it holds groups.
    header: Any = None
    #: The name under which its body is to wait, and the body, where the messages of the header do not carry it.
    kept: tuple[str, Any] | None = None
    #: Not for the second time because the message of the task that opens it was delivered again.
    anew: bool = True


class CountChord(NamedTuple):
    """An effect: a member of a chord's header has ended. After its record is stored."""

    part: ChordPart
    #: As the message carries it.
    body: Mapping[str, Any]
    #: What is done with the body when the header is complete: it starts, or fails.
    go_on: Callable[[Mapping[str, Any], ChordClaim], tuple[Effect, ...]]
    #: What is done with it when the member cannot be counted, for good: it fails, with this error.
    fail: Callable[[Mapping[str, Any], Exception], tuple[Effect, ...]]


class CloseChord(NamedTuple):
    """An effect: a chord is forgotten. After its body has been published."""

    claim: ChordClaim
    #: What is stored when the body could not be sent: that it has failed, with this error.
    fail: Callable[[Exception], tuple[Effect, ...]]
    #: The name under which its body waits, if it does.
    kept: str = ""


class FreeKey(NamedTuple):
    """An effect: a unique key is free. Before anything is stored: who sees the task's end may send it again."""

    #: Of its lease.
    name: str
    #: The task that holds it.
    task_id: str


class RunHandlers(NamedTuple):
    """An effect: handlers and signals run, after what was stored and published."""

    function: Callable[[], None]


Effect = Store | CountChord | OpenChord | Publish | CloseChord | FreeKey | RunHandlers


class Execution(NamedTuple):
    """The end of a task: its state, and the effects that are still to be done."""

    #: Of its job.
    number: int
    task_id: str
    task_name: str
    #: SUCCESS, FAILURE, RETRY, IGNORED, REJECTED.
    state: str
    verdict: Verdict
    #: Monotonic seconds at which the task's own code began; 0 when it did not.
    started: float = 0.0
    #: Seconds in the task's own code.
    runtime: float = 0.0
    #: In the order in which they are done, what is stored first; see `umbel.execution.committing`.
    effects: tuple[Effect, ...] = ()
    #: Machine-readable word for a dead letter.
    reason: str = ""
    #: One line for the log: the result's repr (bounded), the exception, the retry time.
    detail: str = ""
    traceback: str | None = None
    #: Expected (`throws`): logged at INFO without traceback.
    expected: bool = False
    #: The task itself published messages: they must be confirmed before its own message is settled.
    has_sent: bool = False

    @property
    def records(self) -> list[Record]:
        """The records to be stored: that of the task itself first."""
        return [effect.record for effect in self.effects if type(effect) is Store]

    @property
    def publications(self) -> list[tuple[Message, Destination]]:
        """The messages to be published."""
        return [(effect.message, effect.to) for effect in self.effects if type(effect) is Publish]


class Runner(Protocol):
    """Executes jobs of one app in this process, one at a time per thread."""

    def execute(self, job: Job) -> Execution:
        """Run ``job``. What the task raises is an outcome; only `BaseException`s that end the process pass through."""

    def execute_batch(self, jobs: Sequence[Job]) -> list[Execution]:
        """Run ``jobs`` of one task together, as `execute` runs one."""

    def started_record(self, job: Job) -> Record | None:
        """Make the STARTED record of ``job``, which is about to run, where its task asks for one (``track_started``)."""
