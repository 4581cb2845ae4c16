"""Events of tasks in a worker, for whoever listens: the log, and more when somebody wants to know.

An event to which nobody listens costs next to nothing: the cheap question is whether its `Event.tell` is ``None``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVarTuple

from umbel import states
from umbel.brokers.base import Delivery
from umbel.pools.base import Outcome
from umbel.worker.tasks.reserved import ReservedTask

logger: logging.Logger = logging.getLogger("umbel.worker")

Told = TypeVarTuple("Told")


class Event(Generic[*Told]):
    """One thing that happens to tasks."""

    __slots__ = ("_listeners", "tell")

    def __init__(self) -> None:
        self._listeners: tuple[Callable[[*Told], object], ...] = ()
        #: Tells the listeners; ``None`` when nobody listens. A lone listener is called without anything between: this is asked for each task.
        self.tell: Callable[[*Told], object] | None = None

    def __call__(self, *told: *Told) -> None:
        """Tell the listeners, if there are any."""
        for listener in self._listeners:
            listener(*told)

    def listen(self, listener: Callable[[*Told], object], *, never_raises: bool = False) -> None:
        """Call a function each time from now on.

        Args:
            listener: called on the event loop; it must not block. What it raises is logged, and harms neither the task nor other listeners.
            never_raises: it need not be guarded, which is quicker.
        """
        self._set((*self._listeners, listener if never_raises else _guarded(listener)))

    def forget(self, listener: Callable[[*Told], object]) -> None:
        """Do not call a function any more.

        Args:
            listener: was given to `listen`, with ``never_raises``.
        """
        self._set(tuple([each for each in self._listeners if each != listener]))

    def _set(self, listeners: tuple[Callable[[*Told], object], ...]) -> None:
        self._listeners = listeners
        self.tell = None if not listeners else self if listeners[1:] else listeners[0]


def _guarded(listener: Callable[[*Told], object]) -> Callable[[*Told], None]:
    def call(*told: *Told) -> None:
        try:
            listener(*told)
        except Exception:
            logger.exception("a listener of task events has failed")

    return call


class TaskEvents:
    """The events of all tasks of a worker."""

    def __init__(self) -> None:
        #: Its message was admitted.
        self.received: Event[ReservedTask] = Event()
        #: Its code has begun: monotonic seconds. Told within a twentieth of a second, or with its end.
        self.started: Event[ReservedTask, float] = Event()
        #: The numbers of those that run and whose start has been told (`umbel.worker.starts`).
        self.begun: set[int] = set()
        #: It has ended in a child.
        self.succeeded: Event[ReservedTask, Outcome] = Event()
        self.failed: Event[ReservedTask, Outcome] = Event()
        self.retried: Event[ReservedTask, Outcome] = Event()
        self.ignored: Event[ReservedTask, Outcome] = Event()
        self.rejected: Event[ReservedTask, Outcome] = Event()
        #: It has failed, and no child can tell: its message is unusable, its child died, a hard limit passed.
        self.failed_unreported: Event[Delivery, BaseException] = Event()
        #: Its time passed before it could run.
        self.expired: Event[Delivery] = Event()
        #: It was revoked; the signal that ended it, if it ran.
        self.revoked: Event[Delivery, int | None] = Event()
        #: Its message was moved to the dead letters, for a reason, with a sentence.
        self.dead_lettered: Event[Delivery, str, str] = Event()
        #: Its message was dropped, for a reason, with a sentence: it was this worker's part of a broadcast.
        self.dropped: Event[Delivery, str, str] = Event()
        #: Its child died: the cause, and what becomes of it.
        self.lost: Event[ReservedTask, str, str] = Event()
        #: The connection was lost while it was acknowledged before its run.
        self.unsure: Event[ReservedTask] = Event()
        #: The events of tasks that have ended in children, by the state in which they ended.
        self.endings: Final[Mapping[str, Event[ReservedTask, Outcome]]] = {
            states.SUCCESS: self.succeeded,
            states.FAILURE: self.failed,
            states.RETRY: self.retried,
            states.IGNORED: self.ignored,
            states.REJECTED: self.rejected,
        }
