"""The task protocols: find the one that a message speaks, and bring every message to one form.

======  ==========================  =========================  ====================================
name    headers                     body                       who sends it
======  ==========================  =========================  ====================================
v2      ``task``, ``id``, …         ``[args, kwargs, embed]``  Celery 4 and later, most others
v1      the user's own, or none     an object with ``task``    Celery 3, node-celery, celery-client
hybrid  ``task``, ``id``, …         an object with ``args``    clients in between
======  ==========================  =========================  ====================================

Protocol 2 can be told by its headers alone, so that a worker's consumer process never decodes those bodies.
"""

from __future__ import annotations

import enum
from typing import Any

from umbel.errors import DecodeError, UnsupportedProtocol
from umbel.messages import v1, v2
from umbel.messages.model import TaskMessage
from umbel.wire import compression, serializers
from umbel.wire.message import Message


class TaskProtocol(enum.Enum):
    """A form of task message."""

    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


def has_task_headers(message: Message) -> bool:
    """Report whether the headers of ``message`` say what is to be run: protocol 2, or the hybrid."""
    return "task" in message.headers


def detect(message: Message, payload: Any) -> TaskProtocol:
    """Find the protocol of a message.

    Args:
        message: as received.
        payload: its body, decoded.

    Raises:
        UnsupportedProtocol: it is none that is known.
    """
    if has_task_headers(message):
        if isinstance(payload, (list, tuple)) and len(payload) == 3:
            return TaskProtocol.V2
        if isinstance(payload, dict) and "args" in payload:
            return TaskProtocol.HYBRID
        raise UnsupportedProtocol(f"A task's name in the headers goes with a body of [args, kwargs, embed], not {_shape(payload)}.")
    if isinstance(payload, dict) and "task" in payload:
        return TaskProtocol.V1
    raise UnsupportedProtocol(f"The message is of no known task protocol: no task in the headers, and the body is {_shape(payload)}.")


def parse(message: Message, *, accept: frozenset[str], limit: int = compression.MAX_DECOMPRESSED) -> TaskMessage:
    """Read a message of any protocol.

    Args:
        message: as received.
        accept: content types and names that may be decoded (see `umbel.wire.serializers.content_types`).
        limit: bytes of the decompressed body.

    Raises:
        ContentDisallowed: its content type is not accepted; no decoder was called.
        MessageTooLarge: it decompresses to more.
        DecodeError: its body is not what it should be.
        UnsupportedProtocol: it is of no known protocol.
        MessageError: a field is missing or not of its type.
    """
    payload = v2.decode(message, accept, limit)
    return _read(message, payload, detect(message, payload))


def _read(message: Message, payload: Any, protocol: TaskProtocol) -> TaskMessage:
    if protocol is TaskProtocol.V2:
        return v2.parse(message, payload)
    if protocol is TaskProtocol.V1:
        return v1.parse(message, payload)
    return v1.parse(message, {**payload, **{name: value for name, value in message.headers.items() if name in v2.HEADERS}})


def upgrade(message: Message, *, accept: frozenset[str], limit: int = compression.MAX_DECOMPRESSED) -> Message:
    """Bring a message to the form of protocol 2; one that has it comes back as it is, after its body was checked.

    The body is encoded again with its own serializer, not compressed. The arguments and errors are those of `parse`, but no code of an
    app is run: nothing that one registered is used, and a pickle with a class in it is a `DecodeError`.

    Args:
        message: as received.
        accept: content types and names that may be decoded.
        limit: bytes of the decompressed body.
    """
    payload = _decode_plainly(message, accept, limit)
    protocol = detect(message, payload)
    task = _read(message, payload, protocol)
    if protocol is TaskProtocol.V2:
        return message
    call = (task.args, task.kwargs, v2.embed_dict(task.embed))
    content_type, content_encoding, body = serializers.plain.dumps(call, message.content_type)
    return Message(body, v2.headers(task), content_type, content_encoding, {**message.properties, "correlation_id": task.id})


def _decode_plainly(message: Message, accept: frozenset[str], limit: int) -> Any:
    """Do what `v2.decode` does, without a line of an app's code."""
    serializers.accepted(message.content_type, accept)
    data, method = message.body, message.headers.get("compression")
    try:
        if method:
            data = compression.plain.decompress(data, str(method), limit)
        return serializers.plain.loads(data, message.content_type, message.content_encoding, accept)
    except DecodeError as error:
        if type(error) is not DecodeError:
            raise
        raise DecodeError(f"{error} Protocol 1 is read without classes and without what an app registers: send protocol 2.") from error


def _shape(payload: Any) -> str:
    if isinstance(payload, (list, tuple)):
        return f"a list of {len(payload)}"
    return "an object" if isinstance(payload, dict) else type(payload).__name__
