"""What an error reply means for us."""

from __future__ import annotations

from umbel.errors import AccessRefused, OperationalError
from umbel.wire.redis.resp import ReplyError

#: Another server, or the same a little later, will do it.
TRANSIENT = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "UNBLOCKED"})
_REFUSED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})


def is_transient(error: ReplyError) -> bool:
    """Whether it is worth trying again on a new connection."""
    return error.code in TRANSIENT


def translate(error: ReplyError, doing: str) -> OperationalError:
    """An error reply as ours. The server's texts hold no secrets."""
    refused = error.code in _REFUSED or "invalid password" in str(error) or "without any password" in str(error)
    return (AccessRefused if refused else OperationalError)(f"Redis refused {doing}: {error}")
