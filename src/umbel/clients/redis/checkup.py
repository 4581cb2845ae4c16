"""Facts that a Redis server tells of itself, and that matter to whoever keeps messages or results in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from umbel.clients.finding import Finding, judge
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.runtime.clock import SYSTEM
from umbel.wire.redis.resp import ReplyError

#: The oldest version that has all commands that are used here.
_OLDEST: Final = (6, 2)
#: Seconds by which clocks may differ.
_SKEW: Final = 1.0


def check(connection: BlockingConnection, subject: str, *, keeps_messages: bool) -> Iterator[Finding]:
    """Look a server over.

    Args:
        connection: to it.
        subject: of the findings.
        keeps_messages: it is a broker; what a result store may lose, a broker may not.

    Raises:
        OperationalError: it does not answer.
    """
    good, warning, error = judge(subject)
    asked = SYSTEM.monotonic()
    connection.call("PING")
    took = SYSTEM.monotonic() - asked
    info = _info(connection)
    version = info.get("valkey_version") or info.get("redis_version", "")
    name = "Valkey" if "valkey_version" in info else "Redis"
    if _numbers(info.get("redis_version", "")) < _OLDEST:
        yield error(f"{name} {version or '?'} is too old", "6.2 is needed, or any Valkey")
    else:
        yield good(f"{name} {version} answers in {1000 * took:.1f} ms")
    yield from _memory(info, subject)
    if keeps_messages:
        if info.get("aof_enabled") == "1":
            yield good("it keeps what it was told on disk (append-only file)")
        else:
            yield warning("a restart of the server loses messages: it keeps no append-only file", "set appendonly yes")
    if info.get("role", "master") != "master":
        yield error("it is a replica, which takes no writes", "name the master, or Sentinel (sentinel://)")
    skew = _skew(connection)
    if skew is not None and abs(skew) > _SKEW:
        yield warning(f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's", "let NTP set both clocks")


def _memory(info: dict[str, str], subject: str) -> Iterator[Finding]:
    good, warning, error = judge(subject)
    policy, most, used = info.get("maxmemory_policy"), int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if policy is None:
        yield warning("it does not say what it does when memory is full", "set maxmemory-policy noeviction")
    elif policy != "noeviction" and most:
        yield error(
            f"when memory is full it throws keys away ({policy}), messages and results among them", "set maxmemory-policy noeviction"
        )
    elif policy != "noeviction":
        yield warning(
            f"maxmemory-policy is {policy}: with a limit of memory it would throw messages away", "set maxmemory-policy noeviction"
        )
    else:
        yield good("it throws nothing away when memory is full (noeviction)")
    if most and used > 0.8 * most:
        yield warning(
            f"{100 * used // most} % of its memory is used; beyond it messages are refused", "raise maxmemory, or let results expire sooner"
        )


def _info(connection: BlockingConnection) -> dict[str, str]:
    text: Any = connection.call("INFO")
    lines = (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _skew(connection: BlockingConnection) -> float | None:
    """Return by how many seconds the server's clock is ahead."""
    before = SYSTEM.now()
    try:
        seconds, micros = connection.call("TIME")
    except ReplyError:  # not allowed
        return None
    return int(seconds) + int(micros) / 1e6 - (before + SYSTEM.now()) / 2


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
