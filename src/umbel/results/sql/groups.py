"""Groups and chords in an SQL database. A chord's row is locked while one of its members is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from umbel.clients.sql.engine import Database
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.results.sql.tables import Tables
from umbel.results.sql.upsert import put
from umbel.results.sql.values import ValueCodec, key_of, moment
from umbel.runtime.clock import SYSTEM
from umbel.wire import serializers

#: Seconds for which a step is kept trying; a store that restarts must not cost a chord.
_PATIENCE = 30.0
#: Stands for the place of a member that has none: after all others.
_NO_PLACE: Final = 2**62


class SqlGroups:
    """`GroupStore` of an SQL store.

    Args:
        database: of the store.
        tables: of the store.
        options: of the store.
        values: of the store; for trees.
    """

    def __init__(self, database: Database, tables: Tables, options: StoreOptions, values: ValueCodec) -> None:
        self._database = database
        self._tables = tables
        self._values = values
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        self._keep = options.chord_expires if options.chord_expires is not None else options.expires
        self._keep_tree = options.expires

    # trees

    def save(self, group_id: str, tree: Any) -> None:
        data = self._values.dumps(tree)
        self._database.run(lambda connection: self._save(connection, group_id, data), _PATIENCE)

    def _save(self, connection: Connection, group_id: str, data: bytes) -> None:
        row = {"taskset_id": key_of(group_id), "result": data, "date_done": moment(SYSTEM.now())}
        put(connection, self._tables.group, "taskset_id", [row])

    def tree(self, group_id: str) -> Any:
        return self._database.run(lambda connection: self._tree(connection, group_id), _PATIENCE, reads=True)

    def _tree(self, connection: Connection, group_id: str) -> Any:
        group = self._tables.group
        statement = sa.select(group.c.result).where(group.c.taskset_id == key_of(group_id))
        if self._keep_tree:
            statement = statement.where(sa.or_(group.c.date_done.is_(None), group.c.date_done > moment(SYSTEM.now() - self._keep_tree)))
        data = connection.execute(statement).scalar()
        return None if data is None else self._values.loads(data)

    def forget(self, group_id: str) -> None:
        group = self._tables.group
        self._database.run(lambda connection: connection.execute(group.delete().where(group.c.taskset_id == key_of(group_id))), _PATIENCE)

    # chords

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        data = None if header is None else self._values.dumps(header)
        body = self._tables.body

        def work(connection: Connection) -> None:
            row = self._locked(connection, group_id)
            changes = {"size": size, "token": "", "claimed_until": 0.0}
            if row.closed:
                changes |= {"closed": False, "growth": 0, "counted": 0}
            self._change(connection, group_id, **changes)
            if anew:
                connection.execute(body.delete().where(body.c.task_id == key_of(group_id)))
            if data is not None:
                self._save(connection, group_id, data)

        self._database.run(work, _PATIENCE)

    def grow(self, group_id: str, task_id: str) -> None:
        body = self._tables.body

        def work(connection: Connection) -> None:
            row = self._locked(connection, group_id)  # one at a time adds to a chord
            known = sa.select(sa.literal(1)).select_from(body).where(body.c.task_id == key_of(task_id))
            if connection.execute(known).first() is None:
                connection.execute(body.insert().values(task_id=key_of(task_id), token=key_of(group_id)[:64], expires=self._until()))
                self._change(connection, group_id, growth=row.growth + 1)

        self._database.run(work, _PATIENCE)

    def count(self, parts: Sequence[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        encoded = [(place, part, self._codec.encode(part)) for place, part in enumerate(parts)]
        encoded.sort(key=lambda each: key_of(each[1].group_id))  # two bursts of the same chords must not wait for each other
        found: list[ChordClaim | ClaimedElsewhere | None] = [None] * len(parts)

        def work(connection: Connection) -> None:
            for place, part, data in encoded:
                found[place] = self._count(connection, part, data)

        self._database.run(work, _PATIENCE)
        return found

    def _count(self, connection: Connection, part: ChordPart, data: bytes) -> ChordClaim | ClaimedElsewhere | None:
        row, now = self._locked(connection, part.group_id), SYSTEM.now()
        if row.closed:
            return None
        table = self._tables.part
        place = _NO_PLACE if part.place is None else part.place
        key, task_key = key_of(part.group_id), key_of(part.task_id)
        one = sa.and_(table.c.group_id == key, table.c.place == place, table.c.task_id == task_key)
        counted = row.counted
        if connection.execute(sa.select(sa.literal(1)).select_from(table).where(one)).first() is None:
            connection.execute(table.insert().values(group_id=key, place=place, task_id=task_key, part=data))
            counted += 1
        changes: dict[str, Any] = {"counted": counted}
        turn: ChordClaim | ClaimedElsewhere | None = None
        if row.size is not None and counted >= row.size + row.growth:
            if row.claimed_until > now:
                turn = ClaimedElsewhere(row.claimed_until - now)
            else:
                changes |= {"token": uuid7(now), "claimed_until": now + CLAIM}
                turn = ChordClaim(
                    part.group_id, changes["token"], self._parts(connection, part.group_id), self._tree(connection, part.group_id)
                )
        self._change(connection, part.group_id, **changes)
        return turn

    def _parts(self, connection: Connection, group_id: str) -> tuple[ChordPart, ...]:
        table = self._tables.part
        statement = (
            sa.select(table.c.place, table.c.part).where(table.c.group_id == key_of(group_id)).order_by(table.c.place, table.c.task_id)
        )
        rows = connection.execute(statement).all()
        return tuple(self._codec.decode(group_id, None if row.place == _NO_PLACE else row.place, bytes(row.part)) for row in rows)

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        def work(connection: Connection) -> bool:
            row, now = self._locked(connection, claim.group_id), SYSTEM.now()
            if row.closed or row.size is None or (row.token != claim.token and row.claimed_until > now):
                return False
            self._change(connection, claim.group_id, token=claim.token, claimed_until=now + seconds)
            return True

        return self._database.run(work, _PATIENCE)

    def begin_body(self, group_id: str, token: str) -> bool:
        body, key = self._tables.body, key_of(group_id)

        def work(connection: Connection) -> bool:
            now, fresh = SYSTEM.now(), {"token": token, "expires": self._until()}
            known = connection.execute(sa.select(body).where(body.c.task_id == key).with_for_update()).first()
            if known is None:  # of two at one moment one cannot insert, and looks again
                connection.execute(body.insert().values(task_id=key, **fresh))
            elif known.expires is not None and known.expires <= now:
                connection.execute(body.update().where(body.c.task_id == key).values(**fresh))
            else:
                return bool(known.token == token)
            return True

        return self._database.run(work, _PATIENCE)

    def close(self, claim: ChordClaim) -> bool:
        def work(connection: Connection) -> bool:
            row = self._locked(connection, claim.group_id)
            if row.closed or row.token != claim.token:
                return False
            part, chord = self._tables.part, self._tables.chord
            connection.execute(part.delete().where(part.c.group_id == key_of(claim.group_id)))
            connection.execute(
                chord.update().where(chord.c.group_id == key_of(claim.group_id)).values(closed=True, expires=SYSTEM.now() + CLOSED)
            )
            return True

        return self._database.run(work, _PATIENCE)

    def cleanup(self) -> None:
        """Drop groups and chords whose time is over."""
        group, chord, part, body = self._tables.group, self._tables.chord, self._tables.part, self._tables.body

        def work(connection: Connection) -> None:
            now = SYSTEM.now()
            expired = sa.select(chord.c.group_id).where(chord.c.expires <= now)
            connection.execute(part.delete().where(part.c.group_id.in_(expired)))
            connection.execute(chord.delete().where(chord.c.expires <= now))
            connection.execute(body.delete().where(body.c.expires <= now))
            if self._keep_tree:
                connection.execute(group.delete().where(group.c.date_done <= moment(now - self._keep_tree)))

        self._database.run(work, _PATIENCE)

    # one chord

    def _locked(self, connection: Connection, group_id: str) -> Any:
        """Read the row of a chord, made if there is none or its time is over, and keep others from it until the transaction ends."""
        chord, part, now, key = self._tables.chord, self._tables.part, SYSTEM.now(), key_of(group_id)
        statement = sa.select(chord).where(chord.c.group_id == key).with_for_update()
        row = connection.execute(statement).first()
        if row is None:
            try:
                with connection.begin_nested():
                    connection.execute(chord.insert().values(group_id=key, expires=self._until()))
            except exc.IntegrityError:
                pass  # made by somebody else at this moment
            row = connection.execute(statement).first()
        assert row is not None
        if row.expires is not None and row.expires <= now:
            connection.execute(part.delete().where(part.c.group_id == key))
            fresh = {"size": None, "growth": 0, "counted": 0, "token": "", "claimed_until": 0.0, "closed": False}
            connection.execute(chord.update().where(chord.c.group_id == key).values(**fresh, expires=self._until()))
            row = connection.execute(statement).first()
        return row

    def _change(self, connection: Connection, group_id: str, **changes: Any) -> None:
        chord = self._tables.chord
        connection.execute(chord.update().where(chord.c.group_id == key_of(group_id)).values(**changes, expires=self._until()))

    def _until(self) -> float | None:
        return SYSTEM.now() + self._keep if self._keep else None
