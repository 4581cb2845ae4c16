"""`Listening`: the one subscription of a dashboard. A thread receives events, learns from them and writes the history."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.cli.events.fleet import Fleet
from umbel.dashboard.history.recorder import Recorder
from umbel.dashboard.live.changes import Changes
from umbel.dashboard.live.counters import Counters
from umbel.dashboard.live.pacing import Pacing
from umbel.errors import OperationalError, UmbelError
from umbel.events.parsing import parsed_or_refused
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.dashboard")

#: Seconds between two transactions, and changed tasks after which one comes sooner.
_WRITE_EVERY: Final = 0.5
_MOST_PENDING: Final = 5_000
#: Seconds between two attempts to reach a broker that is away.
_AGAIN: Final = 2.0
#: Seconds between two looks at what is too old.
_TRIM_EVERY: Final = 15.0


class Listening(threading.Thread):
    """Receives events until `stop`.

    Args:
        app: whose events.
        fleet: learns them.
        recorder: likewise, and writes.
        counters: likewise.
        changes: is told.
        trim: drops what is too old, a part with each call.
    """

    def __init__(self, app: Any, fleet: Fleet, recorder: Recorder, counters: Counters, changes: Changes, trim: Callable[[], int]) -> None:
        super().__init__(name="umbel-dashboard-events", daemon=True)
        self._app = app
        self._fleet = fleet
        self._recorder = recorder
        self._counters = counters
        self._changes = changes
        self._trim = trim
        self._stop_asked = threading.Event()
        self._written = self._trimmed = 0.0
        #: Set once events are received.
        self.is_listening: threading.Event = threading.Event()
        #: Why no events come, in words; empty while all is well.
        self.problem: str = ""
        #: Events since the start, and messages that came too fast to be read.
        self.events: int = 0
        self.dropped: int = 0

    def stop(self) -> None:
        """Have it end, and wait for it for a few seconds."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(5.0)

    def run(self) -> None:
        """Listen; a broker that is away is tried again."""
        while not self._stop_asked.is_set():
            try:
                self._listen()
            except UmbelError as error:
                self.problem = str(error)
                self.is_listening.clear()
                logger.warning("No events: %s. Trying again in %g s.", error, _AGAIN)
                self._changes.tell("health")
                self._stop_asked.wait(_AGAIN)
            except Exception:
                self.problem = "an error, which the log shows"
                logger.exception("The listener to events failed. Trying again in %g s.", _AGAIN)
                self._stop_asked.wait(_AGAIN)

    def _listen(self) -> None:
        receiver = self._app.events.Receiver()
        with BlockingSubscriber(self._app.broker.subscriber(receiver.queue)) as subscriber:
            self.problem = ""
            self.is_listening.set()
            receiver.wakeup_workers()
            dropped, pacing = self.dropped, Pacing(SYSTEM.monotonic(), time.thread_time())
            while not self._stop_asked.is_set():
                deliveries = subscriber.receive(_WRITE_EVERY)
                for delivery in deliveries:
                    events = parsed_or_refused(delivery, receiver.accept, SYSTEM.now()).events
                    for event in events:
                        receiver.event_from_message(event)
                    self._learn(events)
                    self._write()
                self.dropped = dropped + subscriber.dropped
                self._recorder.sample = pacing.look(SYSTEM.monotonic(), time.thread_time())
                self._write()
        self._write(now=True)

    def _learn(self, events: list[dict[str, Any]]) -> None:
        self.events += len(events)
        self._recorder.known([event["uuid"] for event in events if event["type"].startswith("task-") and "uuid" in event])
        topics = set()
        for event in events:
            self._fleet.learn(event)
            if event["type"].startswith("task-"):
                task = self._recorder.learn(event)
                self._counters.learn(event, None if task is None else task.name)
            else:
                topics.add("workers")
        if topics:
            self._changes.tell(*topics)

    def _write(self, *, now: bool = False) -> None:
        at = SYSTEM.monotonic()
        if not now and at - self._written < _WRITE_EVERY and self._recorder.pending < _MOST_PENDING:
            return
        self._written = at
        try:
            if self._recorder.write():
                self._changes.tell("tasks")
            if at - self._trimmed >= _TRIM_EVERY:
                self._trimmed = at
                self._trim()
        except OperationalError as error:
            self.problem = str(error)
            logger.error("%s", error)
