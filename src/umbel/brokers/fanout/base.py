"""The part of the broker contract that moves what may be lost: broadcasts, subscribers, reply inboxes. See `umbel.brokers.base`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from umbel.brokers.topology import Exchange, ReplyAddress
from umbel.clients.base import ConnectionState
from umbel.wire.message import Delivery, Message

#: Seconds that a reply waits for somebody to take it, where nothing else is said (Celery's ``control_queue_ttl``).
REPLY_TTL = 300.0


class Broadcaster(Protocol):
    """Sends messages to whoever listens now. They are lost when nobody does, and are never sent twice.

    Thread-safe. It connects when first used, again after a lost connection, and forgets its connection after a fork.
    """

    def connect(self) -> None:
        """See to it that there is a connection.

        Raises:
            OperationalError: the broker cannot be reached.
        """

    def broadcast(self, exchange: Exchange, message: Message, routing_key: str = "", *, keep: float = REPLY_TTL) -> None:
        """Send one message, as `broadcast_many` does.

        Args:
            exchange: likewise.
            message: what is sent.
            routing_key: of the message; a fanout exchange does not look at it.
            keep: likewise.
        """

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:
        """Send messages, and return when the broker has them.

        Args:
            exchange: a fanout or topic exchange; or, for replies, that of a `ReplyAddress`, which is direct or the default exchange. It is declared.
            messages: each with its routing key; in this order.
            keep: seconds after which replies that nobody takes may be dropped, where the broker does not know their queue.

        Raises:
            EncodeError: a message cannot be carried; none of them was sent.
            OperationalError: the broker cannot be reached, or did not take them in ``BrokerOptions.publish_timeout`` seconds; some may have been sent.
        """

    def close(self) -> None:
        """Disconnect. The broadcaster may be used again."""


class SubscriberSink(Protocol):
    """The listener of a subscriber. Called on the event loop; never blocks."""

    def on_messages(self, messages: list[Delivery]) -> None:
        """Take what was broadcast; there is nothing to settle.

        Args:
            messages: in order. One that passes a limit, or cannot be read, has a ``flaw``.
        """

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """Learn that the connection changed. What is sent between LOST and CONNECTED is not received.

        Args:
            state: what it is now.
            detail: fit for a log line.
        """


class Subscriber(Protocol):
    """Hands on what is broadcast from `start` to `aclose`. Reconnects by itself.

    Where the sink is slow, a bounded number of messages waits in the broker or in the connection, and the oldest are dropped.
    """

    async def start(self, sink: SubscriberSink) -> None:
        """Connect and listen: what is broadcast after this has returned is received.

        Args:
            sink: is told of messages and of the connection from now on.

        Raises:
            AccessRefused: the broker does not let us in.
            OperationalError: it cannot be reached (after ``max_retries`` attempts), or refuses the queue.
        """

    async def aclose(self) -> None:
        """Disconnect; nothing of the subscriber stays in the broker. Safe twice, and before `start`."""


class ReplyInbox(Protocol):
    """A private address, and what comes to it. One thread receives; any thread may close."""

    @property
    def address(self) -> ReplyAddress:
        """The address that a request carries, so that it is answered here."""

    def open(self) -> None:
        """Make the address known: what is sent to it from now on is received. It stays known as long as somebody receives.

        Raises:
            OperationalError: the broker cannot be reached or refuses; or the inbox is closed, or belongs to the process that forked this one.
        """

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        """Wait for replies; returns an empty list when none came in time, or when the inbox is closed.

        What it returned is the caller's with the next call: after a lost connection it may come again.

        Args:
            timeout: seconds; ``None`` is for ever.

        Raises:
            OperationalError: as for `open`; the next call connects again.
        """

    def close(self) -> None:
        """Forget the address and what has come to it. Safe twice, and before `open`; in a forked child it leaves the parent's as it is."""
