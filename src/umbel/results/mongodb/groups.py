"""Groups and chords in MongoDB. A chord is one document, which each step changes in one command (``findAndModify``); the end of each member is another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from umbel.errors import DecodeError
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.results.keyvalue.names import member_name
from umbel.results.mongodb.database import CHORDS, PARTS, READ_PATIENCE, WRITE_PATIENCE, MongoDatabase
from umbel.results.mongodb.documents import EXPIRES, DocumentCodec, expiry, fresh
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers

Turn = ChordClaim | ClaimedElsewhere | None
_OPEN = {"closed": {"$ne": True}}


class MongoGroups:
    """`GroupStore` of a MongoDB store.

    Args:
        database: of the store.
        options: of the store.
        values: of the store; for trees.
    """

    def __init__(self, database: MongoDatabase, options: StoreOptions, values: DocumentCodec) -> None:
        self._database = database
        self._values = values
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        self._keep = options.chord_expires if options.chord_expires is not None else options.expires
        self._keep_tree = options.expires

    # trees

    def save(self, group_id: str, tree: Any) -> None:
        # Celery reads the ids of the members only.
        members = tree[1] if isinstance(tree, (list, tuple)) and len(tree) == 2 and isinstance(tree[1], (list, tuple)) else ()
        ids = [member[0][0] for member in members]
        document = {
            "_id": group_id,
            "result": self._values.dumps(ids),
            "umbel_tree": self._values.dumps(tree),
            "date_done": datetime.fromtimestamp(SYSTEM.now(), UTC),
            **expiry(self._keep_tree),
        }
        self._run(self._database.groups, "replace_one", {"_id": group_id}, document, upsert=True)

    def tree(self, group_id: str) -> Any:
        found = self._run(self._database.groups, "find_one", {"_id": group_id, EXPIRES: fresh()})
        if found is None:
            return None
        if "umbel_tree" in found:
            return self._values.loads(found["umbel_tree"])
        return [[group_id, None], [[[task_id, None], None] for task_id in self._values.loads(found.get("result"))]]

    def forget(self, group_id: str) -> None:
        self._run(self._database.groups, "delete_one", {"_id": group_id})

    # chords

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        if header is not None:
            self.save(group_id, header)
        if anew:
            self._run(CHORDS, "delete_one", {"_id": f"{group_id}.body"})
        self._run(CHORDS, "delete_one", {"_id": group_id, "closed": True})
        fields = {"size": size, "token": "", "until": 0.0, **expiry(self._keep)}
        self._run(CHORDS, "update_one", {"_id": group_id}, {"$set": fields}, upsert=True)

    def grow(self, group_id: str, task_id: str) -> None:
        self._update(group_id, {}, {"$addToSet": {"added": task_id}, "$set": expiry(self._keep)}, upsert=True)

    def count(self, parts: Sequence[ChordPart]) -> list[Turn]:
        encoded = [(part, member_name(part.task_id, part.place), self._codec.encode(part)) for part in parts]
        return [self._count(part, name, data) for part, name, data in encoded]

    def _count(self, part: ChordPart, name: str, data: bytes) -> Turn:
        group_id, keep = part.group_id, expiry(self._keep)
        # The part first: whoever stands in the chord's document has one, and who dies between the two is counted when it is delivered again.
        first = {"group_id": group_id, "name": name, "place": part.place, "part": data, **keep}
        self._run(PARTS, "update_one", {"_id": f"{group_id}.{name}"}, {"$setOnInsert": first}, upsert=True)
        chord = self._update(group_id, {}, {"$addToSet": {"members": name}, **({"$set": keep} if keep else {})}, upsert=True)
        if chord is None:  # it has been closed
            self._run(PARTS, "delete_one", {"_id": f"{group_id}.{name}"})
            return None
        if chord.get("size") is None or len(chord["members"]) < chord["size"] + len(chord.get("added") or ()):
            return None
        now = SYSTEM.now()
        token = uuid7(now)
        mine = self._update(group_id, {"until": {"$lte": now}}, {"$set": {"token": token, "until": now + CLAIM}})
        if mine is None:
            return ClaimedElsewhere(max(0.0, chord.get("until", now) - now)) if self._is_open(group_id) else None
        return ChordClaim(group_id, token, tuple(self._parts(group_id, mine["members"])), self.tree(group_id))

    def _is_open(self, group_id: str) -> bool:
        return self._run(CHORDS, "find_one", {"_id": group_id, **_OPEN}) is not None

    def _parts(self, group_id: str, members: Sequence[str]) -> list[ChordPart]:
        found = self._database.use(lambda database: list(database[PARTS].find({"group_id": group_id})), READ_PATIENCE)
        wanted = set(members)
        mine = [each for each in found if each["name"] in wanted]
        if len(mine) < len(wanted):
            raise DecodeError(f"the results of {len(wanted) - len(mine)} members of chord {group_id} are gone from the result store")
        ordered = sorted(mine, key=lambda each: math.inf if each["place"] is None else each["place"])
        return [self._codec.decode(group_id, each["place"], bytes(each["part"])) for each in ordered]

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        now = SYSTEM.now()
        may = {"size": {"$ne": None}, "$or": [{"token": claim.token}, {"until": {"$lte": now}}]}
        return self._update(claim.group_id, may, {"$set": {"token": claim.token, "until": now + seconds}}) is not None

    def begin_body(self, group_id: str, token: str) -> bool:
        key, first = {"_id": f"{group_id}.body"}, {"token": token, **expiry(self._keep)}
        self._run(CHORDS, "update_one", key, {"$setOnInsert": first}, upsert=True)
        held = self._run(CHORDS, "find_one", key)
        return held is not None and held.get("token") == token

    def close(self, claim: ChordClaim) -> bool:
        done = self._update(claim.group_id, {"token": claim.token}, {"$set": {"closed": True, "members": [], **expiry(CLOSED)}})
        if done is None:
            return False
        self._run(PARTS, "delete_many", {"group_id": claim.group_id})
        return True

    def _update(self, group_id: str, may: dict[str, Any], change: dict[str, Any], *, upsert: bool = False) -> Any:
        """Change the document of an open chord in one step; returns it as it is now, or ``None`` where the chord is closed or does not match."""

        def work(database: Any) -> Any:
            query = {"_id": group_id, **_OPEN, **may}
            made = self._database.unless_there(
                lambda: database[CHORDS].find_one_and_update(query, change, upsert=upsert, return_document=True)
            )
            if made is None and upsert and database[CHORDS].find_one(query) is not None:  # made by somebody else at this moment
                made = database[CHORDS].find_one_and_update(query, change, return_document=True)
            return made

        return self._database.use(work, WRITE_PATIENCE)

    def _run(self, collection: str, command: str, *arguments: Any, **options: Any) -> Any:
        """Run one command; an insert that somebody else was faster with has been done."""

        def work(database: Any) -> Any:
            return self._database.unless_there(lambda: getattr(database[collection], command)(*arguments, **options))

        return self._database.use(work, WRITE_PATIENCE)
