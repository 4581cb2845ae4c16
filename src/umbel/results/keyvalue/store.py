"""`KeyValueStore`: records over values by key, in Celery's form (5.7, ``KeyValueStoreBackend``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from umbel.brokers.base import Publisher
from umbel.errors import DecodeError
from umbel.results.base import StoreOptions
from umbel.results.keyvalue.groups import KeyValueGroups
from umbel.results.keyvalue.names import Names
from umbel.results.keyvalue.revocations import KeyValueRevocations
from umbel.results.keyvalue.values import Change, Values
from umbel.results.meta import MetaCodec, is_terminal
from umbel.results.model import Record, sent
from umbel.results.polling import PollingWatch
from umbel.results.revocation_store import RevocationStore
from umbel.results.waiting import Waiting
from umbel.wire.redis.keys import result_prefix

#: Looks at a value that cannot be read, and seconds between: Celery writes files while others read them.
_LOOKS: Final = 5
_BETWEEN: Final = 0.02
#: Keys in one call.
_BATCH: Final = 500


class KeyValueStore:
    """`umbel.results.base.ResultStore` over values by key.

    Args:
        options: of the store.
        values: keeps them.
        needs_cleanup: what has expired goes when `cleanup` is called, and not by itself.
        keeps_revocations: it keeps which tasks were revoked.
    """

    shared = True
    reply_to: str | None = None

    def __init__(self, options: StoreOptions, values: Values, *, needs_cleanup: bool, keeps_revocations: bool) -> None:
        self.options = options
        self.needs_cleanup = needs_cleanup
        self._values = values
        self._names = Names(result_prefix(options.transport))
        self._codec = MetaCodec(options)
        self.groups: KeyValueGroups = KeyValueGroups(values, self._names, options)
        self.revocations: RevocationStore | None = KeyValueRevocations(values, self._names) if keeps_revocations else None
        self._watch = PollingWatch(self.fetch)
        self._waiting: Waiting[Record] = Waiting(self._watch, lambda record: record)
        #: Held by the one thread that looks for a result itself before it waits.
        self._looking = threading.Lock()

    def expect(self, task_id: str) -> None:
        """Do nothing: everybody reads the same values.

        Args:
            task_id: of the task.
        """

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:  # noqa: ARG002 - two servers, two writes
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        newest: dict[str, Record] = {}
        for record in records:
            known = newest.get(record.task_id)
            if known is None or not is_terminal(known):
                newest[record.task_id] = record
        encoded = [(self._names.record(task_id), self._codec.encode(record)) for task_id, record in newest.items()]
        for first in range(0, len(encoded), _BATCH):
            changes: dict[str, Change] = {key: partial(self._unless_ended, data) for key, data in encoded[first : first + _BATCH]}
            self._values.change(changes, self.options.expires)

    def _unless_ended(self, data: bytes, old: bytes | None) -> bytes | None:
        return None if old is not None and self._codec.has_ended(old) else data

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for first in range(0, len(task_ids), _BATCH):
            batch = task_ids[first : first + _BATCH]
            for look in range(_LOOKS):
                keys = {self._names.record(task_id): task_id for task_id in batch if task_id not in found}
                values = self._values.read(list(keys), self.options.expires)
                try:
                    for key, data in values.items():
                        found[keys[key]] = self._codec.decode(data, keys[key])
                    break
                except DecodeError:
                    if look == _LOOKS - 1:
                        raise
                    time.sleep(_BETWEEN)
        return found

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        if self._looking.acquire(blocking=False):
            try:
                record = self.fetch([task_id]).get(task_id)
            finally:
                self._looking.release()
            if record is not None and is_terminal(record):
                return record
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        for first in range(0, len(task_ids), _BATCH):
            self._values.drop([self._names.record(task_id) for task_id in task_ids[first : first + _BATCH]])

    def cleanup(self) -> int:
        names, keep = self._names, self.options.expires
        return self._values.cleanup({names.records: keep, names.trees: keep, names.chords: self.groups.keep})

    def public_url(self) -> str:
        return self._values.public_url()

    def close(self) -> None:
        self._watch.close()
        self._values.close()
