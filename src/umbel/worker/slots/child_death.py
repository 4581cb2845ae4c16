"""A child has died: who is to blame, and what becomes of what its slots had. Pure.

Exactly the jobs that were running are to blame, one in each slot at most, or those that ran together. Jobs that waited behind them go to other slots. A job that had finished but was
not reported yet is redelivered without blame; if nothing was running, the child died while it committed, and what it was committing is to blame.

Where the worker has killed a child for one job, which had passed its time limit or was revoked, its neighbours in other slots are not to blame: they run again, unless they
were acknowledged already and must not.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from umbel.pools.slot import Child
from umbel.worker.tasks.reserved import EndReason, ReservedTask


@dataclass(frozen=True, slots=True)
class Loss:
    """The jobs that a dead child leaves."""

    blamed: list[ReservedTask]
    #: Ran, but their outcomes are lost: they must run again, here.
    unreported: list[ReservedTask]
    #: Never started.
    waiting: list[ReservedTask]


class Fate(enum.Enum):
    """The fate of a message whose child died running it."""

    REDELIVER = "it will be redelivered"
    DEAD_LETTER = "it is moved to the dead letters"
    FAIL = "it has failed"
    REVOKE = "it is revoked"


def sort_out(child: Child) -> Loss:
    """Part the entries in the slots of a dead ``child``."""
    blamed: list[ReservedTask] = []
    unreported: list[ReservedTask] = []
    waiting: list[ReservedTask] = []
    was_running = any(slot.current()[0] for slot in child.slots)
    #: Slots for whose jobs the worker has killed the child.
    condemned = [slot for slot in child.slots if any(entry.end_reason is not None for entry in slot.given.values())]
    for slot in child.slots:
        current, _ = slot.current()
        started = slot.started()
        is_beside = bool(condemned) and slot not in condemned
        for number, entry in slot.given.items():
            is_part = entry.policy.batch_size is not None and number <= started  # of what ran: one of them is stamped, and all are to blame
            if (
                number == current or is_part or entry.end_reason is EndReason.REVOKED
            ):  # it ended just before the kill, and must not run again
                (unreported if is_beside and not entry.early else blamed).append(entry)
            elif number <= started:
                (unreported if was_running else blamed).append(entry)
            else:
                waiting.append(entry)
    return Loss(_in_order(blamed), _in_order(unreported), _in_order(waiting))


def _in_order(entries: Iterable[ReservedTask]) -> list[ReservedTask]:
    return sorted(entries, key=lambda entry: entry.number)


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
