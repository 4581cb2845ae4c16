"""One message in a worker's hands, from its admission until it is settled."""

from __future__ import annotations

import enum
from typing import Any

from umbel.brokers.base import Delivery
from umbel.execution.policy import TaskPolicy
from umbel.pools.slot import JobTuple, Slot


def run_of(delivery: Delivery) -> tuple[str, Any]:
    """Return what a message has in common with its redeliveries, but not with the next attempt: id and retries."""
    return str(delivery.headers.get("id")), delivery.headers.get("retries")


class EndReason(enum.Enum):
    """The reason why a child is killed while it runs a task."""

    TIME_LIMIT = "its hard time limit passed"
    REVOKED = "it was revoked"


class ReservedTask:
    """One admitted message."""

    __slots__ = (
        "acked",
        "careful",
        "delivery",
        "early",
        "end_reason",
        "expires",
        "hard",
        "id",
        "lost",
        "number",
        "policy",
        "signum",
        "slot",
        "soft",
        "task",
    )

    def __init__(
        self, delivery: Delivery, task: str, task_id: str, task_policy: TaskPolicy, hard: float | None, soft: float | None
    ) -> None:
        self.delivery: Delivery = delivery
        self.task: str = task
        self.id: str = task_id
        self.policy: TaskPolicy = task_policy
        #: Time limits that hold for this run, seconds.
        self.hard: float | None = hard
        self.soft: float | None = soft
        #: Acknowledged before it runs.
        self.early: bool = not task_policy.acks_late
        #: That has happened: the broker has it no more, so it must run here, whatever comes.
        self.acked: bool = False
        #: When it may not be started any more, seconds since the epoch.
        self.expires: float | None = None
        #: It runs with nothing queued around it: it was out before under a lease, or a gate must know when it starts.
        self.careful: bool = False
        #: The broker has taken the delivery back (connection or lease lost); settling it means nothing.
        self.lost: bool = False
        #: A number for each dispatch, never used twice.
        self.number: int = 0
        #: That runs it, or has been given it.
        self.slot: Slot | None = None
        #: Why its child was killed, if it was.
        self.end_reason: EndReason | None = None
        #: By which signal that was asked for, where it was revoked.
        self.signum: int | None = None

    def job(self) -> JobTuple:
        """Make the tuple that a child is sent."""
        delivery = self.delivery
        return (
            self.number,
            delivery.headers,
            delivery.body,
            delivery.content_type,
            delivery.content_encoding,
            delivery.properties,
            delivery.exchange,
            delivery.routing_key,
            delivery.redelivered,
        )
