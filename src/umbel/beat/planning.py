"""Plans: the slots of an entry that are fired now, those that are left out, and the time at which to look again. Pure: the time and the entry are all it knows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Spec
from umbel.schedules import BaseSchedule, crontab
from umbel.schedules.base import is_asked
from umbel.schedules.zones import at

#: Seconds by which a slot of an interval may be farther off than the interval before the clock is taken to have been set back.
_SET_BACK: Final = 60.0
#: Missed slots are counted up to here.
_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that is to be fired."""

    slot: float
    #: Slots before it that are left out.
    missed: int = 0
    #: Seconds since the epoch after which a run of it is not worth beginning; ``None`` where it always is.
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Things to be done with one entry."""

    due: tuple[Due, ...] = ()
    #: Slots up to here are left out without a run, where that is farther than the last one due.
    left_out: float | None = None
    #: Seconds since the epoch at which to look again; ``None``: never.
    look_at: float | None = None
    #: The clock was set back: its interval is to count from now on.
    rebase: bool = False


def plan(entry: Entry, now: float, *, deadline: float | None = None) -> Plan:
    """Decide what is to be done with an active entry.

    Args:
        entry: with a spec.
        now: seconds since the epoch.
        deadline: ``beat_cron_starting_deadline``: seconds after which a slot of a crontab is left out, whatever its policy.
    """
    spec = entry.spec
    assert spec is not None
    if is_asked(spec.schedule):
        return _ask(entry, spec, now)
    following = spec.schedule.next_after(entry.after, entry.anchor)
    wait = spec.schedule.longest_wait
    if wait is not None and following is not None and following - now > wait + _SET_BACK:
        return Plan(rebase=True)
    begins = None if following is None else following + spread(entry, following)
    if following is None or begins is None or begins > now:
        return Plan(look_at=begins)
    limit = deadline if isinstance(spec.schedule, crontab) else None
    slots = _slots_due(entry, spec, now)
    kept = _kept(spec, slots, now, limit)
    last = slots[-1]
    later = spec.schedule.next_after(last, entry.anchor)
    look_at = None if later is None else later + spread(entry, later)
    if not kept:
        return Plan(left_out=last, look_at=look_at)
    missed = _count(spec.schedule, entry, kept[0])
    due = [Due(kept[0], missed, _expiry(entry, spec, kept[0], now))]
    due += [Due(slot, 0, _expiry(entry, spec, slot, now)) for slot in kept[1:]]
    return Plan(tuple(due), look_at=look_at)


def spread(entry: Entry, slot: float) -> float:
    """Return the seconds after a slot at which it is fired: its jitter, which is the same on every scheduler, and less than the time to the next slot.

    Args:
        entry: with a spec.
        slot: seconds since the epoch.
    """
    spec = entry.spec
    assert spec is not None
    if not spec.jitter:
        return 0.0
    later = spec.schedule.next_after(slot, entry.anchor)
    most = spec.jitter if later is None else min(spec.jitter, later - slot)
    noise = hashlib.sha256(f"{entry.name}\0{slot!r}".encode("utf-8", "surrogatepass")).digest()[:7]
    return most * int.from_bytes(noise) / 2**56


def _slots_due(entry: Entry, spec: Spec, now: float) -> list[float]:
    """List the latest slots that are due, in their order: as many as the policy may want, at least one."""
    most = spec.misfire_limit if spec.misfire == model.ALL else 1
    slots = recent_slots(spec.schedule, entry.after, now, entry.anchor, most + 1)
    if slots[-1] + spread(entry, slots[-1]) > now:
        slots.pop()  # its jitter is not over
    return slots[-most:]


def recent_slots(schedule: BaseSchedule, after: float, now: float, anchor: float, most: int) -> list[float]:
    """List the latest slots of a stretch of time, in their order.

    Args:
        schedule: with slots of its own.
        after: seconds since the epoch: where the stretch begins, itself left out.
        now: seconds since the epoch: where it ends.
        anchor: of the interval.
        most: how many at most.
    """
    back = 1.0
    while True:  # twice as far back each time: there may be millions of slots before those that count
        begin = max(after, now - back)
        found: list[float] = []
        slot = schedule.next_after(begin, anchor)
        while slot is not None and slot <= now:
            found.append(slot)
            slot = schedule.next_after(slot, anchor)
        if len(found) >= most or begin == after:
            return found[-most:]
        back *= 2


def _kept(spec: Spec, slots: list[float], now: float, limit: float | None) -> list[float]:
    """Leave out the slots that are too late."""
    grace = spec.misfire_grace if spec.misfire == model.SKIP else None
    for most in (grace, limit):
        if most is not None:
            slots = [slot for slot in slots if now - slot - spec.jitter <= most]
    return slots


def _count(schedule: BaseSchedule, entry: Entry, first: float) -> int:
    """Count the slots that are left out before the first one that is fired."""
    wait = schedule.longest_wait
    if wait is not None:
        return max(0, round((first - entry.after) / wait) - 1) if first > entry.after else 0
    count = 0
    slot = schedule.next_after(entry.after, entry.anchor)
    while slot is not None and slot < first and count < _COUNTED:
        count += 1
        slot = schedule.next_after(slot, entry.anchor)
    return count


def _expiry(entry: Entry, spec: Spec, slot: float, now: float) -> float | None:
    if not spec.expire_at_next:
        return None
    later = spec.schedule.next_after(slot, entry.anchor)
    if later is None:
        return None
    return later if later > now else now + (later - slot)


def _ask(entry: Entry, spec: Spec, now: float) -> Plan:
    """Ask a schedule of a class of its own."""
    found = spec.schedule.is_due(at(entry.after, spec.schedule.tz))
    wait = found[1]
    look_at = now + max(float(wait or 0.0), 0.0)
    if not found[0]:
        return Plan(look_at=look_at)
    slot = max(round(now, 3), entry.after + 0.001)
    expires = look_at if spec.expire_at_next else None
    return Plan((Due(slot, 0, expires),), look_at=look_at)
