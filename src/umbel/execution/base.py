"""What goes into running a task and what comes out, and the order of it.

A child executes in two steps, so that the results of a burst can be stored in one round trip::

    execution = runner.execute(job)     # before_start, the body; never raises for what the task did
    …                                   # execution.record is stored, execution.publications are published
    execution.finish()                  # on_success / on_failure / on_retry, after_return, signals
    …                                   # now the outcome is reported and the message settled

This is Celery's order (5.7): before_start → body → result stored → handler → after_return.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from umbel.brokers.topology import Destination
from umbel.messages.model import Message
from umbel.results.model import Record


class Verdict(enum.IntEnum):
    """What becomes of the message of an executed task."""

    #: It is done with.
    ACK = 0
    #: It goes back to its queue (``Reject(requeue=True)``).
    REQUEUE = 1
    #: It goes to the dead letters: rejected by the task, or it could not be decoded; `Execution.reason` says why.
    DEAD = 2


class SoftLimit:
    """When a soft time limit may raise: while the task's own code runs. Anywhere else it would end the child, and blame the task for it.

    A signal's handler runs between any two bytecodes. So a runner sets `may_raise` as the first thing inside a ``try`` and resets it in its
    ``finally``, all inside the ``try`` that turns exceptions into outcomes.
    """

    __slots__ = ("due", "may_raise")

    def __init__(self) -> None:
        self.may_raise = False
        #: The job whose limit passed while this could not be raised: its code has yet to begin, or has ended.
        self.due = 0


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


@dataclass(slots=True)
class Execution:
    """A task that has run."""

    job: Job
    task_id: str
    task_name: str
    #: SUCCESS, FAILURE, RETRY, IGNORED, REJECTED.
    state: str
    verdict: Verdict
    #: Seconds in the task's own code.
    runtime: float
    #: To be stored; ``None`` when there is nothing to store.
    record: Record | None = None
    #: To be published before the message is settled: the retry, callbacks.
    publications: Sequence[tuple[Message, Destination]] = ()
    #: Machine-readable word for a dead letter.
    reason: str = ""
    #: One line for the log: the result's repr (bounded), the exception, the retry time.
    detail: str = ""
    traceback: str | None = None
    #: Expected (`throws`): logged at INFO without traceback.
    expected: bool = False
    #: Handlers and signals that run after the result is stored; ``None`` when nobody listens.
    finish: Callable[[], None] | None = None
    #: Stored together with `record`: the rest of a failed task's chain, which will never run.
    more_records: Sequence[Record] = ()
    #: The task itself published messages: they must be confirmed before its own message is settled.
    has_sent: bool = False
    #: What this success becomes when its result cannot be stored: the failure with this error.
    otherwise: Callable[[Exception], Execution] | None = None


class Runner(Protocol):
    """Executes jobs of one app in this process, one at a time per thread."""

    def execute(self, job: Job) -> Execution:
        """Run one job. What the task raises is an outcome; only `BaseException`s that end the process pass through."""

    def started_record(self, job: Job) -> Record | None:
        """The STARTED record of a job that is about to run, where its task asks for one (``track_started``)."""
