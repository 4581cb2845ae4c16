"""Revoked tasks in MongoDB: one document for each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from umbel.results.mongodb.database import READ_PATIENCE, REVOKED, MongoDatabase
from umbel.results.mongodb.documents import expiry


class MongoRevocations:
    """`RevocationStore` of a MongoDB store.

    Args:
        database: of the store.
    """

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        if not entries:
            return

        def work(database: Any) -> None:
            from pymongo import ReplaceOne

            collection = database[REVOKED]
            fields = {"revoked": now, **expiry(expires)}
            writes = [ReplaceOne({"_id": entry}, {"_id": entry, **fields}, upsert=True) for entry in set(entries)]
            self._database.failed(lambda: collection.bulk_write(writes, ordered=False))
            collection.delete_many({"revoked": {"$lte": now - expires}})
            newest = list(collection.find({}, {"_id": 1}).sort("revoked", -1).skip(most))
            if newest:
                collection.delete_many({"_id": {"$in": [each["_id"] for each in newest]}})

        self._database.use(work, READ_PATIENCE)

    def read(self, since: float) -> dict[str, float]:
        query = {"revoked": {"$gt": since}}
        found = self._database.use(lambda database: list(database[REVOKED].find(query).sort("revoked", 1)), READ_PATIENCE)
        return {str(each["_id"]): float(each["revoked"]) for each in found}
