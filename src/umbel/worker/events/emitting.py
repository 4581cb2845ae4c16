"""From what happens to tasks to events on the wire. While a task is on its way something is noted; the rest is done a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from umbel.brokers.base import Delivery
from umbel.events.model import FAILED, RECEIVED, REJECTED, RETRIED, REVOKED, STARTED, SUCCEEDED, EventType
from umbel.events.parsing import is_name
from umbel.events.rendering import EventRenderer, Routed, Told, fields_text, json_text, quote
from umbel.execution.completion import detail_of
from umbel.execution.model import Verdict
from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.runtime.clock import SYSTEM
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

now, monotonic = SYSTEM.now, SYSTEM.monotonic

#: Seconds that an event waits for company.
COMPANY: Final = 0.05
#: Events that are written in one turn of the event loop: some milliseconds' worth.
_MOST_AT_ONCE: Final = 2000

#: Characters of a traceback.
_LONGEST_TRACEBACK: Final = 64 * 1024

#: What was noted: how to write its fields, what it is about, what is known of it, and when it was.
_Noted = tuple[EventType, Callable[[Any, Any], str], Any, Any, float]


class TaskEventEmitter:
    """Notes what happens to tasks, and sends it as events, in groups. Everything runs on the event loop.

    Args:
        events: to listen to.
        policies: of tasks by name; some send no events.
        renderer: writes events.
        send: takes messages with their routing keys; never blocks.
    """

    def __init__(
        self, events: TaskEvents, policies: Mapping[str, TaskPolicy], renderer: EventRenderer, send: Callable[[Iterable[Routed]], None]
    ) -> None:
        self._policies = policies
        self._renderer = renderer
        self._send = send
        self._noted: list[_Noted] = []
        self._timer: asyncio.Handle | None = None
        ended = {events.succeeded: SUCCEEDED, events.failed: FAILED, events.retried: RETRIED, events.rejected: REJECTED}
        self._listeners: list[tuple[Any, Callable[..., None]]] = [
            (events.received, self._received),
            (events.started, self._started),
            *((event, partial(self._ended, kind, _FIELDS[kind])) for event, kind in ended.items()),
            (events.failed_unreported, self._failed_unreported),
            (events.expired, self._expired),
            (events.revoked, self._revoked),
        ]
        self.is_listening = False

    def listen(self) -> None:
        """Note what happens from now on."""
        for event, listener in () if self.is_listening else self._listeners:
            event.listen(listener, never_raises=True)
        self.is_listening = True

    def stop(self) -> None:
        """Send what was noted, and note nothing any more."""
        for event, listener in self._listeners if self.is_listening else ():
            event.forget(listener)
        self.is_listening = False
        while self._noted:
            self.flush()

    def flush(self) -> None:
        """Send what was noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._noted = self._noted[:_MOST_AT_ONCE], self._noted[_MOST_AT_ONCE:]
        if self._noted:
            self._timer = asyncio.get_running_loop().call_soon(self.flush)
        told = self._told(batch)
        if told:
            self._send(self._renderer.groups(told))

    def _told(self, batch: list[_Noted]) -> list[Told]:
        policies, told = self._policies, []
        for kind, fields, subject, detail, timestamp in batch:
            if type(subject) is ReservedTask:
                if subject.policy.send_events:
                    told.append((kind, fields(subject.delivery.headers, detail), timestamp))
                continue
            headers = subject.headers
            policy = policies.get(str(headers.get("task")))
            if (policy is None or policy.send_events) and is_name(headers.get("id")):
                told.append((kind, fields(headers, detail), timestamp))
        return told

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMPANY, self.flush)

    # Each notes, and nothing else: a task waits for it.

    def _received(self, task: ReservedTask) -> None:
        if not self._noted:
            self._schedule()
        self._noted.append((RECEIVED, _received, task, None, now()))

    def _started(self, task: ReservedTask, at: float) -> None:
        if not self._noted:
            self._schedule()
        self._noted.append((STARTED, _started, task, None, now() - (monotonic() - at)))

    def _ended(self, kind: EventType, fields: Callable[[Any, Any], str], task: ReservedTask, outcome: Outcome) -> None:
        if not self._noted:
            self._schedule()
        self._noted.append((kind, fields, task, outcome, now()))

    def _unexecuted(self, kind: EventType, fields: Callable[[Any, Any], str], delivery: Delivery, detail: Any) -> None:
        if not self._noted:
            self._schedule()
        self._noted.append((kind, fields, delivery, detail, now()))

    def _failed_unreported(self, delivery: Delivery, error: BaseException) -> None:
        self._unexecuted(FAILED, _failed_unreported, delivery, error)

    def _expired(self, delivery: Delivery) -> None:
        self._unexecuted(REVOKED, _revoked, delivery, (False, None, True))

    def _revoked(self, delivery: Delivery, signum: int | None) -> None:
        self._unexecuted(REVOKED, _revoked, delivery, (signum is not None, signum, False))


# The fields of each type as JSON, in the order of the table; tests compare. Headers may be anybody's.


def _received(headers: Mapping[str, Any], _: None) -> str:
    get, text = headers.get, json_text
    return (
        f', "uuid": {quote(headers["id"])}, "name": {text(get("shadow") or get("task"))}, "args": {text(get("argsrepr"))}'
        f', "kwargs": {text(get("kwargsrepr"))}, "root_id": {text(get("root_id"))}, "parent_id": {text(get("parent_id"))}'
        f', "retries": {text(get("retries"))}, "eta": {text(get("eta"))}, "expires": {text(get("expires"))}'
    )


def _started(headers: Mapping[str, Any], _: None) -> str:
    return f', "uuid": {quote(headers["id"])}'


def _succeeded(headers: Mapping[str, Any], outcome: Outcome) -> str:
    return f', "uuid": {quote(headers["id"])}, "result": {json_text(outcome.detail)}, "runtime": {outcome.runtime!r}'


def _failed(headers: Mapping[str, Any], outcome: Outcome) -> str:
    return f', "uuid": {quote(headers["id"])}, "exception": {json_text(outcome.detail)}, "traceback": {_traceback(outcome)}'


def _retried(headers: Mapping[str, Any], outcome: Outcome) -> str:
    """A retry's detail is ``Retry in 1.0s: KeyError('x')``; the event is about the error behind the colon, if there is one."""
    error = outcome.detail.partition(": ")[2] or outcome.detail
    return f', "uuid": {quote(headers["id"])}, "exception": {json_text(error)}, "traceback": {_traceback(outcome)}'


def _traceback(outcome: Outcome) -> str:
    return "null" if outcome.traceback is None else quote(outcome.traceback[-_LONGEST_TRACEBACK:])


def _rejected(headers: Mapping[str, Any], outcome: Outcome) -> str:
    return fields_text(REJECTED, (headers["id"], outcome.verdict == Verdict.REQUEUE))


def _failed_unreported(headers: Mapping[str, Any], error: BaseException) -> str:
    return fields_text(FAILED, (headers["id"], detail_of(error), None))


def _revoked(headers: Mapping[str, Any], how: tuple[bool, int | None, bool]) -> str:
    return fields_text(REVOKED, (headers["id"], *how))


_FIELDS: Final[dict[EventType, Callable[[Any, Any], str]]] = {
    SUCCEEDED: _succeeded,
    FAILED: _failed,
    RETRIED: _retried,
    REJECTED: _rejected,
}
