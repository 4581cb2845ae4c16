"""Task protocol 2 (Celery 4 and later): what a worker decides on stands in the headers, the body is ``[args, kwargs, embed]``.

Header names, their order and their types are Celery's (5.7); all of them are always sent, and none but ``task`` and ``id`` is needed to
read a message: clients in other languages send few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from umbel.errors import DecodeError, MessageError
from umbel.messages.model import Embed, TaskMessage
from umbel.messages.preview import preview
from umbel.messages.validation import check_embed, check_fields
from umbel.wire import compression as compressing
from umbel.wire import serializers
from umbel.wire.message import Message, Stencil

#: The headers of the protocol, in the order in which Celery sends them.
HEADERS: Final = (
    "lang",
    "task",
    "id",
    "shadow",
    "eta",
    "expires",
    "group",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
    "replaced_task_nesting",
    "stamped_headers",
    "stamps",
)
#: Umbel's own: the keys of a call; see `umbel.messages.task_keys`.
KEYS: Final = "x-umbel-keys"
#: How the headers begin that a broker adds to what it dead-letters or redelivers: they describe one delivery, not the call.
BROKER_PREFIXES: Final = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-")
_FOREIGN_PREFIXES: Final = (*BROKER_PREFIXES, "x-umbel-")
_KNOWN: Final = frozenset(HEADERS) | {"compression", "redelivered"}

_NO_EMBED: Final = Embed()
_EMPTY_TAIL: Final = b', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'

PERSISTENT: Final = 2


def headers(task: TaskMessage) -> dict[str, Any]:
    """Render the headers of the call ``task``: the protocol's, then the user's own, which cannot replace one of the protocol's."""
    found: dict[str, Any] = {
        "lang": task.lang,
        "task": task.task,
        "id": task.id,
        "shadow": task.shadow,
        "eta": task.eta,
        "expires": task.expires,
        "group": task.group,
        "group_index": task.group_index,
        "retries": task.retries,
        "timelimit": list(task.timelimit),
        "root_id": task.root_id or task.id,
        "parent_id": task.parent_id,
        "argsrepr": task.argsrepr or preview(task.args),
        "kwargsrepr": task.kwargsrepr or preview(task.kwargs),
        "origin": task.origin,
        "ignore_result": task.ignore_result,
        "replaced_task_nesting": task.replaced_task_nesting,
        "stamped_headers": None if task.stamped_headers is None else list(task.stamped_headers),
        "stamps": dict(task.stamps),
    }
    if task.headers:
        found.update((name, value) for name, value in task.headers.items() if name not in found)
    return found


def properties(task: TaskMessage, *, delivery_mode: int = PERSISTENT) -> dict[str, Any]:
    """The AMQP properties of one call: those that are set.

    Celery sets ``expiration``, too, where a call ``expires`` (kombu's ``Producer.publish``). RabbitMQ drops such a message by itself, and no caller learns of
    it; so it is left to the worker, which reads the header.

    Args:
        task: the call.
        delivery_mode: 2 is persistent, 1 transient.
    """
    found: dict[str, Any] = {"correlation_id": task.id}
    if task.reply_to is not None:
        found["reply_to"] = task.reply_to
    found["delivery_mode"] = delivery_mode
    if task.priority is not None:
        found["priority"] = task.priority
    return found


def body(
    args: Sequence[Any], kwargs: Mapping[str, Any], embed: Embed = _NO_EMBED, serializer: str = "json", *, tail: bytes = b""
) -> tuple[str, str, bytes]:
    """Encode a body.

    Args:
        args: positional arguments.
        kwargs: keyword arguments.
        embed: what follows the task.
        serializer: name or content type.
        tail: what follows the task, written by `tail` before; in place of ``embed``, in JSON only.

    Returns:
        content type, content encoding, bytes.

    Raises:
        EncodeError: the serializer cannot write the arguments.
    """
    nothing = embed is _NO_EMBED or (embed.callbacks is None and embed.errbacks is None and embed.chain is None and embed.chord is None)
    if nothing and serializer == "json":
        # The third element is the same bytes in nearly all messages.
        kind, encoding, data = serializers.dumps((args, kwargs), "json")
        return kind, encoding, data[:-1] + (tail or _EMPTY_TAIL)
    return serializers.dumps((args, kwargs, embed_dict(embed)), serializer)


def tail(embed: Embed) -> bytes:
    """Write the end of JSON bodies that have the same ``embed``."""
    return b", " + serializers.dumps(embed_dict(embed), "json")[2] + b"]"


