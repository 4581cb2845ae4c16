"""The leases of a worker's tasks: the gates that ask for them, and the services that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from umbel.leases.base import Lease
from umbel.runtime.clock import SYSTEM
from umbel.worker.gates.concurrency import ConcurrencyLimits
from umbel.worker.gates.shared_rates import SharedRates
from umbel.worker.gates.unique_keys import UniqueKeys
from umbel.worker.leases.held_keys import HeldKeys
from umbel.worker.leases.held_places import HeldPlaces
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.tasks.reserved import ReservedTask


class Tasks(Protocol):
    """The tasks of a worker; see `umbel.worker.slots.dispatching.Dispatcher`."""

    def holds(self, entry: ReservedTask) -> bool:
        """Report whether one is here."""


class TaskLeases:
    """Gates and services, as they know each other.

    Args:
        keeper: talks to the lease store.
        tasks: that are here.
        usual: seconds that a task takes as a rule, if that is known.
        reopen: has the first of a line asked about again, at once.
        duration: seconds of a lease.
    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        tasks: Tasks,
        usual: Callable[[str], float | None],
        reopen: Callable[[str], None],
        duration: float,
    ) -> None:
        self.unique: UniqueKeys = UniqueKeys(keeper.ask, reopen, SYSTEM.monotonic)
        self.concurrency: ConcurrencyLimits = ConcurrencyLimits(
            ask=keeper.ask,
            give_up=keeper.give_up,
            hold=self._hold,
            reopen=reopen,
            usual=usual,
            clock=SYSTEM.monotonic,
            duration=duration,
        )
        self.rates: SharedRates = SharedRates(keeper.take_turns, tasks.holds, reopen, SYSTEM.monotonic)
        self.keys: HeldKeys = HeldKeys(keeper, tasks.holds, duration)
        self.places: HeldPlaces = HeldPlaces(keeper, tasks.holds, self.concurrency, duration)

    def _hold(self, task: ReservedTask, place: Lease) -> None:
        self.places.hold(task, place)

    @property
    def held(self) -> tuple[HeldKeys, HeldPlaces]:
        """The services that hold them."""
        return self.keys, self.places
