"""The table of events: every type, when it is sent, and its fields in the order in which they stand on the wire (Celery 5.7).

An event is a dict. `HEAD` and `TAIL` are in each; between them are the fields of its type. `FIELDS` says what each field means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from umbel import states

#: Fields of every event, before those of its type.
HEAD: Final = ("hostname", "utcoffset", "pid", "clock")
#: … and behind them.
TAIL: Final = ("timestamp", "type")
#: The routing key of a list of task events; a single event's is its type with dots.
GROUP_KEY: Final = "task.multi"
#: Characters of a type, a hostname or an id; what is longer is no event.
LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of events."""

    name: str
    #: In the words of the guide.
    when: str
    #: Those of this type alone, in order.
    fields: tuple[str, ...]
    #: The state of a task after it.
    state: str | None = None
    #: An event as JSON behind its clock, with ``%s`` for each value and the timestamp.
    template: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        text = "".join(f', "{name}": %s' for name in (*self.fields, "timestamp"))
        object.__setattr__(self, "template", f'{text}, "type": "{self.name}"}}')


_CALL: Final = ("name", "args", "kwargs")
_WORKER: Final = ("freq", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys")

SENT: Final = EventType(
    "task-sent",
    "a client has published the task's message (`task_send_sent_event`)",
    ("uuid", "root_id", "parent_id", *_CALL, "retries", "eta", "expires", "queue", "exchange", "routing_key"),
    states.PENDING,
)
RECEIVED: Final = EventType(
    "task-received",
    "a worker has admitted the message",
    ("uuid", *_CALL, "root_id", "parent_id", "retries", "eta", "expires"),
    states.RECEIVED,
)
STARTED: Final = EventType("task-started", "its code has begun", ("uuid",), states.STARTED)
SUCCEEDED: Final = EventType("task-succeeded", "it has succeeded", ("uuid", "result", "runtime"), states.SUCCESS)
FAILED: Final = EventType("task-failed", "it has failed, or its message cannot be run", ("uuid", "exception", "traceback"), states.FAILURE)
RETRIED: Final = EventType("task-retried", "it will be tried again", ("uuid", "exception", "traceback"), states.RETRY)
REJECTED: Final = EventType("task-rejected", "it has rejected its message", ("uuid", "requeue"), states.REJECTED)
REVOKED: Final = EventType("task-revoked", "it was revoked, or has expired", ("uuid", "terminated", "signum", "expired"), states.REVOKED)
ONLINE: Final = EventType("worker-online", "a worker begins to consume", _WORKER)
HEARTBEAT: Final = EventType("worker-heartbeat", "every `--heartbeat-interval` seconds", _WORKER)
OFFLINE: Final = EventType("worker-offline", "a worker has stopped", _WORKER)

#: All types that Umbel sends. Others may come: a task's own, by `umbel.Task.send_event`, and those of Celery's workers.
TABLE: Final = (SENT, RECEIVED, STARTED, SUCCEEDED, FAILED, RETRIED, REJECTED, REVOKED, ONLINE, HEARTBEAT, OFFLINE)
BY_NAME: Final = {kind.name: kind for kind in TABLE}

#: The meaning of each field.
FIELDS: Final = {
    "hostname": "name of the worker (or client) that sends the event",
    "utcoffset": "hours from its local time to UTC",
    "pid": "its process id",
    "clock": "its logical clock",
    "timestamp": "seconds since the epoch",
    "type": "as in the table",
    "uuid": "id of the task",
    "name": "its name, or its `shadow`",
    "args": "a preview of its positional arguments, text",
    "kwargs": "a preview of its keyword arguments, text",
    "root_id": "id of the task that everything began with",
    "parent_id": "id of the task that sent it",
    "retries": "attempts before this one",
    "eta": "not before: ISO 8601",
    "expires": "not after: ISO 8601",
    "queue": "name of the queue that it was sent to",
    "exchange": "name of the exchange that it was sent to",
    "routing_key": "of its message",
    "result": "a preview of its result, text",
    "runtime": "seconds in its code",
    "exception": "a preview of the exception, text",
    "traceback": "text",
    "requeue": "its message goes back to the queue, else to the dead letters",
    "terminated": "it ran, and was ended",
    "signum": "number of the signal that ended it",
    "expired": "its time had passed",
    "freq": "seconds between two heartbeats",
    "active": "tasks that run now",
    "processed": "tasks that have ended since the worker began",
    "loadavg": "of its machine: 1, 5 and 15 minutes",
    "sw_ident": "`umbel`; Celery's workers say `py-celery`",
    "sw_ver": "version of that software",
    "sw_sys": "operating system",
}


def group_of(kind: str) -> str:
    """Name the group of a type: ``task``, ``worker``, or what else stands before the first dash.

    Args:
        kind: the type of an event.
    """
    return kind.partition("-")[0]


def routing_key(kind: str) -> str:
    """Name the routing key of single events of a type.

    Args:
        kind: the type of an event.
    """
    return kind.replace("-", ".")