def nothing_follows(body: bytes) -> bool:
    """Report whether a body says, without being decoded, that nothing follows its task: as JSON, without compression. Else nobody can tell.

    Args:
        body: of a message.
    """
    return body.endswith(_EMPTY_TAIL)


def embed_dict(embed: Embed) -> dict[str, Any]:
    """Render ``embed`` as the third element of a body."""
    return {"callbacks": embed.callbacks, "errbacks": embed.errbacks, "chain": embed.chain, "chord": embed.chord}


def render(
    task: TaskMessage,
    *,
    serializer: str = "json",
    compression: str | None = None,
    delivery_mode: int = PERSISTENT,
) -> Message:
    """The message of one call.

    Args:
        task: the call; empty ``argsrepr`` and ``kwargsrepr`` are made from the arguments, ``root_id`` is its own id when there is none.
        serializer: name or content type.
        compression: name or content type.
        delivery_mode: 2 is persistent, 1 transient.

    Raises:
        EncodeError: the serializer cannot write the arguments.
    """
    content_type, content_encoding, data = body(task.args, task.kwargs, task.embed, serializer)
    found = headers(task)
    if compression:
        found["compression"], data = compressing.compress(data, compression)
    return Message(data, found, content_type, content_encoding, properties(task, delivery_mode=delivery_mode))


def stencil(
    task: TaskMessage,
    *,
    exchange: str,
    routing_key: str,
    serializer: str = "json",
    delivery_mode: int = PERSISTENT,
) -> Stencil:
    """Render what all plain calls of a task have in common.

    Args:
        task: a call whose id, related ids and arguments do not matter.
        exchange: that its messages are published to.
        routing_key: that its messages are published with.
        serializer: name or content type; the body is made with it by `body`.
        delivery_mode: 2 is persistent, 1 transient.
    """
    kind = serializers.find(serializer)
    found = headers(task)
    found.update(dict.fromkeys(("id", "group_index", "root_id", "parent_id", "argsrepr", "kwargsrepr")))
    common = properties(task, delivery_mode=delivery_mode)
    del common["correlation_id"]
    return Stencil(found, common, kind.content_type, kind.content_encoding, exchange, routing_key)


def parse(message: Message, payload: Any) -> TaskMessage:
    """Read a message whose body is decoded.

    Args:
        message: with the protocol's headers.
        payload: the decoded body.

    Raises:
        MessageError: a field is missing or not of its type.
    """
    found = message.headers
    if not isinstance(payload, (list, tuple)) or len(payload) != 3:
        raise MessageError("The body of a task message must be [args, kwargs, embed].")
    args, kwargs, embed = payload
    # Clients in Go send null for an empty list.
    args, kwargs = [] if args is None else args, {} if kwargs is None else kwargs
    return TaskMessage(
        args=args,
        kwargs=kwargs,
        embed=_embed(embed),
        headers=own_headers(found),
        **check_fields(found, message.properties, args, kwargs),
    )


def own_headers(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's own among the headers ``found`` in a message."""
    if _KNOWN.issuperset(found):
        return {}
    return {name: value for name, value in found.items() if name not in _KNOWN and not name.startswith(_FOREIGN_PREFIXES)}


def _embed(embed: Any) -> Embed:
    if embed is None or embed == {}:
        return _NO_EMBED
    check_embed(embed)
    callbacks, errbacks, chain, chord = embed.get("callbacks"), embed.get("errbacks"), embed.get("chain"), embed.get("chord")
    if callbacks or errbacks or chain or chord:
        return Embed(callbacks=callbacks, errbacks=errbacks, chain=chain, chord=chord)
    return _NO_EMBED


def decode(message: Message, accept: frozenset[str], limit: int) -> Any:
    """Decompress and decode a body.

    Args:
        message: any.
        accept: see `umbel.wire.serializers.loads`.
        limit: bytes, decompressed.

    Raises:
        ContentDisallowed: its content type is not accepted; nothing was decompressed or decoded.
        DecodeError: the body is not what it should be, or too large.
    """
    data = message.body
    method = message.headers.get("compression")
    if method:
        serializers.accepted(message.content_type, accept)
        if type(method) is not str:
            raise DecodeError("The header 'compression' must be text.")
        data = compressing.decompress(data, method, limit)
    return serializers.loads(data, message.content_type, message.content_encoding, accept)
