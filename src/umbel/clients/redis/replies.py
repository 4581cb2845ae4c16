"""Meanings of error replies."""

from __future__ import annotations

import logging

from umbel.errors import AccessRefused, OperationalError
from umbel.wire.redis.resp import ReplyError

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Servers that were found to evict.
_told: set[str] = set()
#: Another server, or the same a little later, will do it.
TRANSIENT = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "UNBLOCKED"})
#: It takes no writes now: its disk or memory is full, or its replicas are away.
_NO_WRITES = frozenset({"MISCONF", "NOREPLICAS", "OOM"})
_REFUSED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})


def is_transient(error: ReplyError) -> bool:
    """Report whether it is worth trying again on a new connection."""
    return error.code in TRANSIENT


def is_refusing_writes(error: ReplyError) -> bool:
    """Report whether the server takes no writes now, from anybody."""
    return error.code in _NO_WRITES


def is_permanent(error: ReplyError) -> bool:
    """Report whether the same command will be refused again, however often it is tried: a wrong type, another slot, no permission, no such command."""
    return not is_transient(error) and not is_refusing_writes(error) and error.code != "NOSCRIPT"


def translate(error: ReplyError, doing: str) -> OperationalError:
    """An error reply as ours. The server's texts hold no secrets."""
    refused = error.code in _REFUSED or "invalid password" in str(error) or "without any password" in str(error)
    text = f"Redis refused {doing}: {error}"
    return AccessRefused(text) if refused else OperationalError(text, permanent=is_permanent(error))


def warn_of_eviction(memory: object, server: str) -> None:
    """Warn, once for each server, of one that drops queues when its memory is full.

    Args:
        memory: the reply to ``INFO memory``; an error where we may not ask.
        server: its URL, without a password.
    """
    text = memory.decode("utf-8", "replace") if isinstance(memory, bytes) else ""
    found = dict(line.partition(":")[::2] for line in text.splitlines() if line.startswith("maxmemory"))
    policy = found.get("maxmemory_policy", "")
    if policy.startswith("allkeys-") and found.get("maxmemory") != "0" and server not in _told:
        _told.add(server)
        logger.warning(
            "%s drops keys when its memory is full, queues among them (maxmemory-policy %s): set it to noeviction", server, policy
        )
