"""`Task`: what is known of one task by its events, which may be late, missing, doubled, or of several attempts. Pure.

An event is late when it tells of something before what is known already. It then only adds what is not known yet; otherwise it overwrites. What decides is,
in this order: the logical clock, of two events of one process; the number of the attempt, where both events tell it; the order of states in a task's life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from umbel import states
from umbel.events import fields
from umbel.events.model import BY_NAME, HEAD, TAIL

if TYPE_CHECKING:
    from umbel.events.worker_state import Worker

#: What is known of a task, and what it is called in `Task.as_dict`.
FIELDS: Final = (
    "uuid", "name", "state", "received", "sent", "started", "rejected", "succeeded", "failed", "retried", "revoked", "args", "kwargs", "eta",
    "expires", "retries", "worker", "result", "exception", "timestamp", "runtime", "traceback", "exchange", "routing_key", "clock", "client",
    "root", "root_id", "parent", "parent_id", "children",
)  # fmt: skip
#: The part of it that `Task.info` shows.
INFO: Final = (
    "args", "kwargs", "retries", "result", "eta", "runtime", "expires", "exception", "exchange", "routing_key", "root_id", "parent_id",
)  # fmt: skip
#: Types of events (without ``task-``), each an attribute: when the last such event was.
MOMENTS: Final = frozenset({"sent", "received", "started", "rejected", "succeeded", "failed", "retried", "revoked"})
#: Fields that a task's own events may add.
MOST_OWN: Final = 30

_SKIPPED: Final = frozenset({*HEAD, *TAIL, "uuid", "local_received"})
#: States in the order of a task's life; those of its own events stand behind STARTED.
_LIFE: Final = {
    states.PENDING: 0, states.RECEIVED: 1, states.STARTED: 2, states.RETRY: 4, states.REJECTED: 4, states.REVOKED: 5, states.FAILURE: 6,
    states.SUCCESS: 7,
}  # fmt: skip
#: States after which it may be received again.
_BETWEEN: Final = frozenset({states.RETRY, states.REJECTED})
#: Of events of the table: how many fields they have when received, and those that are kept, with how.
_KNOWN: Final = {
    kind.name: (
        len(HEAD) + len(kind.fields) + len(TAIL) + 1,
        tuple((name, fields.OF_TASK[name]) for name in kind.fields if name in fields.OF_TASK),
    )
    for kind in BY_NAME.values()
}
_STATES: Final = {kind.removeprefix("task-"): found.state for kind, found in BY_NAME.items() if found.state is not None}


class Cluster(Protocol):
    """A cluster, as far as its tasks ask for one another."""

    @property
    def tasks(self) -> Mapping[str, Task]: ...
    def children_of(self, uuid: str) -> list[Task]: ...


class Task:
    """One task, as its events tell of it. Fields of events of its own (`umbel.Task.send_event`) are attributes, too.

    Args:
        uuid: its id.
        cluster_state: knows its parent, its root and its children.
        known: fields that are known already.
    """

    name: str | None = None
    state: str = states.PENDING
    #: Times, seconds since the epoch.
    received: float | None = None
    sent: float | None = None
    started: float | None = None
    rejected: float | None = None
    succeeded: float | None = None
    failed: float | None = None
    retried: float | None = None
    revoked: float | None = None
    args: str | None = None
    kwargs: str | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int | None = None
    #: The one that has it.
    worker: Worker | None = None
    #: Name of the client that sent it.
    client: str | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    #: Of the last event.
    timestamp: float | None = None
    #: The largest of all events that were not late.
    clock: int = 0
    #: Seconds.
    runtime: float | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    #: The sender of the last event that was not late, and its clock. A child's clock is not its worker's, though its name is.
    _source: tuple[Any, Any] | None = None
    _source_clock: int = 0

    def __init__(self, uuid: str | None = None, cluster_state: Cluster | None = None, **known: Any) -> None:
        self.uuid = uuid
        self.cluster_state = cluster_state
        self._add(known, is_late=False)

    def __repr__(self) -> str:
        return f"<Task: {self.name}({self.uuid}) {self.state} clock:{self.clock}>"

    def event(
        self,
        kind: str,
        timestamp: float | None = None,
        local_received: float | None = None,  # noqa: ARG002 - Celery's
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Learn from an event.

        Args:
            kind: its type without ``task-``.
            timestamp: seconds since the epoch.
            local_received: seconds since the epoch, by our clock.
            told: the event.
        """
        told = told or {}
        state = _STATES.get(kind) or kind.upper()
        source, clock = (told.get("hostname"), told.get("pid")), told.get("clock", 0)
        is_late = self._source is not None and self._is_late(state, told, source, clock)
        if kind in MOMENTS:
            setattr(self, kind, max(getattr(self, kind) or 0.0, timestamp or 0.0) if is_late else timestamp)
        if not is_late:
            self.state, self.timestamp, self._source, self._source_clock = state, timestamp, source, clock
            self.clock = max(self.clock, clock)
        self._add(told, is_late=is_late)

    def recall(self, known: Mapping[str, Any], timestamp: float) -> None:
        """Take over what was known of it once, from a file say. An event that is older than that is late from then on.

        Args:
            known: values of its attributes.
            timestamp: of the last event, seconds since the epoch.
        """
        for name, value in known.items():
            setattr(self, name, value)
        self.timestamp, self._source = timestamp, (None, None)

    def _is_late(self, state: str, told: Mapping[str, Any], source: tuple[Any, Any], clock: Any) -> bool:
        if source == self._source and clock and self._source_clock and states.PENDING not in {state, self.state}:
            return bool(clock <= self._source_clock)
        attempts = self._attempts_ahead(told)
        if attempts:
            return attempts < 0
        if self.state in _BETWEEN and state not in _BETWEEN:
            return False  # the next attempt
        return _place(state) < _place(self.state)

    def _attempts_ahead(self, told: Mapping[str, Any]) -> int:
        """Count the attempts between what is known and what an event tells of; 0 where one of them does not say."""
        attempt, known = fields.count(told.get("retries")), self.retries
        return 0 if attempt is None or known is None else attempt - known

    def _add(self, told: Mapping[str, Any], *, is_late: bool) -> None:
        mine = self.__dict__
        if is_late and (attempts := self._attempts_ahead(told)):
            if attempts < 0:
                return  # a newer attempt has told as much
            is_late = False
        known = _KNOWN.get(told.get("type", ""))
        if known is not None and len(told) == known[0]:  # it has no others
            for name, keep in known[1]:
                value = told.get(name)
                if (value is None and name not in mine) or (is_late and mine.get(name) is not None):
                    continue
                mine[name] = keep(value)
            return
        for name, value in told.items():
            found = fields.OF_TASK.get(name)
            if found is None:
                if name in _SKIPPED or not self._may_have(name):
                    continue
                found = fields.plain
            if (is_late and mine.get(name) is not None) or (value is None and name not in mine):
                continue
            mine[name] = found(value)

    def _may_have(self, name: str) -> bool:
        """Report whether a field of an event of its own becomes an attribute: not in place of one that a task has."""
        return (
            not name.startswith("_")
            and not hasattr(type(self), name)
            and (name in self.__dict__ or len(self.__dict__) < len(FIELDS) + MOST_OWN)
            and name != "cluster_state"
        )

    def info(self, fields: Iterable[str] | None = None, extra: Iterable[str] = ()) -> dict[str, Any]:
        """Collect what is known of it and worth showing.

        Args:
            fields: names; those that are usually shown when not given.
            extra: names of more fields.
        """
        names = [*(INFO if fields is None else fields), *extra]
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """Collect all that is known of it; its parent, root and children by their ids."""
        found = {name: getattr(self, name) for name in FIELDS}
        found["children"] = [child.uuid for child in self.children]
        for name in ("parent", "root"):
            found[name] = getattr(self, f"{name}_id") if found[name] is not None else None
        return found

    @property
    def ready(self) -> bool:
        """Report whether it has ended."""
        return self.state in states.READY_STATES

    @property
    def id(self) -> str | None:
        """Its id."""
        return self.uuid

    @property
    def origin(self) -> str | None:
        """The name of its client, or of its worker with the process id."""
        return self.client if self.worker is None else self.worker.id

    @property
    def parent(self) -> Task | None:
        """The task that sent it, if that is known."""
        return self._other(self.parent_id)

    @property
    def root(self) -> Task | None:
        """The task that everything began with, if that is known."""
        return self._other(self.root_id)

    @property
    def children(self) -> list[Task]:
        """The tasks that it has sent, as far as they are known."""
        return [] if self.cluster_state is None or self.uuid is None else self.cluster_state.children_of(self.uuid)

    def _other(self, uuid: str | None) -> Task | None:
        return None if self.cluster_state is None or uuid is None else self.cluster_state.tasks.get(uuid)


def _place(state: str) -> int:
    return _LIFE.get(state, 3)
