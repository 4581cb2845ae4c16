"""Decisions on one name: who holds it, and whose turn it is. Pure; times are seconds of one clock, from some moment on.

Stores whose server runs no code of ours (`umbel.leases.rows`) decide by these. The scripts of Redis, ``wire/redis/scripts/lease_*.lua``, say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from umbel.leases.base import Booking, Grant, Holder, Lease, Turn

#: Seconds for which a turn that has passed is kept: a slack may not be longer.
_KEPT = 60.0
#: Owner → the time at which its lease ends, and the seconds for which it was asked for.
Holders = Mapping[str, tuple[float, float]]


class Row(NamedTuple):
    """All that is kept of a name."""

    holders: Holders = MappingProxyType({})
    #: The time of the next turn.
    turn: float = 0.0

    @property
    def until(self) -> float:
        """The time after which nothing of it counts any more."""
        return max([self.turn + _KEPT if self.turn else 0.0, *(until for until, _ in self.holders.values())])


def living(holders: Holders, now: float) -> dict[str, tuple[float, float]]:
    """Leave out leases that have ended. One that would end later than it could (the clock was set back) is taken as asked for just now.

    Args:
        holders: of a name.
        now: the time.
    """
    return {owner: (min(until, now + seconds), seconds) for owner, (until, seconds) in holders.items() if until > now}


def acquire(row: Row, lease: Lease, now: float) -> tuple[Row, Grant]:
    """Decide on a lease that is asked for.

    Args:
        row: what is kept of its name.
        lease: that is asked for.
        now: the time.
    """
    holders = living(row.holders, now)
    first = first_of({owner: held for owner, held in holders.items() if owner != lease.owner}, now)
    others = len(holders) - (lease.owner in holders)
    if lease.owner not in holders and others >= lease.limit and not lease.takes_over:
        return row._replace(holders=holders), Grant(False, *first)
    if lease.takes_over:
        holders = {}
    holders[lease.owner] = now + lease.seconds, lease.seconds
    return row._replace(holders=holders), Grant(True, *first)


def renew(row: Row, lease: Lease, now: float) -> tuple[Row, bool]:
    """Decide on a lease that is to be held on.

    Args:
        row: what is kept of its name.
        lease: its owner, and for how long.
        now: the time.
    """
    holders = living(row.holders, now)
    is_held = lease.owner in holders
    if is_held:
        holders[lease.owner] = max(holders[lease.owner], (now + lease.seconds, lease.seconds))
    return row._replace(holders=holders), is_held


def release(row: Row, lease: Lease, now: float) -> tuple[Row, bool]:
    """Decide on a lease that is given up.

    Args:
        row: what is kept of its name.
        lease: its owner.
        now: the time.
    """
    holders = living(row.holders, now)
    is_held = holders.pop(lease.owner, None) is not None
    return row._replace(holders=holders), is_held


def first_of(holders: Holders, now: float) -> tuple[str, float]:
    """Find the owner whose lease ends first, and the seconds until then; empty and 0 where there is none.

    Args:
        holders: of a name; none has ended.
        now: the time.
    """
    owner = min(holders, key=lambda each: holders[each][0], default="")
    return owner, holders[owner][0] - now if owner else 0.0


def in_order(holders: Holders, now: float) -> list[Holder]:
    """List the owners, the one whose lease ends first at the front.

    Args:
        holders: of a name.
        now: the time.
    """
    found = [Holder(owner, until - now) for owner, (until, _) in living(holders, now).items()]
    return sorted(found, key=lambda holder: (holder.seconds, holder.owner))


def take(row: Row, turn: Turn, now: float) -> tuple[Row, Booking]:
    """Decide on a turn that is asked for.

    Args:
        row: what is kept of its name.
        turn: that is asked for.
        now: the time.
    """
    earliest = now - turn.slack
    moment = max(row.turn, earliest)
    if moment > now + turn.within + turn.interval:  # none is ever taken so far ahead: the clock was set back, or the rate was raised
        moment = now
    ahead = moment - now
    if ahead > turn.within:
        return row, Booking(False, ahead - turn.within)
    return row._replace(turn=moment + turn.interval), Booking(True, max(0.0, ahead))
