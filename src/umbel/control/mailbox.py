"""The mailbox of a fleet: requests go out to all its workers, and replies come back to whoever asked."""

from __future__ import annotations

import contextlib
import logging
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from umbel.brokers.base import Broker, Delivery, ReplyInbox
from umbel.brokers.fanout import private_queues
from umbel.brokers.topology import Queue
from umbel.control.requests import Request, parse_reply, render_request
from umbel.errors import MessageError
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logical_clock import LogicalClock

if TYPE_CHECKING:
    from umbel.wire.signing.keys import KeyRing

logger: logging.Logger = logging.getLogger("umbel.control")

#: Seconds for which replies are waited for, unless something else is said.
PATIENCE: Final = 1.0

#: The replies to one request: ``{node: answer}`` each, in the order in which they came.
Replies = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxOptions:
    """The names and times of a fleet's mailbox."""

    namespace: str = "celery"
    #: Seconds after which a queue that nobody reads is deleted, and a message that nobody takes is dropped.
    expires: float = 10.0
    message_ttl: float = 300.0
    exclusive: bool = True
    durable: bool = False
    #: Serializer of requests; content types that are read.
    serializer: str = "json"
    accept: frozenset[str] = frozenset({"application/json"})
    #: Keys that sign requests, where there are some; and whether workers take only what is signed.
    ring: KeyRing | None = None
    requires_seal: bool = False

    def queue_of(self, node: str) -> Queue:
        """The queue from which the worker named ``node`` reads requests."""
        return private_queues.control_queue(
            node,
            self.namespace,
            expires=self.expires,
            message_ttl=self.message_ttl,
            exclusive=self.exclusive,
            durable=self.durable,
        )


class Mailbox:
    """Sends requests. Blocking; thread-safe.

    Args:
        broker: makes or returns the broker that workers listen at.
        options: names and times.
        clock: the sender's logical clock.
    """

    def __init__(self, broker: Callable[[], Broker], options: MailboxOptions, clock: LogicalClock) -> None:
        self._broker = broker
        self.options = options
        self._clock = clock

    def tell(self, request: Request, timeout: float | None = None) -> None:
        """Send a request to which no reply is wanted. Nobody need be there.

        Args:
            request: what is to be done.
            timeout: seconds after which it is of no use any more; ``None`` is never.

        Raises:
            EncodeError: an argument cannot be written.
            OperationalError: the broker cannot be reached.
        """
        self._send(request, timeout)

    def ask(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        limit: int | None = None,
        callback: Callable[[dict[str, Any]], object] | None = None,
    ) -> Replies:
        """Send a request and collect the replies.

        Args:
            request: what is asked.
            timeout: seconds; one when not given.
            limit: return as soon as so many have come.
            callback: called with each reply as it comes.

        Raises:
            EncodeError: an argument cannot be written.
            OperationalError: the broker cannot be reached.
        """
        with contextlib.closing(self.question(request)) as question:
            return question.ask(timeout=timeout, limit=limit, callback=callback)

    def question(self, request: Request) -> Question:
        """Make a request whose replies another thread may stop waiting for; `ask` is for all others.

        Args:
            request: what is asked.
        """
        options = self.options
        queue = private_queues.control_reply_queue(
            str(uuid.uuid4()), options.namespace, expires=options.expires, message_ttl=options.message_ttl
        )
        inbox = self._broker().reply_inbox(queue)
        asked = replace(request, ticket=str(uuid.uuid4()), reply_to=inbox.address)
        return Question(asked, inbox, self._send, options.accept, self._clock)

    def _send(self, request: Request, timeout: float | None) -> None:
        stamped = replace(request, clock=self._clock.forward(), serializer=self.options.serializer)
        message = render_request(stamped, SYSTEM.now() + timeout if timeout else 0)
        exchange, ring = private_queues.control_exchange(self.options.namespace), self.options.ring
        if ring is not None:
            from umbel.wire.signing.seals import seal  # few apps sign

            message = seal(message, exchange.name, "", ring, SYSTEM.now(), secrets.token_hex(16), secrets.token_bytes(12))
        self._broker().broadcaster().broadcast(exchange, message)


class Question:
    """One request, and its replies. One thread asks; any thread may close.

    Args:
        request: what is asked, with a ticket and the address of the inbox.
        inbox: not open; it belongs to this question.
        send: sends the request, with the seconds for which a reply is of use.
        accept: content types that are read.
        clock: of whoever asks.
    """

    def __init__(
        self,
        request: Request,
        inbox: ReplyInbox,
        send: Callable[[Request, float], None],
        accept: frozenset[str],
        clock: LogicalClock,
    ) -> None:
        self._request = request
        self._inbox = inbox
        self._send = send
        self._accept = accept
        self._clock = clock
        self._closed = False

    def ask(
        self, *, timeout: float | None = None, limit: int | None = None, callback: Callable[[dict[str, Any]], object] | None = None
    ) -> Replies:
        """Send the request and collect the replies, as `Mailbox.ask`; fewer when the question is closed meanwhile.

        Args:
            timeout: seconds; one when not given.
            limit: return as soon as so many have come.
            callback: called with each reply as it comes.

        Raises:
            EncodeError: an argument cannot be written.
            OperationalError: the broker cannot be reached, or the question is closed.
        """
        patience = PATIENCE if timeout is None else timeout
        self._inbox.open()
        self._send(self._request, patience)
        deadline = SYSTEM.monotonic() + patience
        replies: Replies = []
        while (limit is None or len(replies) < limit) and not self._closed:
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                break
            for reply in filter(None, map(self._read, self._inbox.receive(left))):
                if callback is not None:
                    callback(reply)
                replies.append(reply)
        return replies if limit is None else replies[:limit]

    def close(self) -> None:
        """Wait for no more replies. Safe twice, and before `ask`."""
        self._closed = True
        self._inbox.close()

    def _read(self, delivery: Delivery) -> dict[str, Any] | None:
        """A reply to this question, if it is one."""
        try:
            reply = parse_reply(delivery, self._accept)
        except MessageError as error:
            logger.warning("a reply to %r cannot be read and is passed over: %s", self._request.method, error)
            return None
        if delivery.headers.get("ticket") != self._request.ticket:
            return None
        self._clock.adjust(delivery.headers.get("clock"))
        return reply


def request_to(
    method: str,
    arguments: Mapping[str, Any],
    *,
    destination: Sequence[str] | None = None,
    pattern: str | None = None,
    matcher: str | None = None,
) -> Request:
    """Make a request.

    Args:
        method: the command.
        arguments: by name.
        destination: names of nodes.
        pattern: of the names of nodes.
        matcher: the kind of pattern; ``glob`` when not given.

    Raises:
        TypeError: the destination is no list of texts.
    """
    if destination is not None and not _are_names(destination):
        raise TypeError(f"destination is a list of node names such as 'celery@host', got {destination!r}")
    return Request(
        method=method,
        arguments=arguments,
        destination=destination,
        pattern=pattern,
        matcher=(matcher or "glob") if pattern is not None else None,
    )


def _are_names(given: object) -> bool:
    return isinstance(given, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in given)
