"""The log of a worker's tasks: one line each, with Celery's words, control characters escaped."""

from __future__ import annotations

import logging

from umbel.brokers.base import Delivery
from umbel.pools.base import Outcome
from umbel.pools.slot import Child
from umbel.runtime.logs import escape
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Characters of a log line's variable part.
_MOST = 2000


class TaskLog:
    """Writes log lines about tasks."""

    def subscribe(self, events: TaskEvents) -> None:
        """Write about these events from now on. Asks once what the log level lets through."""
        events.failed.listen(self.failed, never_raises=True)
        events.dead_lettered.listen(self.dead_lettered, never_raises=True)
        events.dropped.listen(self.dropped, never_raises=True)
        events.lost.listen(self.lost, never_raises=True)
        events.unsure.listen(self.unsure, never_raises=True)
        if logger.isEnabledFor(logging.DEBUG):
            events.started.listen(self.started, never_raises=True)
        if logger.isEnabledFor(logging.INFO):
            events.received.listen(self.received, never_raises=True)
            events.succeeded.listen(self.succeeded, never_raises=True)
            events.retried.listen(self.retried, never_raises=True)
            events.ignored.listen(self.ignored, never_raises=True)
            events.rejected.listen(self.rejected, never_raises=True)
            events.expired.listen(self.expired, never_raises=True)
            events.revoked.listen(self.revoked, never_raises=True)

    def received(self, entry: ReservedTask) -> None:
        """A message was admitted."""
        logger.info("Task %s[%s] received", clean(entry.task), clean(entry.id))

    def started(self, entry: ReservedTask, at: float) -> None:  # noqa: ARG002 - the line has its own time
        """A task's code has begun."""
        pid = entry.slot.child.pid if entry.slot is not None else None
        logger.debug("Task accepted: %s[%s] pid:%s", clean(entry.task), clean(entry.id), pid)

    def succeeded(self, entry: ReservedTask, outcome: Outcome) -> None:
        """A task has succeeded."""
        logger.info("Task %s[%s] succeeded in %.6fs: %s", clean(entry.task), clean(entry.id), outcome.runtime, clean(outcome.detail))

    def retried(self, entry: ReservedTask, outcome: Outcome) -> None:
        """A task has asked to be run again."""
        logger.info("Task %s[%s] retry: %s", clean(entry.task), clean(entry.id), clean(outcome.detail))

    def ignored(self, entry: ReservedTask, outcome: Outcome) -> None:  # noqa: ARG002 - as of all that have ended
        """A task has ended without a result."""
        logger.info("Task %s[%s] ignored", clean(entry.task), clean(entry.id))

    def rejected(self, entry: ReservedTask, outcome: Outcome) -> None:
        """A task has rejected its message."""
        logger.info("Task %s[%s] rejected: %s", clean(entry.task), clean(entry.id), clean(outcome.detail))

    def failed(self, entry: ReservedTask, outcome: Outcome) -> None:
        """A task has failed, as it may (`throws`) or not."""
        if outcome.expected:
            logger.info("Task %s[%s] raised expected: %s", clean(entry.task), clean(entry.id), clean(outcome.detail))
            return
        traceback = f"\n{outcome.traceback.rstrip()}" if outcome.traceback else ""
        logger.error("Task %s[%s] raised unexpected: %s%s", clean(entry.task), clean(entry.id), clean(outcome.detail), traceback)

    def lost(self, entry: ReservedTask, cause: str, what_next: str) -> None:
        """A child died while it ran this."""
        logger.error("Task %s[%s]: its process ended (%s); %s", clean(entry.task), clean(entry.id), cause, what_next)

    def unsure(self, entry: ReservedTask) -> None:
        """The connection was lost while this was acknowledged before it ran."""
        logger.error(
            "Task %s[%s]: the connection was lost as it was acknowledged, before it ran; it runs only if it comes again",
            clean(entry.task),
            clean(entry.id),
        )

    def stuck(self, child: Child) -> None:
        """A child does not begin what it was sent."""
        logger.error("Child %d (process %s) does not take its tasks; it is replaced, and they go to others", child.index, child.pid)

    def soft_limit(self, entry: ReservedTask) -> None:
        """The soft time limit has passed."""
        logger.warning("Soft time limit (%ss) exceeded for %s[%s]", entry.soft, clean(entry.task), clean(entry.id))

    def hard_limit(self, entry: ReservedTask) -> None:
        """The hard time limit has passed."""
        logger.error("Hard time limit (%ss) exceeded for %s[%s]", entry.hard, clean(entry.task), clean(entry.id))

    def unstoppable(self, entry: ReservedTask, seconds: float) -> None:
        """A task does not end, and takes its child with it."""
        child = entry.slot.child if entry.slot is not None else None
        logger.error(
            "Task %s[%s] does not end; its child (process %s) is replaced, and what else runs there has %g s to end before it is run again elsewhere",
            clean(entry.task), clean(entry.id), child and child.pid, seconds,
        )  # fmt: skip

    def expired(self, delivery: Delivery) -> None:
        """A message's time has passed."""
        logger.info("Discarding revoked task: %s[%s] (expired)", clean(delivery.headers.get("task")), clean(delivery.headers.get("id")))

    def revoked(self, delivery: Delivery, signum: int | None) -> None:
        """A task was revoked."""
        how = "revoked" if signum is None else f"ended by signal {signum}"
        logger.info("Discarding revoked task: %s[%s] (%s)", clean(delivery.headers.get("task")), clean(delivery.headers.get("id")), how)

    def dead_lettered(self, delivery: Delivery, reason: str, detail: str) -> None:
        """A message was dead-lettered."""
        logger.error(
            "Message %s[%s] moved to %s.dead: %s: %s",
            clean(delivery.headers.get("task")),
            clean(delivery.headers.get("id")),
            clean(delivery.queue),
            reason,
            clean(detail),
        )

    def dropped(self, delivery: Delivery, reason: str, detail: str) -> None:
        """A message that was sent to all workers cannot be run by this one."""
        logger.error(
            "Message %s[%s] dropped: this worker cannot run what was sent to all workers: %s: %s",
            clean(delivery.headers.get("task")),
            clean(delivery.headers.get("id")),
            reason,
            clean(detail),
        )


def clean(value: object) -> str:
    """Fit for a log line: on one line, escaped, bounded."""
    return escape(value if isinstance(value, str) else str(value), _MOST)
