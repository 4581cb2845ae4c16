"""A publisher that signs what it publishes, before another one that knows the broker."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from umbel.brokers.base import Publisher
from umbel.brokers.confirms.receipts import Receipt
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.errors import MessageError
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Call, Message, Stencil
from umbel.wire.signing import SEAL
from umbel.wire.signing.keys import KeyRing
from umbel.wire.signing.seals import seal, unseal, verify


class SealingPublisher:
    """Signs and encrypts; all else is the broker's publisher's. See `umbel.brokers.base.Publisher`.

    Args:
        publisher: of the broker.
        ring: the keys.
    """

    def __init__(self, publisher: Publisher, ring: KeyRing) -> None:
        self._publisher = publisher
        self._ring = ring

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        self._publisher.publish(self._sealed(message, to), to, confirm=confirm, timeout=timeout)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        self.publish(*whole((call, stencil)))

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        return self._publisher.publish_many(self._all_sealed(messages), confirm=confirm)

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        return self._publisher.retrying(retries)

    def declare(self, queue: Queue) -> None:
        self._publisher.declare(queue)

    def flush(self, timeout: float | None = None) -> None:
        self._publisher.flush(timeout)

    def receipt(self, *, wait: bool = True) -> AbstractContextManager[Receipt]:
        return self._publisher.receipt(wait=wait)

    def close(self) -> None:
        self._publisher.close()

    def _all_sealed(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        for outgoing in messages:
            message, to = whole(outgoing)
            yield self._sealed(message, to), to

    def _sealed(self, message: Message, to: Destination) -> Message:
        return sealed(message, to.exchange, to.routing_key, self._ring)


class RelayingPublisher(SealingPublisher):
    """Publishes messages that came from a queue: those whose signature is good are signed for their new place, and all others are left as they are.

    Nobody's forgery is signed because it is moved.

    Args:
        publisher: of the broker.
        ring: the keys.
        anew: they are new messages from now on, that may run although they have run before; else each keeps its name and its age.
    """

    def __init__(self, publisher: Publisher, ring: KeyRing, *, anew: bool) -> None:
        super().__init__(publisher, ring)
        self._anew = anew

    def _sealed(self, message: Message, to: Destination) -> Message:
        try:
            known = verify(message, None, self._ring)
            plain = unseal(message, self._ring)
        except MessageError:
            return message
        if self._anew:
            return sealed(plain, to.exchange, to.routing_key, self._ring, is_new=True)
        return seal(plain, to.exchange, to.routing_key, self._ring, known.at, known.name, secrets.token_bytes(12))


def sealed(message: Message, exchange: str, routing_key: str, ring: KeyRing, *, is_new: bool = False) -> Message:
    """Sign a message now; see `umbel.wire.signing.seals.seal`.

    Args:
        message: to be sent. One that was signed before must be authentic.
        exchange: that it goes to.
        routing_key: with which.
        ring: the keys.
        is_new: if it has a seal, that does not count: it has been looked at.

    Raises:
        BadSignature: it has been signed before, and was changed since.
        EncodeError: it cannot be signed.
    """
    if SEAL in message.headers and not is_new:
        verify(message, None, ring)
        message = unseal(message, ring)
    return seal(message, exchange, routing_key, ring, SYSTEM.now(), secrets.token_hex(16), secrets.token_bytes(12))
