"""Celery's ``celery.utils.sysinfo`` and ``celery.utils.threads``."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from umbel.runtime.host.machine import processors

AUTO_CONCURRENCY: Final = "auto"
get_ident = threading.get_ident


def load_average() -> tuple[float, ...]:
    """Return the system's load over one, five and fifteen minutes."""
    return tuple(round(each, 2) for each in os.getloadavg())


def is_auto_concurrency(value: Any) -> bool:
    """Report whether a concurrency is to be found by itself.

    Args:
        value: as given.
    """
    return isinstance(value, str) and value.strip().lower() == AUTO_CONCURRENCY


def available_cpu_count() -> int:
    """Return the processors that this process may use."""
    return processors()


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """Processors that a worker should use."""

    count: int
    source: str = "affinity"


def cpu_budget() -> CpuBudget:
    """Return the processors that this process may use."""
    return CpuBudget(processors())


class df:  # noqa: N801 - Celery's name
    """Tells how full a disk is.

    Args:
        path: a file or folder on it.
    """

    def __init__(self, path: Any) -> None:
        self.path = path

    @property
    def total_blocks(self) -> float:
        """Bytes in all."""
        return float(shutil.disk_usage(self.path).total)

    @property
    def available(self) -> float:
        """Bytes that are free."""
        return float(shutil.disk_usage(self.path).free)

    @property
    def capacity(self) -> int:
        """Percent that is used."""
        return round(100 * (1 - self.available / self.total_blocks))


@contextlib.contextmanager
def default_socket_timeout(timeout: float | None) -> Iterator[None]:
    """Give new sockets a timeout while a block runs.

    Args:
        timeout: seconds.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
