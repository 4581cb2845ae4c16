"""The services that keep those who watch a worker informed as long as it lives: probes, metrics, the heartbeat file, the service manager."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from umbel.errors import ImproperlyConfigured
from umbel.runtime.clock import SYSTEM
from umbel.runtime.host.service_manager import ServiceManager
from umbel.runtime.service import Periodic, Service
from umbel.worker.monitoring.health import Health
from umbel.worker.monitoring.http_server import Address, HttpServer, Route
from umbel.worker.stopping import StopRequest

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two notes that the event loop turns, and between two touches of the heartbeat file.
_TURN: Final = 0.5
_TOUCH: Final = 1.0


class Monitoring(Periodic):
    """Serves probes and metrics. It is the first service to start and the last to stop, so that probes are answered while the others do.

    Args:
        health: what probes are told.
        served: what is served at each address.
        manager: is told that the event loop turns, where it has a watchdog.
        heartbeat_file: is touched each second while the event loop turns, and removed at the end; ``None`` is none.
    """

    def __init__(
        self, health: Health, served: Mapping[Address, Mapping[str, Route]], manager: ServiceManager, heartbeat_file: Path | None = None
    ) -> None:
        super().__init__(_TURN)
        self._health = health
        self._file = heartbeat_file
        self._manager = manager
        self._told = 0.0
        self._touched = 0.0
        self._is_told = False
        self._servers = [HttpServer(address, routes) for address, routes in served.items()]

    @property
    def is_wanted(self) -> bool:
        """Report whether there is anything to do."""
        return bool(self._servers) or self._file is not None or self._manager.watchdog is not None

    @property
    def addresses(self) -> list[Address]:
        """The addresses that are listened on."""
        return [server.address for server in self._servers]

    async def begin(self) -> None:
        """Listen.

        Raises:
            ImproperlyConfigured: an address cannot be listened on, or the file cannot be written.
        """
        if not self.is_wanted:
            return
        for server in self._servers:
            server.start()
            logger.info("Probes and metrics are served on %s", server.address)
        self._health.loop = asyncio.get_running_loop()
        if self._file is not None:
            try:
                self._file.touch()
            except OSError as error:
                raise ImproperlyConfigured(f"the heartbeat file {self._file} cannot be written: {error.strerror or error}") from error
        self.look(SYSTEM.monotonic())
        await super().begin()

    def look(self, now: float) -> None:
        """Note that the event loop turns.

        Args:
            now: monotonic seconds.
        """
        self._health.turned = now
        watchdog = self._manager.watchdog
        if watchdog is not None and now - self._told >= watchdog / 4:
            self._told = now
            self._manager.alive()
        if self._file is not None and now - self._touched >= _TOUCH:
            self._touched = now
            self._touch(self._file)

    def _touch(self, file: Path) -> None:
        try:
            file.touch()
        except OSError as error:
            if not self._is_told:
                logger.warning("The heartbeat file %s cannot be written: %s", file, error.strerror or error)
            self._is_told = True
        else:
            self._is_told = False

    async def end(self) -> None:
        await super().end()
        for server in self._servers:
            await asyncio.to_thread(server.stop)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


class HasStarted(Service):
    """The last service of the list: when it starts, all have.

    Args:
        health: is told.
        manager: is told, and also when the stop begins: this is the first service to stop.
        stopping: whether the process starts again.
        name: the worker's.
    """

    def __init__(self, health: Health, manager: ServiceManager, stopping: StopRequest, name: str) -> None:
        super().__init__()
        self._health = health
        self._manager = manager
        self._stopping = stopping
        self._name = name

    async def begin(self) -> None:
        self._health.has_started = True
        self._manager.ready(f"{self._name} runs tasks")

    async def end(self) -> None:
        if self._stopping.again:
            self._manager.reloading(f"{self._name} starts again when running tasks have ended")
        else:
            self._manager.stopping(f"{self._name} is stopping: running tasks may end")
