"""The fields of a call, checked: what comes from a broker may be anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

from umbel.errors import MessageError
from umbel.messages.preview import LIMIT
from umbel.messages.timing import timestamp

#: Retries and nestings that no real task reaches.
_MAX_COUNT: Final = 1_000_000
#: Characters of an id or a task name: what fits an AMQP short string.
_MAX_NAME: Final = 255
#: Characters of a preview that are kept: Celery's own pass its limit by the brackets it closes.
_MAX_PREVIEW: Final = 2 * LIMIT
#: Links of one chain.
_MAX_CHAIN: Final = 20_000
#: Signatures of one message, and how deep they may be nested.
_MAX_SIGNATURES: Final = 100_000
_MAX_DEPTH: Final = 500


def check_fields(fields: Mapping[str, Any], properties: Mapping[str, Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Check the fields of a call that protocol 1 and 2 share, wherever they stood.

    Args:
        fields: protocol 2's headers or protocol 1's body.
        properties: the message's.
        args: must be a list or a tuple.
        kwargs: must be a dict with text for keys.

    Returns:
        Keyword arguments for `TaskMessage`; what is missing has its default.

    Raises:
        MessageError: a field is not what it should be; the text names it.
    """
    if not isinstance(args, (list, tuple)):
        raise _wrong("args", "a list", args)
    if not isinstance(kwargs, dict) or not all(type(key) is str for key in kwargs):
        raise _wrong("kwargs", "an object with text for keys", kwargs)
    get = fields.get
    ignore_result = get("ignore_result", False)
    if ignore_result is not None and type(ignore_result) is not bool:
        raise _wrong("ignore_result", "true, false or null", ignore_result)
    own_id = _name(fields, "id")
    return {
        "task": _name(fields, "task"),
        "id": own_id,
        "lang": _text_or_none(fields, "lang") or "py",
        "shadow": _text_or_none(fields, "shadow"),
        "eta": _time_or_none(fields, "eta"),
        "expires": _time_or_none(fields, "expires"),
        "group": _text_or_none(fields, "group"),
        "group_index": _count_or_none(fields, "group_index"),
        "retries": _count_or_none(fields, "retries") or 0,
        "timelimit": _timelimit(get("timelimit")),
        "root_id": _text_or_none(fields, "root_id") or own_id,
        "parent_id": _text_or_none(fields, "parent_id"),
        "argsrepr": _preview(get("argsrepr")),
        "kwargsrepr": _preview(get("kwargsrepr")),
        "origin": _text_or_none(fields, "origin") or "",
        "ignore_result": ignore_result,
        "replaced_task_nesting": _count_or_none(fields, "replaced_task_nesting") or 0,
        "stamped_headers": _stamped_headers(get("stamped_headers")),
        "stamps": _stamps(get("stamps")),
        # celery-node on Redis spells it in its own way.
        "reply_to": _text_or_none(properties, "reply_to") or _text_or_none(properties, "replyTo"),
        "priority": _priority(properties.get("priority")),
    }


def check_embed(embed: Any) -> None:
    """Check ``embed``, the part of a message that says what follows the task.

    Raises:
        MessageError: not of the right form, or more signatures than any workflow has: a circle, for one.
    """
    if not isinstance(embed, dict):
        raise _wrong("embed", "an object", embed)
    if not any(embed.values()):
        return
    pending: list[tuple[Any, int]] = []
    for field in ("callbacks", "errbacks", "chain"):
        pending.extend((signature, 1) for signature in _signatures(field, embed.get(field)))
    if embed.get("chord") is not None:
        pending.append((embed["chord"], 1))
    if len(embed.get("chain") or ()) > _MAX_CHAIN:
        raise MessageError(f"The field 'chain' has more than {_MAX_CHAIN} tasks.")
    visited = 0
    while pending:
        signature, depth = pending.pop()
        visited += 1
        if visited > _MAX_SIGNATURES or depth > _MAX_DEPTH:
            raise MessageError("The message has too many signatures, or signatures that contain themselves.")
        pending.extend((inner, depth + 1) for inner in _inner_signatures(signature))


#: Types of options, kwargs and args in most signatures.
_PLAIN: Final = (dict, dict, list)
#: Options of a signature that hold others.
_HOLDING: Final = frozenset(("link", "link_error", "chain", "chord"))


