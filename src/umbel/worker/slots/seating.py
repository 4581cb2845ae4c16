"""Seats come and go: as many children as wanted, a new one for each that ends, not faster than they can be loaded."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from multiprocessing.context import BaseContext
from typing import Any, Protocol

from umbel.errors import ImproperlyConfigured
from umbel.pools.base import ChildOptions, Seat, SeatListener
from umbel.pools.prefork import ChildSeat
from umbel.pools.template import context, starting, warm_up
from umbel.runtime.allocation import return_large_blocks
from umbel.runtime.clock import SYSTEM
from umbel.worker.options import WorkerOptions

logger = logging.getLogger("umbel.worker")

#: Deaths within a second after which new children wait.
_BURST = 5
#: Seconds that they wait then.
_PENALTY = 1.0


class Seating(Protocol):
    """Who keeps the seats filled."""

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Run a worker's life on an event loop; returns its exit code.

        Raises:
            ImproperlyConfigured: children could not find the app.
        """

    def open(self, listener: SeatListener, count: int) -> None:
        """Make the seats; the listener hears of them."""

    def replace(self, seat: Seat) -> None:
        """Let a seat end when its jobs are done; a new one follows its death."""

    def filled(self, seat: Seat) -> None:
        """A seat has died: fill its place, unless closing."""

    def close(self) -> None:
        """Let every seat end when its jobs are done; fill no places any more."""

    def kill(self) -> None:
        """End every seat at once."""

    @property
    def is_closing(self) -> bool:
        """Whether seats are let go and not filled again."""

    @property
    def is_empty(self) -> bool:
        """Whether no seat is left."""


class PreforkSeating:
    """Child processes.

    Args:
        options: of the worker.
        app_path: what children import.
        hostname: of the worker.
    """

    def __init__(self, options: WorkerOptions, app_path: str, hostname: str) -> None:
        self._options = options
        self._app_path = app_path
        self._hostname = hostname
        self._context: BaseContext = context()
        self._listener: SeatListener
        self._seats: set[Seat] = set()
        self._deaths: deque[float] = deque(maxlen=_BURST)
        self.is_closing = False

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Run the loop in this thread, and load the app for the children meanwhile."""
        if not self._app_path:
            raise ImproperlyConfigured(
                "children cannot find the app: bind it to a name in a module that can be imported, or use the pool solo"
            )
        warm_up(self._app_path)
        return_large_blocks()
        return asyncio.run(main())

    def open(self, listener: SeatListener, count: int) -> None:
        """Start so many children."""
        self._listener = listener
        for index in range(1, count + 1):
            self._start(index)

    def _start(self, index: int) -> None:
        if self.is_closing:
            return
        options = ChildOptions(
            app_path=self._app_path,
            hostname=self._hostname,
            path=tuple(sys.path),
            changes=dict(self._options.changes),
            initializer=self._options.child_initializer,
            index=index,
        )
        try:
            with starting(self._app_path):
                self._seats.add(ChildSeat(self._context, options, self._listener))
        except (OSError, EOFError) as error:  # no descriptors, no memory, no processes: for now
            logger.error("A child cannot be started; trying again in %g s: %s", _PENALTY, error)
            asyncio.get_running_loop().call_later(_PENALTY, self._start, index)

    def replace(self, seat: Seat) -> None:
        """Let a child end when its jobs are done."""
        seat.quit()

    def filled(self, seat: Seat) -> None:
        """Start a new child in a dead one's place; wait a little when they die in a burst."""
        self._seats.discard(seat)
        seat.close()
        if self.is_closing:
            return
        now = SYSTEM.monotonic()
        in_burst = len(self._deaths) == _BURST and now - self._deaths[0] < 1.0
        self._deaths.append(now)
        if in_burst:
            asyncio.get_running_loop().call_later(_PENALTY, self._start, seat.index)
        else:
            self._start(seat.index)

    def close(self) -> None:
        """Let every child end when its jobs are done."""
        self.is_closing = True
        for seat in self._seats:
            seat.quit()

    def kill(self) -> None:
        """End every child at once."""
        self.is_closing = True
        for seat in self._seats:
            seat.kill()

    @property
    def is_empty(self) -> bool:
        """Whether no child is left."""
        return not self._seats
