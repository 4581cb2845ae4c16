"""Remote control that is signed: what is not, was changed, is old or comes twice is passed over."""

from __future__ import annotations

from umbel.brokers.base import Delivery
from umbel.brokers.fanout import private_queues
from umbel.control.mailbox import MailboxOptions
from umbel.errors import BadSignature, Outdated, Replayed, Unsigned
from umbel.runtime.clock import SYSTEM
from umbel.wire.signing.seals import unseal, verify

#: Seconds for which a request is good, and by which clocks may differ: what was signed before this worker began is for another one.
_WINDOW, _SLACK = 300.0, 5.0


class SealedRequests:
    """Checks the seals of requests. Each worker gets each request once, so it remembers them by itself.

    Args:
        options: of the mailbox, with the keys.
    """

    def __init__(self, options: MailboxOptions) -> None:
        self._options = options
        self._began = SYSTEM.now()
        #: Name → when it is forgotten.
        self._seen: dict[str, float] = {}

    def check(self, request: Delivery) -> None:
        """Let a request pass; it is decrypted then.

        Args:
            request: as it came.

        Raises:
            MessageError: it is refused.
        """
        ring = self._options.ring
        if ring is None or request.flaw is not None:
            return
        try:
            seal = verify(request, None, ring)
        except Unsigned:
            if self._options.requires_seal:
                raise
            return
        now = SYSTEM.now()
        if seal.exchange != private_queues.control_exchange(self._options.namespace).name:
            raise BadSignature(f"it was signed for exchange {seal.exchange!a:.255}")
        if seal.at < max(now - _WINDOW, self._began - _SLACK):
            raise Outdated("it was signed too long ago, or before this worker began")
        self._seen = {name: until for name, until in self._seen.items() if until > now} if len(self._seen) > 1000 else self._seen
        if seal.name in self._seen:
            raise Replayed("it has been here before")
        self._seen[seal.name] = max(seal.at, now) + _WINDOW
        plain = unseal(request, ring)
        request.body, request.content_type, request.content_encoding = plain.body, plain.content_type, plain.content_encoding
