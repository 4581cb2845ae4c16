"""Deliveries that wait in memory for their time. Pure: the caller has the clock."""

from __future__ import annotations

import heapq
from collections.abc import Set as AbstractSet

from umbel.brokers.base import Delivery


class WaitingRoom:
    """Deliveries by the time at which they may run; those of one time in the order in which they came."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Delivery]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> float | None:
        """When the first one may run, seconds since the epoch; ``None`` when nobody waits."""
        return self._heap[0][0] if self._heap else None

    def put(self, delivery: Delivery, until: float) -> bool:
        """Have a delivery wait; returns whether it is the first one now.

        Args:
            delivery: stays unsettled.
            until: seconds since the epoch.
        """
        self._order += 1
        heapq.heappush(self._heap, (until, self._order, delivery))
        return self._heap[0][1] == self._order

    def take_due(self, now: float) -> list[Delivery]:
        """Those whose time has come, in order.

        Args:
            now: seconds since the epoch.
        """
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due

    def forget(self, lost: AbstractSet[Delivery]) -> None:
        """These are no longer ours."""
        self._heap = [entry for entry in self._heap if entry[2] not in lost]
        heapq.heapify(self._heap)

    def release_all(self) -> list[Delivery]:
        """All, in the order of their time; nobody waits afterwards."""
        left, self._heap = sorted(self._heap, key=lambda entry: entry[:2]), []
        return [delivery for _, _, delivery in left]
