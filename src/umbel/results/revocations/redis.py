"""Revoked tasks in Redis: a sorted set by the time of their revocation, which goes when its newest entry has expired."""

from __future__ import annotations

from collections.abc import Collection

from umbel.results.groups.redis import Connections
from umbel.wire.redis import keys
from umbel.wire.redis.resp import Argument, ReplyError

#: Seconds for which a step is kept trying.
_PATIENCE = 5.0
#: Entries in one command.
_BATCH = 1000


class RedisRevocations:
    """`RevocationStore` of a Redis store.

    Args:
        connections: of the store.
        prefix: of its keys.
    """

    def __init__(self, connections: Connections, prefix: str) -> None:
        self._connections = connections
        self._key = keys.revoked(prefix)

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        listed, when = list(entries), repr(now)
        commands: list[tuple[Argument, ...]] = [
            ("ZADD", self._key, *(each for entry in listed[first : first + _BATCH] for each in (when, entry)))
            for first in range(0, len(listed), _BATCH)
        ]
        commands += [
            ("ZREMRANGEBYSCORE", self._key, "-inf", repr(now - expires)),
            ("ZREMRANGEBYRANK", self._key, "0", str(-most - 1)),
            ("PEXPIRE", self._key, str(max(1, int(expires * 1000)))),
        ]
        for answer in self._connections.use(lambda connection: connection.pipeline(commands), _PATIENCE):
            if isinstance(answer, ReplyError):
                raise answer

    def read(self, since: float) -> dict[str, float]:
        command = ("ZRANGEBYSCORE", self._key, f"({since!r}", "+inf", "WITHSCORES")
        found = self._connections.use(lambda connection: connection.call(*command), _PATIENCE)
        return {entry.decode(errors="replace"): float(when) for entry, when in zip(found[::2], found[1::2], strict=True)}
