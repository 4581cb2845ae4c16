"""The seal of a message: the header by which a worker knows who has sent it, that nothing of it was changed, and that it has not come before.

The header is ``<claims>.<signature>``. The claims are JSON: the format, the id of the key, when it was signed (seconds since the epoch), a name that no
other message has, the address; of an encrypted body also its key, and what it is. What is signed are the claims, letter by letter, all
headers and properties but those that brokers and workers themselves write on the way (`_ON_THE_WAY`), content type and encoding, and the body.

Values of headers that not all brokers keep exactly (bytes, dates, decimals) cannot be signed: sending one is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from umbel.errors import BadSignature, EncodeError, ImproperlyConfigured, Unsigned
from umbel.wire.message import Message
from umbel.wire.signing import ENCRYPTED, SEAL
from umbel.wire.signing.keys import KeyRing

#: Of the claims; and what nothing else that is ever signed begins with.
_FORMAT: Final = 1
_DOMAIN: Final = b"umbel seal 1\n"
#: Characters of a header that can be a seal.
_LONGEST: Final = 2048
#: Headers that are written on the way: how often somebody died of it, when it is due, where it was dead-lettered, more routing keys.
_ON_THE_WAY: Final = frozenset({SEAL, "x-umbel-attempts", "x-umbel-due", "x-umbel-held", "redelivered", "CC", "BCC"})
_ON_THE_WAY_PREFIXES: Final = (
    "x-umbel-dead-",
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-acquired-count",
    "x-opt-",
)
#: Properties that belong to a transport, or that a broker takes off or checks by itself.
_TRANSPORTS: Final = frozenset({"expiration", "user_id", "delivery_info", "body_encoding", "delivery_tag", "cluster_id", "umbel_listed"})
#: The others that every broker brings; what else a message has is left out where it is signed, and refused where it comes.
_BROUGHT: Final = frozenset({"correlation_id", "reply_to", "priority", "delivery_mode", "message_id", "timestamp", "type", "app_id"})
#: In place of what argument previews would show of an encrypted body.
_HIDDEN: Final = "(encrypted)"

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class Seal(NamedTuple):
    """The claims of a seal whose signature is good."""

    #: Of the key.
    key: str
    #: When it was signed, seconds since the epoch.
    at: float
    #: That no other message has.
    name: str
    #: That it was sent to; ``""`` is the default exchange, by which it came to one queue.
    exchange: str


def seal(message: Message, exchange: str, routing_key: str, ring: KeyRing, now: float, name: str, nonce: bytes) -> Message:
    """Sign a message, and encrypt it where the ring says so; returns another one.

    Args:
        message: without a seal.
        exchange: that it is published to.
        routing_key: that it is published with; on the default exchange, the queue's name.
        ring: whose signing key signs.
        now: seconds since the epoch.
        name: random text, that no other message has.
        nonce: 12 random bytes, for encryption.

    Raises:
        EncodeError: a header has a value that cannot be signed.
        ImproperlyConfigured: the ring has no key that signs.
    """
    if not ring.signing:
        raise ImproperlyConfigured(
            "message_keys has no key that can sign, so this program can only verify: add one, or name it in message_key"
        )
    headers = {header: value for header, value in message.headers.items() if header != SEAL}
    claims: list[Any] = [_FORMAT, ring.signing, round(now, 3), name, exchange, routing_key]
    body, kind, encoding = message.body, message.content_type, message.content_encoding
    if ring.encrypting:
        claims += [ring.encrypting, kind, encoding]
        body = ring.encryption_keys[ring.encrypting].encrypt(body, nonce)
        kind, encoding = ENCRYPTED, "binary"
        headers.update({header: _HIDDEN for header in ("argsrepr", "kwargsrepr") if headers.get(header)})
    properties = {each: value for each, value in message.properties.items() if each in _BROUGHT or each in _TRANSPORTS}
    sealed = Message(body, headers, kind, encoding, properties)
    text = _encode(claims)
    try:
        data = _signed_part(sealed, text)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"The message cannot be signed: {error}") from None
    headers[SEAL] = f"{text}.{ring.keys[ring.signing].sign(data)}"
    return sealed


def verify(message: Message, queue: str | None, ring: KeyRing) -> Seal:
    """Check a seal; the time, and whether it came before, are the caller's to look at.

    Args:
        message: as received; nothing in it is trusted.
        queue: that it was read from; ``None`` does not matter.
        ring: whose keys are trusted.

    Raises:
        Unsigned: it has no seal.
        BadSignature: by a key that is not on the ring, or for another message or queue.
    """
    claims, text, signature = _claims(message)
    key, at, name, exchange, routing_key = claims[1:6]
    found = ring.keys.get(key)
    if found is None:
        raise BadSignature(f"it is signed with the key {key!a:.80}, which is not among message_keys")
    try:
        data = _signed_part(message, text)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise BadSignature("it has headers that cannot have been signed") from None
    if not found.verify(data, signature):
        raise BadSignature(f"the signature with the key {key!r} is not that of this message: it has been changed")
    if queue is not None and not exchange and routing_key != queue:
        raise BadSignature(f"it was sent to queue {routing_key!a:.255}, and signed so, but lay in queue {queue!a:.255}")
    return Seal(key, float(at), name, exchange)


def unseal(message: Message, ring: KeyRing | None) -> Message:
    """Return the message as it was before it was encrypted; itself, where it was not. Its seal has been verified.

    Args:
        message: of which only the body and what it says of it change.
        ring: with the keys.

    Raises:
        DecodeError: there is no such key, or it was not encrypted with it.
    """
    if message.content_type != ENCRYPTED:
        return message
    claims, _, _ = _claims(message)
    key = ring.encryption_keys.get(claims[6]) if ring is not None and len(claims) == 9 else None
    if key is None:
        shown = claims[6] if len(claims) == 9 else ""
        raise BadSignature(f"The body is encrypted with the key {shown!a:.80}, which is not among message_encryption_keys.")
    return Message(key.decrypt(message.body), message.headers, claims[7], claims[8], message.properties)


def _claims(message: Message) -> tuple[list[Any], str, str]:
    """The claims, their text and the signature, not verified."""
    found = message.headers.get(SEAL)
    if found is None:
        raise Unsigned
    if type(found) is not str or len(found) > _LONGEST:
        raise BadSignature(f"the header {SEAL} is no seal")
    text, _, signature = found.rpartition(".")
    try:
        claims = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSignature(f"the header {SEAL} is no seal") from None
    if type(claims) is not list or len(claims) not in (6, 9) or type(claims[0]) is not int or claims[0] != _FORMAT:
        raise BadSignature(f"the header {SEAL} is no seal of a known format")
    if type(claims[2]) not in (int, float) or not all(type(each) is str for each in (claims[1], *claims[3:])):
        raise BadSignature(f"the header {SEAL} is no seal of a known format")
    return claims, text, signature


def _signed_part(message: Message, claims: str) -> bytes:
    """All that a signature covers. Each part begins with its length, so that nothing moves from one to the other."""
    parts = (
        claims.encode(),
        _encode(_plain({name: value for name, value in message.headers.items() if not _is_written_on_the_way(name)})).encode(),
        _encode(_properties(message.properties)).encode(),
        str(message.content_type).encode(),
        str(message.content_encoding).encode(),
        hashlib.sha256(message.body).digest(),
    )
    return _DOMAIN + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _is_written_on_the_way(name: Any) -> bool:
    if type(name) is not str:
        raise TypeError(f"the name of a header is a {type(name).__name__}, and only text can be signed")
    return name in _ON_THE_WAY or name.startswith(_ON_THE_WAY_PREFIXES)


def _properties(given: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that are signed. Some transports write what others leave out: an empty text, the usual priority and mode."""
    found = {}
    for name, value in given.items():
        if name in _TRANSPORTS or value is None or value == "":
            continue
        plain = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() if isinstance(value, datetime) else _plain(value)
        found[name] = int(plain) if name == "timestamp" and isinstance(plain, float) else plain  # AMQP has whole seconds
    return {"priority": 0, "delivery_mode": 2, **found}


def _plain(value: Any) -> Any:
    """Values that every broker brings as they are.

    Raises:
        TypeError: others.
    """
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if kind in (list, tuple):
        return [_plain(each) for each in value]
    if kind is dict and all(type(name) is str for name in value):
        return {name: _plain(each) for name, each in value.items()}
    raise TypeError(
        f"a header or property is a {kind.__name__}, and only text, numbers, true, false, null, lists and objects of them can be signed"
    )
