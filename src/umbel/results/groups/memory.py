"""Groups and chords inside one process."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire import serializers


@dataclass(slots=True)
class _Chord:
    expires: float
    #: Members to come; unknown until it is opened.
    size: int | None = None
    #: Ids of members that were added.
    added: set[str] = field(default_factory=set)
    #: By (task id, place), as bytes: nobody may change what was counted.
    parts: dict[tuple[str, int | None], bytes] = field(default_factory=dict)
    token: str = ""
    claimed_until: float = 0.0
    is_closed: bool = False


class MemoryGroups:
    """`GroupStore` in a dictionary.

    Args:
        options: of the store. A chord is kept for so long after its last step.
        clock: tells the time.
    """

    def __init__(self, options: StoreOptions, clock: Clock = SYSTEM) -> None:
        self._keep = (options.chord_expires if options.chord_expires is not None else options.expires) or math.inf
        self._keep_tree = options.expires or math.inf
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        self._clock = clock
        self._chords: dict[str, _Chord] = {}
        #: Tokens of bodies by the ids of headers, and when they expire.
        self._bodies: dict[str, tuple[str, float]] = {}
        #: Trees, and when they expire.
        self._trees: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def save(self, group_id: str, tree: Any) -> None:
        self._trees[group_id] = self._codec.dumps(tree), self._clock.now() + self._keep_tree

    def tree(self, group_id: str) -> Any:
        data, expires = self._trees.get(group_id, (b"", 0.0))
        return self._codec.loads(data) if expires > self._clock.now() else None

    def forget(self, group_id: str) -> None:
        self._trees.pop(group_id, None)

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        with self._lock:
            if anew:
                self._bodies.pop(group_id, None)
            chord = self._find(group_id)
            if chord.is_closed:
                del self._chords[group_id]
                chord = self._find(group_id)
            chord.size = size
        if header is not None:
            self.save(group_id, header)

    def grow(self, group_id: str, task_id: str) -> None:
        with self._lock:
            self._find(group_id).added.add(task_id)

    def count(self, parts: Sequence[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        encoded = [(part, self._codec.encode(part)) for part in parts]
        with self._lock:
            return [self._count(part, data) for part, data in encoded]

    def _count(self, part: ChordPart, data: bytes) -> ChordClaim | ClaimedElsewhere | None:
        chord = self._find(part.group_id)
        if chord.is_closed:
            return None
        chord.parts.setdefault((part.task_id, part.place), data)
        if chord.size is None or len(chord.parts) < chord.size + len(chord.added):
            return None
        now = self._clock.now()
        if chord.claimed_until > now:
            return ClaimedElsewhere(chord.claimed_until - now)
        chord.token, chord.claimed_until = uuid7(now), now + CLAIM
        ordered = sorted(chord.parts.items(), key=lambda item: math.inf if item[0][1] is None else item[0][1])
        members = tuple(self._codec.decode(part.group_id, place, text) for (_, place), text in ordered)
        return ChordClaim(part.group_id, chord.token, members, self.tree(part.group_id))

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        with self._lock:
            chord, now = self._find(claim.group_id), self._clock.now()
            if chord.is_closed or (chord.token != claim.token and (chord.claimed_until > now or chord.size is None)):
                return False
            chord.token, chord.claimed_until = claim.token, now + seconds
            return True

    def begin_body(self, group_id: str, token: str) -> bool:
        with self._lock:
            now = self._clock.now()
            first, expires = self._bodies.get(group_id, (token, math.inf))
            if first != token and expires > now:
                return False
            self._bodies[group_id] = token, now + self._keep
            return True

    def close(self, claim: ChordClaim) -> bool:
        with self._lock:
            chord = self._find(claim.group_id)
            if chord.is_closed or chord.token != claim.token:
                return False
            self._chords[claim.group_id] = _Chord(self._clock.now() + CLOSED, is_closed=True)
            return True

    def cleanup(self) -> None:
        """Drop what has not been touched for long."""
        with self._lock:
            now = self._clock.now()
            self._chords = {group_id: chord for group_id, chord in self._chords.items() if chord.expires > now}
            self._bodies = {task_id: body for task_id, body in self._bodies.items() if body[1] > now}
            self._trees = {group_id: tree for group_id, tree in self._trees.items() if tree[1] > now}

    def _find(self, group_id: str) -> _Chord:
        now = self._clock.now()
        chord = self._chords.get(group_id)
        if chord is None or chord.expires <= now:
            chord = self._chords[group_id] = _Chord(now + self._keep)
        if not chord.is_closed:
            chord.expires = now + self._keep
        return chord
