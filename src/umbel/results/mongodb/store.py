"""`MongoStore`: results in Celery's collections of a MongoDB database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from umbel import states
from umbel.brokers.base import Publisher
from umbel.results.base import StoreOptions
from umbel.results.meta import is_terminal
from umbel.results.model import Record, sent
from umbel.results.mongodb.database import READ_PATIENCE, WRITE_PATIENCE, MongoDatabase
from umbel.results.mongodb.documents import EXPIRES, DocumentCodec, fresh
from umbel.results.mongodb.groups import MongoGroups
from umbel.results.mongodb.revocations import MongoRevocations
from umbel.results.polling import PollingWatch
from umbel.results.waiting import Waiting
from umbel.runtime.clock import SYSTEM

#: Documents in one command.
_BATCH: Final = 500


class MongoStore:
    """`ResultStore` in a MongoDB database.

    Args:
        options: of the store; ``transport["mongodb"]`` holds ``mongodb_backend_settings``.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """

    shared = True
    #: What Celery has written goes when `cleanup` is called, and not by itself.
    needs_cleanup = True
    reply_to: str | None = None

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._database = MongoDatabase(options.url, options.transport.get("mongodb"))
        self._codec = DocumentCodec(options)
        self.groups: MongoGroups = MongoGroups(self._database, options, self._codec)
        self.revocations: MongoRevocations = MongoRevocations(self._database)
        self._watch = PollingWatch(self.fetch)
        self._waiting: Waiting[Record] = Waiting(self._watch, lambda record: record)
        #: Held by the one thread that looks for a result itself before it waits.
        self._looking = threading.Lock()

    def expect(self, task_id: str) -> None:
        """Do nothing: everybody reads the same collection.

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
        documents = [self._codec.encode(record) for record in newest.values()]
        for first in range(0, len(documents), _BATCH):
            batch = documents[first : first + _BATCH]
            self._database.use(lambda database, batch=batch: self._store(database, batch), WRITE_PATIENCE)  # type: ignore[misc]

    def _store(self, database: Any, batch: list[dict[str, Any]]) -> None:
        """Write over what has not ended. Whose document is there and does not match has ended, or came at this moment: once more tells."""
        from pymongo import ReplaceOne

        now = datetime.fromtimestamp(SYSTEM.now(), UTC)
        may = {"$or": [{"status": {"$nin": sorted(states.READY_STATES)}}, {EXPIRES: {"$lte": now}}]}
        for _ in range(2):
            writes = [ReplaceOne({"_id": document["_id"], **may}, document, upsert=True) for document in batch]
            left = self._database.failed(lambda writes=writes: database[self._database.tasks].bulk_write(writes, ordered=False))  # type: ignore[misc]
            if not left:
                return
            batch = [batch[place] for place in left]

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for first in range(0, len(task_ids), _BATCH):
            query = {"_id": {"$in": list(task_ids[first : first + _BATCH])}, EXPIRES: fresh()}
            read = self._database.use(lambda database, query=query: list(database[self._database.tasks].find(query)), READ_PATIENCE)  # type: ignore[misc]
            found.update({document["_id"]: self._codec.decode(document) for document in read})
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
        query = {"_id": {"$in": list(task_ids)}}
        if task_ids:
            self._database.use(lambda database: database[self._database.tasks].delete_many(query), WRITE_PATIENCE)

    def cleanup(self) -> int:
        """Drop what Celery has written and nobody else would drop; returns how many."""
        if not self.options.expires:
            return 0
        before = datetime.fromtimestamp(SYSTEM.now() - self.options.expires, UTC)
        query = {"date_done": {"$lt": before}, EXPIRES: {"$exists": False}}

        def drop(database: Any) -> int:
            return sum(database[name].delete_many(query).deleted_count for name in (self._database.tasks, self._database.groups))

        return self._database.use(drop, WRITE_PATIENCE)

    def public_url(self) -> str:
        return self._database.public()

    def close(self) -> None:
        self._watch.close()
        self._database.close()


def connect(options: StoreOptions) -> MongoStore:
    """Make the store for a ``mongodb://`` URL; connects when first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used, or pymongo is not installed.
    """
    return MongoStore(options)
