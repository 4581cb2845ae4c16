"""From what happens to tasks to events on the wire. While a task is on its way something is noted; the rest is done a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from umbel.brokers.base import Delivery
from umbel.events.model import FAILED, RECEIVED, REJECTED, RETRIED, REVOKED, STARTED, SUCCEEDED, EventType
from umbel.events.parsing import is_name
from umbel.events.rendering import EventRenderer, Routed, Told, values_of
from umbel.execution.completion import detail_of
from umbel.execution.model import Verdict
from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.runtime.clock import SYSTEM
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

#: Seconds that an event waits for company.
COMPANY: Final = 0.05
#: Events that are written in one turn of the event loop: some milliseconds' worth.
_MOST_AT_ONCE: Final = 2000

#: Something that was noted: how to make its values, what it is about, what is known of it, and when it was.
_Noted = tuple[EventType, Callable[[Any, Any], tuple[Any, ...]], Any, Any, float]


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
            *((event, partial(self._ended, kind, _VALUES[kind])) for event, kind in ended.items()),
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
        for kind, values, subject, detail, timestamp in batch:
            headers = (subject if isinstance(subject, Delivery) else subject.delivery).headers
            policy = policies.get(str(headers.get("task")))
            if (policy is None or policy.send_events) and is_name(headers.get("id")):
                told.append((kind, values(headers, detail), timestamp))
        return told

    def _note(self, noted: _Noted) -> None:
        if not self._noted and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMPANY, self.flush)
        self._noted.append(noted)

    def _received(self, task: ReservedTask) -> None:
        self._note((RECEIVED, _received, task, None, SYSTEM.now()))

    def _started(self, task: ReservedTask, at: float) -> None:
        self._note((STARTED, _started, task, None, SYSTEM.now() - (SYSTEM.monotonic() - at)))

    def _ended(self, kind: EventType, values: Callable[[Any, Any], tuple[Any, ...]], task: ReservedTask, outcome: Outcome) -> None:
        self._note((kind, values, task, outcome, SYSTEM.now()))

    def _failed_unreported(self, delivery: Delivery, error: BaseException) -> None:
        self._note((FAILED, _failed_unreported, delivery, error, SYSTEM.now()))

    def _expired(self, delivery: Delivery) -> None:
        self._note((REVOKED, _revoked, delivery, (False, None, True), SYSTEM.now()))

    def _revoked(self, delivery: Delivery, signum: int | None) -> None:
        self._note((REVOKED, _revoked, delivery, (signum is not None, signum, False), SYSTEM.now()))


# The values of each type, in the order of the table. Headers may be anybody's.


def _received(headers: Mapping[str, Any], _: None) -> tuple[Any, ...]:
    get = headers.get
    return values_of(
        (
            get("id"), get("shadow") or get("task"), get("argsrepr"), get("kwargsrepr"), get("root_id"), get("parent_id"), get("retries"),
            get("eta"), get("expires"),
        )
    )  # fmt: skip


def _started(headers: Mapping[str, Any], _: None) -> tuple[Any, ...]:
    return (headers["id"],)


def _succeeded(headers: Mapping[str, Any], outcome: Outcome) -> tuple[Any, ...]:
    return headers["id"], outcome.detail, outcome.runtime


def _failed(headers: Mapping[str, Any], outcome: Outcome) -> tuple[Any, ...]:
    return headers["id"], outcome.detail, outcome.traceback


def _retried(headers: Mapping[str, Any], outcome: Outcome) -> tuple[Any, ...]:
    """A retry's detail is ``Retry in 1.0s: KeyError('x')``; the event is about the error behind the colon, if there is one."""
    return headers["id"], outcome.detail.partition(": ")[2] or outcome.detail, outcome.traceback


def _rejected(headers: Mapping[str, Any], outcome: Outcome) -> tuple[Any, ...]:
    return headers["id"], outcome.verdict == Verdict.REQUEUE


def _failed_unreported(headers: Mapping[str, Any], error: BaseException) -> tuple[Any, ...]:
    return headers["id"], detail_of(error), None


def _revoked(headers: Mapping[str, Any], how: tuple[bool, int | None, bool]) -> tuple[Any, ...]:
    return headers["id"], *how


_VALUES: Final[dict[EventType, Callable[[Any, Any], tuple[Any, ...]]]] = {
    SUCCEEDED: _succeeded,
    FAILED: _failed,
    RETRIED: _retried,
    REJECTED: _rejected,
}
