"""What an error reply means for us."""

from __future__ import annotations

from umbel.errors import AccessRefused, OperationalError
from umbel.wire.redis.resp import ReplyError

#: Another server, or the same a little later, will do it.
TRANSIENT = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "UNBLOCKED"})
#: It takes no writes now: its disk or memory is full, or its replicas are away.
_NO_WRITES = frozenset({"MISCONF", "NOREPLICAS", "OOM"})
_REFUSED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})


def is_transient(error: ReplyError) -> bool:
    """Whether it is worth trying again on a new connection."""
    return error.code in TRANSIENT


def is_refusing_writes(error: ReplyError) -> bool:
    """Whether the server takes no writes now, from anybody."""
    return error.code in _NO_WRITES


def is_permanent(error: ReplyError) -> bool:
    """Whether the same command will be refused again, however often it is tried: a wrong type, another slot, no permission, no such command."""
    return not is_transient(error) and not is_refusing_writes(error) and error.code != "NOSCRIPT"


def translate(error: ReplyError, doing: str) -> OperationalError:
    """An error reply as ours. The server's texts hold no secrets."""
    refused = error.code in _REFUSED or "invalid password" in str(error) or "without any password" in str(error)
    text = f"Redis refused {doing}: {error}"
    return AccessRefused(text) if refused else OperationalError(text, permanent=is_permanent(error))
