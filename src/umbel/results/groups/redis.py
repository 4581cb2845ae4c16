"""Groups in Redis, in the six keys of Celery 5.7, so that its clients may read any of them and its workers may run any member of the same chord.

``celery-taskset-meta-<group id>`` is the group's tree, and with ``.j`` appended the parts (a sorted set by index, or a list), ``.s`` the size, ``.t`` its growth,
``.d`` the members that have been counted, ``.c`` the claim (a token, then ``done``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.errors import DecodeError
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.wire import serializers
from umbel.wire.redis import keys, scripts
from umbel.wire.redis.resp import Argument, ReplyError

#: Seconds for which a chord's step is kept trying; a store that restarts must not cost a chord.
_PATIENCE = 30.0
#: Seconds for reads.
_READ_PATIENCE = 5.0
#: Parts that are counted in one round trip.
_BATCH = 500


class Connections(Protocol):
    """Connections to one Redis; see `umbel.clients.redis.connections.Connections`."""

    def use(self, work: Callable[[BlockingConnection], Any], patience: float) -> Any:
        """Do some work that may be done twice, for up to ``patience`` seconds."""


class RedisGroups:
    """`GroupStore` of a Redis store.

    Args:
        connections: of the store.
        prefix: of its keys.
        options: of the store.
    """

    #: Members may end before `open` says how many there are.
    counts_before_opened = True

    def __init__(self, connections: Connections, prefix: str, options: StoreOptions) -> None:
        self._connections = connections
        self._prefix = prefix
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        keep = options.chord_expires if options.chord_expires is not None else options.expires
        self._keep = max(1, int(keep)) if keep else 0
        self._keep_tree = max(1, int(options.expires)) if options.expires else 0
        self._ordered = "1" if options.transport.get("result_chord_ordered", True) else "0"

    def save(self, group_id: str, tree: Any) -> None:
        command = self._saving(group_id, tree)
        self._connections.use(lambda connection: connection.call(*command), _PATIENCE)

    def _saving(self, group_id: str, tree: Any) -> tuple[Argument, ...]:
        keep = ("EX", str(self._keep_tree)) if self._keep_tree else ()
        return ("SET", keys.taskset_meta(self._prefix, group_id), self._codec.dumps({"result": tree}), *keep)

    def tree(self, group_id: str) -> Any:
        name = keys.taskset_meta(self._prefix, group_id)
        return self._tree(self._connections.use(lambda connection: connection.call("GET", name), _READ_PATIENCE))

    def forget(self, group_id: str) -> None:
        name = keys.taskset_meta(self._prefix, group_id)
        self._connections.use(lambda connection: connection.call("UNLINK", name), _READ_PATIENCE)

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        _, _, size_key, _, _, claim = self._keys(group_id)
        keep: tuple[Argument, ...] = ("EX", str(self._keep)) if self._keep else ()
        commands: list[tuple[Argument, ...]] = [("DEL", claim), ("SET", size_key, str(size), *keep)]
        if anew:
            commands.append(("DEL", keys.chord_body(self._prefix, group_id)))
        if header is not None:
            commands.append(self._saving(group_id, header))
        self._connections.use(lambda connection: _checked(connection.pipeline(commands)), _PATIENCE)

    def grow(self, group_id: str, task_id: str) -> None:
        names = (self._keys(group_id)[1], keys.chord_added(self._prefix, group_id))
        self._run("chord_grow", names, (task_id, str(self._keep)))

    def count(self, parts: Sequence[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        found: list[ChordClaim | ClaimedElsewhere | None] = []
        for first in range(0, len(parts), _BATCH):
            batch = [(part, self._codec.encode(part), os.urandom(16).hex()) for part in parts[first : first + _BATCH]]
            replies = self._connections.use(partial(self._count, batch), _PATIENCE)
            found += [self._turn(part, token, reply) for (part, _, token), reply in zip(batch, replies, strict=True)]
        return found

    def _count(self, batch: Sequence[tuple[ChordPart, bytes, str]], connection: BlockingConnection) -> list[Any]:
        script = scripts.load("chord_count")
        calls: list[tuple[tuple[str, ...], tuple[Argument, ...]]] = []
        for part, data, token in batch:
            index = "+inf" if part.place is None else str(part.place)
            calls.append((self._keys(part.group_id), (part.task_id, data, self._ordered, index, str(self._keep), str(int(CLAIM)), token)))
        replies = connection.pipeline([("EVALSHA", script.sha, "6", *names, *arguments) for names, arguments in calls])
        for place, reply in enumerate(replies):
            if isinstance(reply, ReplyError) and reply.code == "NOSCRIPT":
                replies[place] = connection.run(script, *calls[place])
        return _checked(replies)

    def _turn(self, part: ChordPart, token: str, reply: Any) -> ChordClaim | ClaimedElsewhere | None:
        match reply:
            case [b"claimed", header, *members]:
                return ChordClaim(part.group_id, token, tuple(self._parts(part.group_id, members)), self._tree(header))
            case [b"busy", milliseconds]:
                return ClaimedElsewhere(max(0.0, milliseconds / 1000))
        return None

    def _parts(self, group_id: str, members: Sequence[bytes]) -> list[ChordPart]:
        return [self._codec.decode(group_id, place, data) for place, data in enumerate(members)]

    def _tree(self, data: bytes | None) -> Any:
        found = self._codec.loads(data) if data else None
        if found is not None and not (isinstance(found, dict) and "result" in found):
            raise DecodeError("what is stored of a group is no mapping with a result")
        return found["result"] if found is not None else None

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        names = self._keys(claim.group_id)
        arguments = (claim.token, str(max(1, round(seconds))))
        return bool(self._run("chord_extend", (names[5], names[3]), arguments))

    def begin_body(self, group_id: str, token: str) -> bool:
        key = keys.chord_body(self._prefix, group_id)
        keep = ("EX", str(self._keep)) if self._keep else ()

        def work(connection: BlockingConnection) -> bool:
            set_, held = _checked(connection.pipeline([("SET", key, token, "NX", *keep), ("GET", key)]))
            return set_ is not None or held == token.encode()

        return bool(self._connections.use(work, _PATIENCE))

    def close(self, claim: ChordClaim) -> bool:
        parts, growth, size, counted, _, key = self._keys(claim.group_id)
        return bool(self._run("chord_close", (key, parts, growth, size, counted), (claim.token, str(int(CLOSED)))))

    def _run(self, name: str, names: Sequence[str], arguments: Sequence[Argument]) -> Any:
        script = scripts.load(name)
        return self._connections.use(lambda connection: connection.run(script, names, arguments), _PATIENCE)

    def _keys(self, group_id: str) -> tuple[str, str, str, str, str, str]:
        """Name the six keys in Celery's order: parts, growth, size, counted, header, claim."""
        group = keys.taskset_meta(self._prefix, group_id)
        return f"{group}.j", f"{group}.t", f"{group}.s", f"{group}.d", group, f"{group}.c"


def _checked(replies: list[Any]) -> list[Any]:
    """Raise the first error among replies."""
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply
    return replies
