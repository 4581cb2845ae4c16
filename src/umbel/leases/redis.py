"""Leases in Redis and Valkey: one hash for each name, changed by scripts. The time is the server's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from umbel.clients import urls
from umbel.clients.redis.addresses import addresses
from umbel.clients.redis.connections import Connections
from umbel.errors import ImproperlyConfigured
from umbel.leases.base import Booking, Grant, Holder, Lease, LeaseOptions, Turn
from umbel.runtime import process_hooks
from umbel.wire.redis import keys, scripts
from umbel.wire.redis.resp import Argument

#: Connections of a process's threads.
_CONNECTIONS: Final = 8
_MILLI, _MICRO = 1_000, 1_000_000


class RedisLeases:
    """`LeaseStore` in Redis.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """

    def __init__(self, options: LeaseOptions) -> None:
        self.options = options
        listed = urls.split(options.url)
        if not listed:
            raise ImproperlyConfigured("a lease store in Redis needs a URL, e.g. redis://localhost:6379/0")
        self._candidates = addresses(
            listed, tls=options.ssl, transport=options.transport, connect_timeout=options.connect_timeout, client_name=None
        )
        self._connections = Connections(
            self._candidates, options.socket_timeout, max(1, options.max_connections or _CONNECTIONS), "lease store"
        )
        process_hooks.attach(after_fork=self._connections.forget)

    def acquire(self, leases: Sequence[Lease]) -> list[Grant]:
        arguments: list[Argument] = []
        for lease in leases:
            arguments += lease.owner, _whole(lease.seconds * _MILLI), str(lease.limit), "1" if lease.takes_over else "0"
        answers = self._run("lease_acquire", self._keys(leases), arguments)
        return [Grant(bool(held), other.decode("utf-8", "replace"), left / _MILLI) for held, other, left in answers]

    def renew(self, leases: Sequence[Lease]) -> list[bool]:
        arguments: list[Argument] = []
        for lease in leases:
            arguments += lease.owner, _whole(lease.seconds * _MILLI)
        return [bool(held) for held in self._run("lease_renew", self._keys(leases), arguments)]

    def release(self, leases: Sequence[Lease]) -> list[bool]:
        return [bool(held) for held in self._run("lease_release", self._keys(leases), [lease.owner for lease in leases])]

    def holders(self, name: str) -> list[Holder]:
        key = keys.lease(self.options.prefix, name)
        found, time = self._connections.use(lambda connection: connection.pipeline([("HGETALL", key), ("TIME",)]), self.options.patience)
        now = int(time[0]) * _MILLI + int(time[1]) // _MILLI
        ends = {owner.decode("utf-8", "replace"): _number(value) for owner, value in zip(found[::2], found[1::2], strict=True)}
        living = [Holder(owner, (end - now) / _MILLI) for owner, end in ends.items() if end > now]
        return sorted(living, key=lambda holder: (holder.seconds, holder.owner))

    def take_turns(self, turns: Sequence[Turn]) -> list[Booking]:
        names = [keys.turn(self.options.prefix, turn.name) for turn in turns]
        arguments: list[Argument] = []
        for turn in turns:
            arguments += [_whole(seconds * _MICRO) for seconds in (turn.interval, turn.within, turn.slack)]
        return [Booking(bool(booked), left / _MICRO) for booked, left in self._run("lease_turns", names, arguments)]

    def _keys(self, leases: Sequence[Lease]) -> list[str]:
        return [keys.lease(self.options.prefix, lease.name) for lease in leases]

    def _run(self, name: str, names: Sequence[str], arguments: Sequence[Argument]) -> list[Any]:
        if not names:
            return []
        script = scripts.load(name)
        answers: list[Any] = self._connections.use(lambda connection: connection.run(script, names, arguments), self.options.patience)
        return answers

    def public_url(self) -> str:
        return ";".join(address.public() for address in self._candidates)

    def close(self) -> None:
        self._connections.close()


def _whole(number: float) -> str:
    return str(max(0, math.ceil(number)))


def _number(value: bytes) -> int:
    end = value.partition(b":")[0]
    return int(end) if end.isdigit() else 0


def connect(options: LeaseOptions) -> RedisLeases:
    """Make the store for a Redis URL; connects when first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """
    return RedisLeases(options)
