"""``kombu.utils.encoding``."""

from __future__ import annotations

from typing import Any


def bytes_to_str(s: Any) -> Any:
    """Decode bytes; anything else is returned as it is.

    Args:
        s: either.
    """
    return s.decode("utf-8", "replace") if isinstance(s, bytes) else s


def str_to_bytes(s: Any) -> Any:
    """Encode text; anything else is returned as it is.

    Args:
        s: either.
    """
    return s.encode() if isinstance(s, str) else s


ensure_bytes = str_to_bytes


def safe_str(s: Any, errors: str = "replace") -> str:
    """Make text of anything.

    Args:
        s: the thing.
        errors: what becomes of bytes that are no text.
    """
    return s.decode("utf-8", errors) if isinstance(s, bytes) else str(s)


def safe_repr(o: Any, errors: str = "replace") -> str:  # noqa: ARG001
    """Show anything, whatever its ``__repr__`` raises.

    Args:
        o: the thing.
        errors: kombu's; without effect.
    """
    try:
        return repr(o)
    except Exception as error:
        return f"<{type(o).__name__} whose repr raises {type(error).__name__}>"
