"""From what happens to tasks to events on the wire: each is written when it happens, and they are sent in groups a few times a second.

Written at once, and not from notes later: what is noted would be kept from being freed, which costs a busy worker more than the writing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from umbel.brokers.base import Delivery
from umbel.events.model import FAILED, REJECTED, REVOKED
from umbel.events.parsing import is_name
from umbel.events.rendering import EventRenderer, Routed, json_text, quote, rest_text
from umbel.execution.completion import detail_of
from umbel.execution.model import Verdict
from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.runtime.clock import SYSTEM
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

#: Seconds that an event waits for company.
COMPANY: Final = 0.05
#: Events that are sent in one turn of the event loop.
_MOST_AT_ONCE: Final = 5000
#: Characters of a traceback.
_LONGEST_TRACEBACK: Final = 64 * 1024

#: Writes what stands behind the clock of an event: of a message's headers, what is known besides, and seconds since the epoch.
_Write = Callable[[Mapping[str, Any], Any, float], str]


class TaskEventEmitter:
    """Writes what happens to tasks, and sends it as events, in groups. Everything runs on the event loop.

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
        self._written: list[str] = []
        self._timer: asyncio.Handle | None = None
        self._listeners = self._make_listeners(events)
        self.is_listening: bool = False

    def listen(self) -> None:
        """Write what happens from now on."""
        for event, listener in () if self.is_listening else self._listeners:
            event.listen(listener, never_raises=True)
        self.is_listening = True

    def stop(self) -> None:
        """Send what was written, and write nothing any more."""
        for event, listener in self._listeners if self.is_listening else ():
            event.forget(listener)
        self.is_listening = False
        while self._written:
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._written[:_MOST_AT_ONCE]
        del self._written[:_MOST_AT_ONCE]
        if self._written:
            self._timer = asyncio.get_running_loop().call_soon(self.flush)
        if batch:
            self._send(self._renderer.groups(batch))

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMPANY, self.flush)

    def _make_listeners(self, events: TaskEvents) -> list[tuple[Any, Callable[..., None]]]:
        """Make the functions that write events, and nothing else: tasks wait for them."""
        written, schedule, now, monotonic = self._written, self._schedule, SYSTEM.now, SYSTEM.monotonic

        def received(task: ReservedTask) -> None:
            if task.policy.send_events:
                if not written:
                    schedule()
                written.append(_received(task.delivery.headers, None, now()))

        def started(task: ReservedTask, at: float) -> None:
            if task.policy.send_events:
                if not written:
                    schedule()
                written.append(_started(task.delivery.headers, None, now() - (monotonic() - at)))

        def ended(write: _Write) -> Callable[[ReservedTask, Outcome], None]:
            def listener(task: ReservedTask, outcome: Outcome) -> None:
                if task.policy.send_events:
                    if not written:
                        schedule()
                    written.append(write(task.delivery.headers, outcome, now()))

            return listener

        return [
            (events.received, received),
            (events.started, started),
            (events.succeeded, ended(_succeeded)),
            (events.failed, ended(_failed)),
            (events.retried, ended(_retried)),
            (events.rejected, ended(_rejected)),
            (events.failed_unreported, lambda delivery, error: self._write(_failed_unreported, delivery, error)),
            (events.expired, lambda delivery: self._write(_revoked, delivery, (False, None, True))),
            (events.revoked, lambda delivery, signum: self._write(_revoked, delivery, (signum is not None, signum, False))),
        ]

    def _write(self, write: _Write, delivery: Delivery, detail: Any) -> None:
        """Write an event of a message that may never have been admitted."""
        headers = delivery.headers
        policy = self._policies.get(str(headers.get("task")))
        if (policy is None or policy.send_events) and is_name(headers.get("id")):
            if not self._written:
                self._schedule()
            self._written.append(write(headers, detail, SYSTEM.now()))


# Each type as JSON behind the clock, in the order of the table; tests compare. Headers may be anybody's.


def _received(headers: Mapping[str, Any], _: None, at: float) -> str:
    get, text, task_id = headers.get, json_text, headers["id"]
    uuid, root_id, parent_id, eta, expires = quote(task_id), get("root_id"), get("parent_id"), get("eta"), get("expires")
    return (  # what is usual is not looked at twice
        f', "uuid": {uuid}, "name": {text(get("shadow") or get("task"))}, "args": {text(get("argsrepr"))}'
        f', "kwargs": {text(get("kwargsrepr"))}, "root_id": {uuid if root_id == task_id else text(root_id)}'
        f', "parent_id": {"null" if parent_id is None else text(parent_id)}, "retries": {text(get("retries"))}'
        f', "eta": {"null" if eta is None else text(eta)}, "expires": {"null" if expires is None else text(expires)}'
        f', "timestamp": {at!r}, "type": "task-received"}}'
    )


def _started(headers: Mapping[str, Any], _: None, at: float) -> str:
    return f', "uuid": {quote(headers["id"])}, "timestamp": {at!r}, "type": "task-started"}}'


def _succeeded(headers: Mapping[str, Any], outcome: Outcome, at: float) -> str:
    return (
        f', "uuid": {quote(headers["id"])}, "result": {json_text(outcome.detail)}, "runtime": {outcome.runtime!r}'
        f', "timestamp": {at!r}, "type": "task-succeeded"}}'
    )


def _failed(headers: Mapping[str, Any], outcome: Outcome, at: float) -> str:
    return _with_traceback(headers, outcome.detail, outcome.traceback, at, "task-failed")


def _retried(headers: Mapping[str, Any], outcome: Outcome, at: float) -> str:
    """A retry's detail is ``Retry in 1.0s: KeyError('x')``; the event is about the error behind the colon, if there is one."""
    error = outcome.detail.partition(": ")[2] or outcome.detail
    return _with_traceback(headers, error, outcome.traceback, at, "task-retried")


def _with_traceback(headers: Mapping[str, Any], error: str, traceback: str | None, at: float, kind: str) -> str:
    text = "null" if traceback is None else quote(traceback[-_LONGEST_TRACEBACK:])
    return (
        f', "uuid": {quote(headers["id"])}, "exception": {json_text(error)}, "traceback": {text}, "timestamp": {at!r}, "type": "{kind}"}}'
    )


def _rejected(headers: Mapping[str, Any], outcome: Outcome, at: float) -> str:
    return rest_text(REJECTED, (headers["id"], outcome.verdict == Verdict.REQUEUE), at)


def _failed_unreported(headers: Mapping[str, Any], error: BaseException, at: float) -> str:
    return rest_text(FAILED, (headers["id"], detail_of(error), None), at)


def _revoked(headers: Mapping[str, Any], how: tuple[bool, int | None, bool], at: float) -> str:
    return rest_text(REVOKED, (headers["id"], *how), at)
