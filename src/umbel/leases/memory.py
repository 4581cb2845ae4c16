"""Leases inside one process, for tests: ``memory://``, ``memory:///name``. Stores of one name share them as long as one of them exists."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TypeVar

from umbel.clients import urls
from umbel.leases.base import LeaseOptions
from umbel.leases.deciding import Row
from umbel.leases.rows import RowLeases, Rows
from umbel.runtime import process_hooks
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")


class _Hub:
    """All rows of one name."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.lock = threading.Lock()
        process_hooks.attach(after_fork=self._forget)

    def _forget(self) -> None:
        self.lock = threading.Lock()


class MemoryLeases(RowLeases):
    """`LeaseStore` over the hub of one name.

    Args:
        options: of the store.
        hub: shared with others of the same name.
        clock: tells the time.
    """

    def __init__(self, options: LeaseOptions, hub: _Hub, clock: Clock = SYSTEM) -> None:
        super().__init__(options)
        self._hub = hub
        self._clock = clock

    def change(self, names: Sequence[str], work: Callable[[Rows, float], R]) -> R:
        hub, now = self._hub, self._clock.monotonic()
        with hub.lock:
            rows = {name: hub.rows.get(name, Row()) for name in names}
            done = work(rows, now)
            hub.rows.update(rows)
            for name in [name for name, row in hub.rows.items() if row.until <= now]:
                del hub.rows[name]
        return done

    def read(self, names: Sequence[str]) -> tuple[Rows, float]:
        return {name: self._hub.rows.get(name, Row()) for name in names}, self._clock.monotonic()

    def public_url(self) -> str:
        return urls.parse(self.options.url).public()

    def close(self) -> None:
        """There is no connection."""


#: One hub per name, for as long as a store has it.
_HUBS: weakref.WeakValueDictionary[str, _Hub] = weakref.WeakValueDictionary()
_HUBS_LOCK = threading.Lock()


def connect(options: LeaseOptions) -> MemoryLeases:
    """Make the store of the name in the URL's path.

    Args:
        options: of the store.
    """
    url = urls.parse(options.url)
    name = url.path or url.host or ""
    with _HUBS_LOCK:
        hub = _HUBS.get(name)
        if hub is None:
            hub = _HUBS[name] = _Hub()
    return MemoryLeases(options, hub)
