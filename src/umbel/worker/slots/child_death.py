"""A child has died: who is to blame, and what becomes of what it had. Pure but for `Station`'s bookkeeping.

Exactly the job that was running is to blame. Jobs that waited behind it go to other children. A job that had finished but was not reported yet is redelivered
without blame; if nothing was running, the child died while it committed, and what it was committing is to blame.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from umbel.worker.slots.dispatching import Station
from umbel.worker.tasks.reserved import EndReason, ReservedTask


@dataclass(frozen=True, slots=True)
class Loss:
    """What a dead child leaves."""

    blamed: list[ReservedTask]
    #: Ran, but their outcomes are lost: they must run again, here.
    unreported: list[ReservedTask]
    #: Never started.
    waiting: list[ReservedTask]


class Fate(enum.Enum):
    """What becomes of a message whose child died running it."""

    REDELIVER = "it will be redelivered"
    DEAD_LETTER = "it is moved to the dead letters"
    FAIL = "it has failed"
    REVOKE = "it is revoked"


def sort_out(station: Station) -> Loss:
    """Part a dead seat's entries."""
    current, _ = station.seat.current()
    started = station.seat.started()
    blamed: list[ReservedTask] = []
    unreported: list[ReservedTask] = []
    waiting: list[ReservedTask] = []
    for number, entry in station.given.items():
        if number == current or entry.end_reason is EndReason.REVOKED:  # it ended just before the kill, and must not run again
            blamed.append(entry)
        elif number <= started:
            (unreported if current else blamed).append(entry)
        else:
            waiting.append(entry)
    return Loss(blamed, unreported, waiting)


def fate(entry: ReservedTask, max_deliveries: int) -> Fate:
    """Decide on one blamed entry.

    Args:
        entry: what was running.
        max_deliveries: deaths after which it is dead-lettered; 0 is no limit.
    """
    if entry.end_reason is EndReason.REVOKED:
        return Fate.REVOKE
    if entry.end_reason is EndReason.TIME_LIMIT:
        return Fate.FAIL if entry.policy.acks_on_timeout or entry.early else Fate.DEAD_LETTER
    if entry.early or not entry.policy.reject_on_worker_lost:
        return Fate.FAIL
    if max_deliveries and entry.delivery.attempts + 1 >= max_deliveries:
        return Fate.DEAD_LETTER
    return Fate.REDELIVER
