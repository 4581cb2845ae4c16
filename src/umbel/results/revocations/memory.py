"""Revoked tasks inside one process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection


class MemoryRevocations:
    """`RevocationStore` in a dictionary."""

    def __init__(self) -> None:
        #: Entry → when it was revoked; the oldest first.
        self._entries: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        with self._lock:
            for entry in entries:
                self._entries[entry] = now
                self._entries.move_to_end(entry)
            while self._entries and (len(self._entries) > most or self._entries[next(iter(self._entries))] <= now - expires):
                self._entries.popitem(last=False)

    def read(self, since: float) -> dict[str, float]:
        with self._lock:
            return {entry: when for entry, when in self._entries.items() if when > since}
