"""Admission of messages that have come in: pure decisions on their headers.

================ ===========================================================
`Run`            now
`Hold`           it is due within seconds: wait in memory under its lease
`Postpone`       it is due later: back into the broker's delayed store
`Expire`         its time has passed: REVOKED, never run
`DeadLetter`           it can never run: dead letter, with the reason
================ ===========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from umbel.errors import MessageError
from umbel.execution.policy import TaskPolicy
from umbel.execution.preparing import task_names
from umbel.messages.timing import timestamp
from umbel.messages.validation import check_fields
from umbel.reasons import DeadReason
from umbel.wire.message import Message

#: Seconds. Closer than this, a message is held in memory.
NEAR = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """Run it; limits in seconds, ``expires`` in seconds since the epoch."""

    hard: float | None
    soft: float | None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait in memory until a time, seconds since the epoch."""

    until: float


@dataclass(frozen=True, slots=True)
class Postpone:
    """Put it into the broker's delayed store until a time, seconds since the epoch."""

    until: float


@dataclass(frozen=True, slots=True)
class Expire:
    """It must not run any more."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """It goes to the dead letters.

    Args:
        reason: a machine-readable word.
        detail: a sentence.
    """

    reason: str
    detail: str


Decision = Run | Hold | Postpone | Expire | DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPolicy:
    """The rules of a worker's admission."""

    policies: Mapping[str, TaskPolicy]
    max_deliveries: int = 5
    time_limit: float | None = None
    soft_time_limit: float | None = None
    #: The start of a redelivered message is recorded: its broker outlives this process.
    careful: bool = False


def admit(
    message: Message, *, attempts: int, flaw: MessageError | None, policy: AdmissionPolicy, now: float, near: float = NEAR
) -> Decision:
    """Decide on one message of protocol 2.

    Args:
        message: nothing in it is trusted.
        attempts: how often somebody died running it.
        flaw: what the broker's parser found wrong with it.
        policy: policies and limits of this worker.
        now: seconds since the epoch.
        near: seconds; due times closer than this are held.
    """
    if flaw is not None:
        return DeadLetter(flaw.reason, str(flaw))  # raised, it would keep the message in memory: its traceback leads here
    try:
        fields = check_fields(message.headers, message.properties, (), {})
        eta, expires = _timestamp(fields["eta"]), _timestamp(fields["expires"])
    except MessageError as error:
        return DeadLetter(error.reason, str(error))
    name = fields["task"]
    task_policy = policy.policies.get(name)
    if task_policy is None:
        meant = task_names.hint(name, policy.policies)
        return DeadLetter(DeadReason.UNREGISTERED, f"no task named {name!a} is registered in this worker" + (f"; {meant}" if meant else ""))
    if policy.max_deliveries and attempts >= policy.max_deliveries:
        return DeadLetter(DeadReason.WORKER_LOST, f"{attempts} workers or children died while running it")
    if expires is not None and expires <= now:
        return Expire()
    if eta is not None and eta > now:
        return Hold(eta) if eta - now <= near else Postpone(eta)
    hard, soft = fields["timelimit"]
    return Run(
        hard or task_policy.time_limit or policy.time_limit or None,
        soft or task_policy.soft_time_limit or policy.soft_time_limit or None,
        expires,
    )


def _timestamp(text: str | None) -> float | None:
    return None if text is None else timestamp(text)
