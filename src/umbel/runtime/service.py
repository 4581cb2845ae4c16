"""Services: the parts of a process that run as long as it works. They start in order and stop in reverse order; if one fails, all end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.runtime")


class Service:
    """One part of a process. A subclass overrides `begin` and `end`; both run on the event loop.

    `start` and `stop` may each be called twice, and `stop` before `start`.
    """

    #: Seconds that its `end` may take; ``None`` is no limit. What hangs must not keep the services below it from their own end.
    stop_timeout: float | None = 10.0

    def __init__(self) -> None:
        #: Whether it was started and not stopped since.
        self.started: bool = False
        #: Called with an error that ends this service; a group sets it.
        self.on_death: Callable[[Service, BaseException], None] = _log_death

    @property
    def name(self) -> str:
        """The name of this service in log lines."""
        return type(self).__name__

    async def start(self) -> None:
        """Begin; returns when the service works.

        Raises:
            Exception: it cannot begin. `stop` releases what it has.
        """
        if not self.started:
            self.started = True
            await self.begin()

    async def stop(self) -> None:
        """End and release everything.

        Raises:
            TimeoutError: it does not end within `stop_timeout`.
        """
        if self.started:
            self.started = False
            async with asyncio.timeout(self.stop_timeout):
                await self.end()

    def die(self, error: BaseException) -> None:
        """Report ``error``, after which this service does not work any more."""
        self.on_death(self, error)

    async def begin(self) -> None:
        """Do what `start` does, once."""

    async def end(self) -> None:
        """Do what `stop` does, once; also after a `begin` that failed or was cancelled."""


class Periodic(Service):
    """A service that looks at something again and again.

    Args:
        interval: seconds between two looks; a subclass may change the attribute as it goes.
    """

    def __init__(self, interval: float) -> None:
        super().__init__()
        self.interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def look(self, now: float) -> None:
        """Do the work of one time.

        Args:
            now: monotonic seconds.
        """
        raise NotImplementedError

    async def begin(self) -> None:
        self._schedule()

    async def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.interval, self._tick)

    def _tick(self) -> None:
        try:
            self.look(SYSTEM.monotonic())
        except Exception as error:
            self.die(error)
        else:
            self._schedule()


class ServiceGroup:
    """Several services as one.

    Args:
        services: in the order in which they start.
        on_death: called once, when one of them has failed; the caller then stops the group.
    """

    def __init__(self, services: Sequence[Service], on_death: Callable[[], Any]) -> None:
        self.services: tuple[Service, ...] = tuple(services)
        #: The error of the first service that failed.
        self.error: BaseException | None = None
        self._on_death = on_death
        for service in self.services:
            service.on_death = self._die

    async def start(self) -> None:
        """Start each when the one before works.

        Raises:
            Exception: one cannot begin; `stop` stops those that were started.
        """
        for service in self.services:
            await service.start()

    async def stop(self) -> None:
        """Stop all, the last one first. One that fails to stop does not keep the others."""
        for service in reversed(self.services):
            try:
                await service.stop()
            except TimeoutError:
                logger.error(
                    "%s has not ended within %g s and is left as it is; the services below it are stopped",
                    service.name,
                    service.stop_timeout or 0,
                )
            except Exception:
                logger.exception("%s raised when it was stopped; the services below it are stopped all the same", service.name)

    def _die(self, service: Service, error: BaseException) -> None:
        _log_death(service, error)
        if self.error is None:
            self.error = error
            self._on_death()


def _log_death(service: Service, error: BaseException) -> None:
    logger.critical("%s has failed: %s: %s", service.name, type(error).__name__, error, exc_info=error)