def _inner_signatures(signature: Any) -> Sequence[Any]:
    """The signatures that one holds: its links, and what a group, chain or chord is made of."""
    if type(signature) is dict and signature.get("subtask_type") is None and type(signature.get("task")) is str:
        # Most are plain tasks, and a long chain is looked at once for each of its links.
        options = signature.get("options")
        found = type(options), type(signature.get("kwargs")), type(signature.get("args"))
        if found == _PLAIN and _HOLDING.isdisjoint(options):  # type: ignore[arg-type]
            return ()
    if not isinstance(signature, dict) or not isinstance(signature.get("task"), str):
        raise _wrong("signature", "an object with a task's name", signature)
    options, kwargs = signature.get("options") or {}, signature.get("kwargs") or {}
    if not isinstance(options, dict) or not isinstance(kwargs, dict) or not isinstance(signature.get("args") or (), (list, tuple)):
        raise _wrong("signature", "an object whose args are a list, whose kwargs and options are objects", signature)
    inner: list[Any] = []
    for field in ("link", "link_error", "chain"):
        inner += _signatures(field, options.get(field))
    inner += _signatures("chord", options.get("chord"))
    kind = signature.get("subtask_type")
    if kind in ("group", "chain"):
        inner += _signatures("tasks", kwargs.get("tasks"))
    elif kind == "chord":
        inner += _signatures("header", kwargs.get("header"))
        inner += _signatures("body", kwargs.get("body"))
    return inner


def _signatures(field: str, found: Any) -> list[Any] | tuple[Any, ...]:
    if found is None:
        return ()
    if isinstance(found, dict):
        return (found,)
    if not isinstance(found, (list, tuple)):
        raise _wrong(field, "a signature or a list of them", found)
    return found


def _wrong(field: str, expected: str, found: Any) -> MessageError:
    shown = ascii(found)[:80] if isinstance(found, (str, int, float, bool, type(None))) else type(found).__name__
    return MessageError(f"The field {field!r} must be {expected}, not {shown}.")


def _name(fields: Mapping[str, Any], field: str) -> str:
    found = fields.get(field)
    if type(found) is not str or not 0 < len(found) <= _MAX_NAME or not found.isprintable():
        raise _wrong(field, f"printable text of 1 to {_MAX_NAME} characters", found)
    return found


def _text_or_none(fields: Mapping[str, Any], field: str) -> str | None:
    found = fields.get(field)
    if found is not None and type(found) is not str:
        raise _wrong(field, "text or null", found)
    return found


def _time_or_none(fields: Mapping[str, Any], field: str) -> str | None:
    found = _text_or_none(fields, field)
    if found is not None:
        try:
            timestamp(found)
        except MessageError:
            raise _wrong(field, "an ISO 8601 date and time", found) from None
    return found


def _count_or_none(fields: Mapping[str, Any], field: str) -> int | None:
    found = fields.get(field)
    if found is not None and (type(found) is not int or not 0 <= found <= _MAX_COUNT):
        raise _wrong(field, f"a number from 0 to {_MAX_COUNT} or null", found)
    return found


def _timelimit(found: Any) -> tuple[float | None, float | None]:
    if found is None:
        return (None, None)
    if isinstance(found, (list, tuple)) and len(found) == 2:
        hard, soft = found
        if _is_limit(hard) and _is_limit(soft):
            return (hard, soft)
    raise _wrong("timelimit", "[hard, soft] in seconds, each may be null", found)


def _is_limit(found: Any) -> bool:
    return found is None or (type(found) in (int, float) and isfinite(found) and found >= 0)


def _preview(found: Any) -> str:
    return found[:_MAX_PREVIEW] if type(found) is str else ""


def _stamped_headers(found: Any) -> list[str] | None:
    if found is None:
        return None
    if not isinstance(found, (list, tuple)) or not all(type(name) is str for name in found):
        raise _wrong("stamped_headers", "a list of names or null", found)
    return list(found)


def _stamps(found: Any) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong("stamps", "an object", found)
    return found


def _priority(found: Any) -> int | None:
    if found is not None and (type(found) is not int or not 0 <= found <= 255):
        raise _wrong("priority", "a number from 0 to 255", found)
    return found
