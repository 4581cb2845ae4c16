"""Lease stores whose server runs no code of ours: a row for each name, read and written in one transaction."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from umbel.leases import deciding
from umbel.leases.base import Booking, Grant, Holder, Lease, LeaseOptions, Turn
from umbel.leases.deciding import Row

R = TypeVar("R")
Asked = TypeVar("Asked", Lease, Turn)
#: The rows of some names, in a transaction, which may be changed.
Rows = dict[str, Row]


class RowLeases(ABC):
    """The part of a lease store that decides.

    Args:
        options: of the store.
    """

    def __init__(self, options: LeaseOptions) -> None:
        self.options = options

    @abstractmethod
    def change(self, names: Sequence[str], work: Callable[[Rows, float], R]) -> R:
        """Do some work on the rows of names, while nobody else changes them.

        Args:
            names: sorted, each once.
            work: gets the rows of these names and the time, seconds of the one clock; changes the rows. It may be called again with other rows.

        Raises:
            OperationalError: the server cannot be reached.
        """

    @abstractmethod
    def read(self, names: Sequence[str]) -> tuple[Rows, float]:
        """Read the rows of names, as they are at some moment, and the time; takes no lock.

        Args:
            names: sorted, each once.

        Raises:
            OperationalError: the server cannot be reached.
        """

    def acquire(self, leases: Sequence[Lease]) -> list[Grant]:
        if leases and not any(lease.takes_over for lease in leases):
            rows, now = self.read(sorted({lease.name for lease in leases}))
            refused = [deciding.acquire(rows[lease.name], lease, now)[1] for lease in leases]
            if not any(grant.is_held for grant in refused):
                return refused  # without a lock: there may be many who ask for what one has
        return self._each(deciding.acquire, leases)

    def renew(self, leases: Sequence[Lease]) -> list[bool]:
        return self._each(deciding.renew, leases)

    def release(self, leases: Sequence[Lease]) -> list[bool]:
        return self._each(deciding.release, leases)

    def take_turns(self, turns: Sequence[Turn]) -> list[Booking]:
        return self._each(deciding.take, turns)

    def holders(self, name: str) -> list[Holder]:
        rows, now = self.read([name])
        return deciding.in_order(rows[name].holders, now)

    def _each(self, decide: Callable[[Row, Asked, float], tuple[Row, R]], asked: Sequence[Asked]) -> list[R]:
        """Decide on each, in order, all at one time."""
        if not asked:
            return []

        def work(rows: Rows, now: float) -> list[R]:
            answers = []
            for each in asked:
                rows[each.name], answer = decide(rows[each.name], each, now)
                answers.append(answer)
            return answers

        return self.change(sorted({each.name for each in asked}), work)


def dump(row: Row) -> str:
    """Write the holders of a row.

    Args:
        row: of a name.
    """
    return json.dumps(dict(row.holders))


def load(holders: str, turn: float) -> Row:
    """Read a row. What is no such thing counts as nothing: a lease must end by itself, whatever somebody has written there.

    Args:
        holders: as `dump` has written them.
        turn: the time of the next one.
    """
    try:
        found: Any = json.loads(holders)
        return Row({str(owner): (float(until), float(seconds)) for owner, (until, seconds) in found.items()}, float(turn or 0.0))
    except (ValueError, TypeError, AttributeError):
        return Row()
