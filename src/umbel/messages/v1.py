"""Task protocol 1 (Celery 3): the whole call is one object in the body; only the user's own headers stand in the headers.

Field names, their order and their types are those that Celery 5.7 sends with ``task_protocol = 1``. The protocol has no field for a chain:
each link is the callback of the one before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.errors import MessageError
from umbel.messages.model import Embed, TaskMessage
from umbel.messages.preview import preview
from umbel.messages.v2 import PERSISTENT, own_headers, properties
from umbel.messages.validation import check_embed, check_fields
from umbel.wire import compression as compressing
from umbel.wire import serializers
from umbel.wire.message import Message


def render(
    task: TaskMessage,
    *,
    serializer: str = "json",
    compression: str | None = None,
    delivery_mode: int = PERSISTENT,
    utc: bool = True,
) -> Message:
    """Render the message of one call.

    Args:
        task: the call.
        serializer: name or content type.
        compression: name of a method; ``None`` does not compress.
        delivery_mode: 2 is persistent, 1 transient.
        utc: its naive times are UTC.

    Raises:
        EncodeError: the serializer cannot write the call.
    """
    content_type, content_encoding, data = serializers.dumps(_fields(task, utc=utc), serializer)
    headers = dict(task.headers)
    if compression:
        headers["compression"], data = compressing.compress(data, compression)
    return Message(data, headers, content_type, content_encoding, properties(task, delivery_mode=delivery_mode))


def parse(message: Message, payload: Any) -> TaskMessage:
    """Read a message whose body is decoded.

    Args:
        message: protocol 1, or protocol 2's headers with such a body.
        payload: the decoded body.

    Raises:
        MessageError: a field is missing or not of its type.
    """
    if not isinstance(payload, dict):
        raise MessageError("The body of a protocol 1 task message must be an object.")
    fields = {**payload, "group": payload.get("group") or payload.get("taskset")}
    args, kwargs = payload.get("args"), payload.get("kwargs")
    args, kwargs = [] if args is None else args, {} if kwargs is None else kwargs
    embed = {name: payload.get(name) for name in ("callbacks", "errbacks", "chain", "chord")}
    check_embed(embed)
    found = check_fields(fields, message.properties, args, kwargs)
    if payload.get("utc", True):
        found["eta"], found["expires"] = _in_utc(found["eta"]), _in_utc(found["expires"])
    found["argsrepr"] = found["argsrepr"] or preview(args)
    found["kwargsrepr"] = found["kwargsrepr"] or preview(kwargs)
    return TaskMessage(args=args, kwargs=kwargs, embed=Embed(**embed), headers=own_headers(message.headers), **found)


def _fields(task: TaskMessage, *, utc: bool) -> dict[str, Any]:
    callbacks = task.embed.callbacks
    if task.embed.chain:
        callbacks = [*(callbacks or ()), _linked(task.embed.chain)]
    return {
        "task": task.task,
        "id": task.id,
        "args": task.args,
        "kwargs": task.kwargs,
        "group": task.group,
        "group_index": task.group_index,
        "retries": task.retries,
        "eta": task.eta,
        "expires": task.expires,
        "utc": utc,
        "callbacks": callbacks,
        "errbacks": task.embed.errbacks,
        "timelimit": task.timelimit,
        "taskset": task.group,
        "chord": task.embed.chord,
    }


def _linked(chain: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The next task of a (reversed) chain, the ones after it linked to one another."""
    linked = chain[0]
    for signature in chain[1:]:
        linked = {**signature, "options": {**signature.get("options", {}), "link": [linked]}}
    return linked


def _in_utc(text: str | None) -> str | None:
    """Bring a naive time to UTC: protocol 1 says by ``utc`` what it means; protocol 2 says it by an offset."""
    if text is None:
        return None
    when = dt.datetime.fromisoformat(text)
    return text if when.tzinfo else when.replace(tzinfo=dt.UTC).isoformat()
