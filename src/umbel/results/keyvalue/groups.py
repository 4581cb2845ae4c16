"""Groups and chords over values by key. A chord's state is one value, changed in atomic steps; the end of each member is another."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from umbel.errors import DecodeError
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.results.keyvalue.names import Names, member_name
from umbel.results.keyvalue.values import Values, put, put_first
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire import serializers

Turn = ChordClaim | ClaimedElsewhere | None
_FRESH: Final[dict[str, Any]] = {"size": None, "added": [], "members": {}, "token": "", "until": 0.0, "closed": False}


class _Counted(NamedTuple):
    """A part on its way into the store."""

    part: ChordPart
    name: str
    data: bytes


class KeyValueGroups:
    """`GroupStore` over values by key.

    Args:
        values: of the store.
        names: the keys.
        options: of the store.
        clock: tells the time.
    """

    def __init__(self, values: Values, names: Names, options: StoreOptions, clock: Clock = SYSTEM) -> None:
        self._values = values
        self._names = names
        self._clock = clock
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        self.keep: float | None = options.chord_expires if options.chord_expires is not None else options.expires
        self._keep_tree = options.expires

    # trees

    def save(self, group_id: str, tree: Any) -> None:
        self._values.change({self._names.tree(group_id): put(self._codec.dumps({"result": tree}))}, self._keep_tree)

    def tree(self, group_id: str) -> Any:
        key = self._names.tree(group_id)
        data = self._values.read([key], self._keep_tree).get(key)
        found = None if data is None else self._codec.loads(data)
        if found is not None and not (isinstance(found, dict) and "result" in found):
            raise DecodeError(f"what is stored of group {group_id} is no mapping with a result")
        return found["result"] if found is not None else None

    def forget(self, group_id: str) -> None:
        self._values.drop([self._names.tree(group_id)])

    # chords

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        if header is not None:
            self.save(group_id, header)
        if anew:
            self._values.drop([self._names.body(group_id)])

        def work(chord: dict[str, Any]) -> bool:
            if chord["closed"]:
                chord.update(_FRESH, added=[], members={})
            chord.update(size=size, token="", until=0.0)
            return True

        self._change(group_id, work)

    def grow(self, group_id: str, task_id: str) -> None:
        def work(chord: dict[str, Any]) -> bool:
            is_new = task_id not in chord["added"]
            if is_new:
                chord["added"].append(task_id)
            return is_new

        self._change(group_id, work)

    def count(self, parts: Sequence[ChordPart]) -> list[Turn]:
        encoded = [_Counted(part, member_name(part.task_id, part.place), self._codec.encode(part)) for part in parts]
        ids = list(dict.fromkeys(part.group_id for part in parts))
        known = self._values.read([self._names.chord(group_id) for group_id in ids], self.keep)
        closed = {group_id for group_id in ids if _state(known.get(self._names.chord(group_id)))["closed"]}
        # The part first: whoever stands in the state has one, and who dies between the two is counted when it is delivered again.
        kept = {self._names.part(each.part.group_id, each.name): put_first(each.data) for each in reversed(encoded)
                if each.part.group_id not in closed}  # fmt: skip
        self._values.change(kept, self.keep)
        found: list[Turn] = [None] * len(parts)
        for group_id in ids:
            if group_id not in closed:
                mine = {place: each for place, each in enumerate(encoded) if each.part.group_id == group_id}
                for place, turn in self._count(group_id, mine).items():
                    found[place] = turn
        return found

    def _count(self, group_id: str, parts: Mapping[int, _Counted]) -> dict[int, Turn]:
        claimed: dict[str, Any] = {}
        turns: dict[int, Turn] = {}

        def work(chord: dict[str, Any]) -> bool:
            now, is_changed = self._clock.now(), False
            turns.clear()
            claimed.clear()
            for place, each in parts.items():
                if chord["closed"]:
                    return False
                if each.name not in chord["members"]:
                    chord["members"][each.name] = each.part.place
                    is_changed = True
                if chord["size"] is None or len(chord["members"]) < chord["size"] + len(chord["added"]):
                    continue
                if chord["until"] > now:
                    turns[place] = ClaimedElsewhere(chord["until"] - now)
                    continue
                chord.update(token=uuid7(now), until=now + CLAIM)
                claimed.update(chord, place=place)
                is_changed = True
            return is_changed

        self._change(group_id, work)
        if claimed:
            parts_of = tuple(self._parts(group_id, claimed["members"]))
            turns[claimed["place"]] = ChordClaim(group_id, claimed["token"], parts_of, self.tree(group_id))
        return turns

    def _parts(self, group_id: str, members: Mapping[str, int | None]) -> list[ChordPart]:
        ordered = sorted(members.items(), key=lambda item: math.inf if item[1] is None else item[1])
        keys = {self._names.part(group_id, name): place for name, place in ordered}
        found = self._values.read(list(keys), self.keep)
        if len(found) < len(keys):
            raise DecodeError(f"the results of {len(keys) - len(found)} members of chord {group_id} are gone from the result store")
        return [self._codec.decode(group_id, place, found[key]) for key, place in keys.items()]

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        done: list[bool] = []

        def work(chord: dict[str, Any]) -> bool:
            now = self._clock.now()
            is_mine = not chord["closed"] and chord["size"] is not None and (chord["token"] == claim.token or chord["until"] <= now)
            done[:] = [is_mine]
            chord.update(token=claim.token, until=now + seconds)
            return is_mine

        self._change(claim.group_id, work)
        return done[0]

    def begin_body(self, group_id: str, token: str) -> bool:
        first = put_first(token.encode())
        held: list[bytes] = []

        def work(old: bytes | None) -> bytes | None:
            held[:] = [token.encode() if old is None else old]
            return first(old)

        self._values.change({self._names.body(group_id): work}, self.keep)
        return held[0] == token.encode()

    def close(self, claim: ChordClaim) -> bool:
        members: list[str] = []
        done: list[bool] = []

        def work(chord: dict[str, Any]) -> bool:
            is_mine = not chord["closed"] and chord["token"] == claim.token
            done[:], members[:] = [is_mine], list(chord["members"])
            chord.update(_FRESH, added=[], members={}, closed=True)
            return is_mine

        self._change(claim.group_id, work, CLOSED)
        if done[0]:
            self._values.drop([self._names.part(claim.group_id, name) for name in members])
        return done[0]

    def _change(self, group_id: str, work: Callable[[dict[str, Any]], bool], keep: float | None = None) -> None:
        """Change the state of a chord; ``work`` tells whether it has."""

        def change(old: bytes | None) -> bytes | None:
            chord = _state(old)
            return json.dumps(chord, separators=(",", ":")).encode() if work(chord) else None

        self._values.change({self._names.chord(group_id): change}, keep or self.keep)


def _state(data: bytes | None) -> dict[str, Any]:
    fresh = {**_FRESH, "added": [], "members": {}}
    if data is None:
        return fresh
    try:
        found = json.loads(data)
    except ValueError as error:
        raise DecodeError(f"what was counted of a chord is not JSON: {error}") from error
    if not isinstance(found, dict) or not fresh.keys() <= found.keys():
        raise DecodeError("what was counted of a chord is no state of a chord")
    return found
