"""A result store inside one process, for tests: ``memory://``, ``memory:///name``, ``cache+memory://``.

Stores of the same name share their records as long as one of them exists.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence

from umbel import states
from umbel.brokers.base import Publisher
from umbel.clients import urls
from umbel.results.base import StoreOptions
from umbel.results.groups.memory import MemoryGroups
from umbel.results.model import Record, sent
from umbel.results.packing import Packed, pack, unpack
from umbel.results.revocations.memory import MemoryRevocations
from umbel.results.waiting import Waiting
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers


class _Hub:
    """All records of one name."""

    def __init__(self, options: StoreOptions) -> None:
        self.lock = threading.Lock()
        self.groups = MemoryGroups(options)
        self.revocations = MemoryRevocations()
        self.records: dict[str, tuple[Packed, float | None]] = {}
        self.watchers: dict[str, list[Callable[[Packed], None]]] = {}

    def add(self, task_id: str, tell: Callable[[Packed], None]) -> None:
        """Call back with what is stored of a task, now and from now on."""
        with self.lock:
            self.watchers.setdefault(task_id, []).append(tell)
            known = self.find(task_id)
            if known is not None:
                tell(known)

    def remove(self, task_id: str, tell: Callable[[Packed], None]) -> None:
        """Call back no more."""
        with self.lock:
            watchers = self.watchers[task_id]
            watchers.remove(tell)
            if not watchers:
                del self.watchers[task_id]

    def find(self, task_id: str) -> Packed | None:
        """A record that has not expired; hold the lock."""
        packed, expires = self.records.get(task_id, (None, None))
        if expires is not None and expires <= SYSTEM.now():
            del self.records[task_id]
            return None
        return packed


class MemoryStore:
    """`ResultStore` over the hub of one name."""

    shared = True

    def __init__(self, options: StoreOptions, hub: _Hub) -> None:
        self.options = options
        self._hub = hub
        self.groups: MemoryGroups = hub.groups
        self.revocations: MemoryRevocations = hub.revocations
        self._accept = serializers.content_types(options.accept)
        self._waiting: Waiting[Packed] = Waiting(hub, lambda packed: unpack(packed, self._accept))

    @property
    def reply_to(self) -> str | None:
        return None

    def expect(self, task_id: str) -> None:
        """Everybody reads the same records."""

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:  # noqa: ARG002 - two servers, two writes
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        packed = [pack(record, self.options) for record in records]
        expires = SYSTEM.now() + self.options.expires if self.options.expires else None
        hub = self._hub
        with hub.lock:
            for each in packed:
                known = hub.find(each.task_id)
                if known is None or known.status not in states.READY_STATES:
                    hub.records[each.task_id] = each, expires
                    for tell in hub.watchers.get(each.task_id, ()):
                        tell(each)

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        with self._hub.lock:
            found = [packed for task_id in task_ids if (packed := self._hub.find(task_id)) is not None]
        return {packed.task_id: unpack(packed, self._accept) for packed in found}

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        with self._hub.lock:
            for task_id in task_ids:
                self._hub.records.pop(task_id, None)

    def cleanup(self) -> int:
        self.groups.cleanup()
        with self._hub.lock:
            return sum(self._hub.find(task_id) is None for task_id in list(self._hub.records))

    def public_url(self) -> str:
        return urls.parse(self.options.url).public()

    def close(self) -> None:
        """There is no connection."""


#: One hub per name, for as long as a store has it: in one process, a name is all that stores have in common.
_HUBS: weakref.WeakValueDictionary[str, _Hub] = weakref.WeakValueDictionary()
_HUBS_LOCK = threading.Lock()


def connect(options: StoreOptions) -> MemoryStore:
    """Make the store of the name in the URL's path."""
    url = urls.parse(options.url)
    with _HUBS_LOCK:
        hub = _HUBS.get(url.path or url.host or "")
        if hub is None:
            hub = _HUBS[url.path or url.host or ""] = _Hub(options)
    return MemoryStore(options, hub)
