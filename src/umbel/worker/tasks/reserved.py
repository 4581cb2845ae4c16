"""What a worker knows of a task's kind (`TaskSpec`) and of one message in its hands (`ReservedTask`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from umbel.brokers.base import Delivery
from umbel.pools.base import JobTuple, Seat


def run_of(delivery: Delivery) -> tuple[str, Any]:
    """What a message has in common with its redeliveries, but not with the next attempt: id and retries."""
    return str(delivery.headers.get("id")), delivery.headers.get("retries")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """The options of one task that the consumer process decides by."""

    name: str
    #: Acknowledge after the task, not before it.
    acks_late: bool = True
    #: What a lost child means for a late-ack message: redeliver (counted) or fail.
    reject_on_worker_lost: bool = True
    acks_on_timeout: bool = True
    ignore_result: bool = False
    #: Seconds.
    time_limit: float | None = None
    #: Seconds.
    soft_time_limit: float | None = None


class ReservedTask:
    """One admitted message, from delivery to acknowledger."""

    __slots__ = (
        "acked",
        "careful",
        "delivery",
        "early",
        "expires",
        "hard",
        "id",
        "lost",
        "number",
        "seat",
        "soft",
        "spec",
        "task",
        "timed_out",
    )

    def __init__(self, delivery: Delivery, task: str, task_id: str, spec: TaskSpec, hard: float | None, soft: float | None) -> None:
        self.delivery = delivery
        self.task = task
        self.id = task_id
        self.spec = spec
        #: Time limits that hold for this run, seconds.
        self.hard = hard
        self.soft = soft
        #: Acknowledged before it runs.
        self.early = not spec.acks_late
        #: That has happened: the broker has it no more, so it must run here, whatever comes.
        self.acked = False
        #: When it may not be started any more, seconds since the epoch.
        self.expires: float | None = None
        #: It was out before under a lease: its start is recorded, and it runs with nothing queued around it.
        self.careful = False
        #: The broker has taken the delivery back (connection or lease lost); settling it means nothing.
        self.lost = False
        #: A number for each dispatch, never used twice.
        self.number = 0
        self.seat: Seat | None = None
        self.timed_out = False

    def job(self) -> JobTuple:
        """What a child is sent."""
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


def spec_of(task: Any, conf: Any) -> TaskSpec:
    """The spec of a registered task: its own option where it has one, else the setting."""

    def option(name: str, setting: str) -> Any:
        own = getattr(task, name, None)
        return conf[setting] if own is None else own

    late = bool(option("acks_late", "task_acks_late"))
    reject = option("reject_on_worker_lost", "task_reject_on_worker_lost")
    on_timeout = option("acks_on_timeout", "task_acks_on_timeout")
    if on_timeout is None:
        on_timeout = option("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout")
    return TaskSpec(
        name=task.name,
        acks_late=late,
        reject_on_worker_lost=late if reject is None else bool(reject),
        acks_on_timeout=bool(on_timeout),
        ignore_result=bool(option("ignore_result", "task_ignore_result")),
        time_limit=option("time_limit", "task_time_limit"),
        soft_time_limit=option("soft_time_limit", "task_soft_time_limit"),
    )
