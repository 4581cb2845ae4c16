"""Deliveries that wait in memory: for their time, or in a line for a gate to open. Pure: the caller has the clocks."""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from umbel.brokers.base import Delivery


class WaitReason(enum.Enum):
    """The reason why a delivery waits."""

    #: For its time.
    DUE = "due"
    #: For its turn: its task has a rate limit.
    RATE = "rate"
    #: For a key that another call has.
    KEY = "key"
    #: For a place under a limit that all workers share.
    CONCURRENCY = "concurrency"
    #: For other calls that it runs together with.
    BATCH = "batch"
    #: For resources that other tasks have.
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One delivery that waits.

    Args:
        until: when it may run, seconds since the epoch; ``None`` when that depends on others.
    """

    delivery: Delivery
    reason: WaitReason
    until: float | None = None


class _Line:
    """Those that wait for one gate, in the order in which they came."""

    __slots__ = ("deliveries", "opens_at", "reason", "together")

    def __init__(self, reason: WaitReason) -> None:
        self.reason = reason
        self.deliveries: deque[Delivery] = deque()
        #: When the first of them is to be asked about, monotonic seconds.
        self.opens_at = 0.0
        #: How many are asked about at a time.
        self.together = 1


class WaitingRoom:
    """Deliveries by the time at which they may run, those of one time in the order in which they came; and lines at gates."""

    __slots__ = ("_heap", "_lines", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Delivery]] = []
        self._order = 0
        #: Few: one for each task that is limited and has messages that wait.
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        return len(self._heap) + sum(len(line.deliveries) for line in self._lines.values())

    def __iter__(self) -> Iterator[Waiting]:
        """All, those in the heap first, in no certain order."""
        for until, _, delivery in self._heap:
            yield Waiting(delivery, WaitReason.DUE, until)
        for line in self._lines.values():
            for delivery in line.deliveries:
                yield Waiting(delivery, line.reason)

    # for their time

    @property
    def next_due(self) -> float | None:
        """Time at which the first one may run, seconds since the epoch; ``None`` when nobody waits for a time."""
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

    # in lines

    @property
    def lines(self) -> tuple[str, ...]:
        """The names of the lines in which somebody waits."""
        return tuple(self._lines)

    @property
    def next_opening(self) -> float | None:
        """Time at which the first of some line is to be asked about, monotonic seconds; ``None`` when there is no line."""
        return min((line.opens_at for line in self._lines.values()), default=None)

    def ahead(self, name: str) -> int:
        """Count those that wait in a line."""
        line = self._lines.get(name)
        return 0 if line is None else len(line.deliveries)

    def line_up(self, delivery: Delivery, name: str, reason: WaitReason, *, first: bool = False, together: int = 1) -> None:
        """Have a delivery wait in a line.

        Args:
            delivery: stays unsettled.
            name: of the line; where there is none it is made, to be asked about at once.
            reason: why this line waits.
            first: it was the first before, and is so again.
            together: how many of the line are asked about at a time.
        """
        line = self._lines.setdefault(name, _Line(reason))
        line.together = together
        if first:
            line.deliveries.appendleft(delivery)
        else:
            line.deliveries.append(delivery)

    def open_at(self, name: str, when: float) -> None:
        """Say when the first of a line is to be asked about, monotonic seconds. Nothing happens where there is no line."""
        line = self._lines.get(name)
        if line is not None:
            line.opens_at = when

    def take_first(self, now: float) -> list[tuple[str, Delivery]]:
        """The first of each line that is to be asked about, or those of it that run together, with the line's name. They do not wait any more.

        Args:
            now: monotonic seconds.
        """
        opened = [(name, line) for name, line in self._lines.items() if line.opens_at <= now]
        taken = [(name, line.deliveries.popleft()) for name, line in opened for _ in range(min(line.together, len(line.deliveries)))]
        self._drop_empty()
        return taken

    def _drop_empty(self) -> None:
        self._lines = {name: line for name, line in self._lines.items() if line.deliveries}

    # both

    def forget(self, lost: AbstractSet[Delivery]) -> None:
        """These are no longer ours."""
        self._heap = [entry for entry in self._heap if entry[2] not in lost]
        heapq.heapify(self._heap)
        for line in self._lines.values():
            line.deliveries = deque(delivery for delivery in line.deliveries if delivery not in lost)
        self._drop_empty()

    def release_all(self) -> list[Delivery]:
        """All, in the order of their time, then line by line; nobody waits afterwards."""
        left, self._heap = sorted(self._heap, key=lambda entry: entry[:2]), []
        lines, self._lines = self._lines, {}
        return [delivery for _, _, delivery in left] + [delivery for line in lines.values() for delivery in line.deliveries]
