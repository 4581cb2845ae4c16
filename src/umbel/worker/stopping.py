"""Requests to stop a worker: from any thread, from signal handlers, and twice."""

from __future__ import annotations

import asyncio
import contextlib
import math

from umbel.runtime.clock import SYSTEM


class StopRequest:
    """The request that a worker stops. The first request is warm unless it says otherwise; a second one makes it cold."""

    def __init__(self) -> None:
        self.is_requested: bool = False
        #: Do not wait for what runs.
        self.is_cold: bool = False
        #: Another worker takes this one's place in the same process.
        self.again: bool = False
        #: When a warm stop becomes cold, monotonic seconds.
        self.deadline: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def listen(self) -> None:
        """Wake the running loop at requests from now on."""
        self._loop = asyncio.get_running_loop()

    def request(self, *, warm: bool = True, within: float | None = None, again: bool = False) -> None:
        """Ask for a stop; from any thread or signal handler.

        Args:
            warm: wait for what runs.
            within: seconds from now after which it is cold; such a request leaves a warm stop warm.
            again: another worker takes its place in the same process.
        """
        self.again = self.again or again
        if warm and within is not None:
            self.deadline = min(self.deadline or math.inf, SYSTEM.monotonic() + within)
        else:
            self.is_cold = self.is_cold or not warm or self.is_requested
        self.is_requested = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                self._loop.call_soon_threadsafe(self._changed.set)

    def escalate(self) -> None:
        """Make it cold: what runs has had its time."""
        self.is_requested = self.is_cold = True

    async def wait(self) -> None:
        """Return when a stop is requested."""
        while not self.is_requested:
            self._changed.clear()
            await self._changed.wait()

    async def wait_for_change(self, timeout: float) -> None:
        """Return at the next request, or after so many seconds."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

    async def unless_requested(self, work: asyncio.Future[None]) -> bool:
        """Wait for something, or cancel it at a stop request; returns whether it ended.

        Raises:
            Exception: what the work raised.
        """
        stop = asyncio.ensure_future(self.wait())
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if work.done():
            work.result()
            return True
        work.cancel()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # it is not needed any more
        return False
