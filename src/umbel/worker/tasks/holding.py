"""Messages of this worker that take no slot: those that wait here, and those on their way to the broker's delayed store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from umbel.brokers.base import Consumer, Delivery
from umbel.runtime.clock import SYSTEM
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.admission import NEAR
from umbel.worker.tasks.waiting_room import WaitingRoom, WaitReason

#: Messages held in memory; with more than that they go to the broker's delayed store however near they are due.
MOST_HELD = 1000


class Holding:
    """A waiting room with a timer, and the way to the delayed store.

    Args:
        consumer: moves messages.
        acknowledger: keeps those that cannot be moved.
        spawn: runs a coroutine beside the loop's other work.
        release: called with those that have waited long enough: the line that they were the first of, or ``None``, and the delivery.
    """

    def __init__(
        self,
        consumer: Consumer,
        acknowledger: Acknowledger,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        release: Callable[[Sequence[tuple[str | None, Delivery]]], None],
    ) -> None:
        self.room: WaitingRoom = WaitingRoom()
        self._consumer = consumer
        self._acknowledger = acknowledger
        self._spawn = spawn
        self._release = release
        self._timer: asyncio.TimerHandle | None = None
        #: Messages that go to the broker's delayed store with the next turn of the loop, and when they are due.
        self._far: list[tuple[Delivery, float]] = []
        #: Messages on their way there. They need no slot, so they must not use up the window.
        self.moving: int = 0
        #: Messages whose way there has ended; those that did not arrive come again.
        self.postponed: int = 0

    @property
    def held(self) -> int:
        """Messages that wait in memory."""
        return len(self.room)

    @property
    def near(self) -> float:
        """Seconds; what waits for longer than that waits in the broker."""
        return NEAR if len(self.room) < MOST_HELD else 1.0

    def hold(self, delivery: Delivery, until: float) -> None:
        """Have a delivery wait here for its time, seconds since the epoch."""
        if self.room.put(delivery, until):
            self._arm()

    def line_up(self, delivery: Delivery, line: str, reason: WaitReason, *, first: bool, opens_in: float, together: int = 1) -> None:
        """Have a delivery wait here in a line.

        Args:
            first: it was the first of this line before.
            opens_in: seconds until the first of the line is to be asked about.
            together: how many of it are asked about then.
        """
        self.room.line_up(delivery, line, reason, first=first, together=together)
        self.open_in({line: opens_in})

    def open_in(self, seconds: dict[str, float]) -> None:
        """Say in how many seconds the first of each line is to be asked about."""
        now = SYSTEM.monotonic()
        for line, left in seconds.items():
            self.room.open_at(line, now + left)
        self._arm()

    def postpone(self, delivery: Delivery, until: float) -> None:
        """Send a delivery to the delayed store until a time, seconds since the epoch."""
        if not self._far:
            self._spawn(self._move())
        self._far.append((delivery, until))

    async def _move(self) -> None:
        """Move what is far off by the time that this begins to run: all that came together."""
        moves, self._far = self._far, []
        self.moving += len(moves)
        try:
            await self._acknowledger.moved(self._consumer.delay(moves), [delivery for delivery, _ in moves])
        finally:
            self.moving -= len(moves)
            self.postponed += len(moves)

    def forget(self, lost: set[Delivery]) -> None:
        """These are no longer ours."""
        self.room.forget(lost)

    def let_go(self) -> list[Delivery]:
        """Stop holding; what was held."""
        if self._timer is not None:
            self._timer.cancel()
        return self.room.release_all()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due, opening = self.room.next_due, self.room.next_opening
        left = min(
            math.inf if due is None else due - SYSTEM.now(),
            math.inf if opening is None else opening - SYSTEM.monotonic(),
        )
        self._timer = None if left == math.inf else asyncio.get_running_loop().call_later(max(0.0, left), self._ring)

    def _ring(self) -> None:
        self._timer = None
        due: list[tuple[str | None, Delivery]] = [(None, delivery) for delivery in self.room.take_due(SYSTEM.now())]
        due += self.room.take_first(SYSTEM.monotonic())
        try:
            self._release(due)
        finally:
            self._arm()
