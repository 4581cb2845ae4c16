"""The contract between Umbel and a broker. Every broker passes the tests of `umbel.testing.brokers`.

Three sides move tasks:

- `Publisher`: blocking, thread-safe, used by clients and by the children of a worker. Confirms are on and pipelined.
- `Consumer`: asyncio, used by a worker's consumer process. Pushes batches of deliveries into a `DeliverySink`; a delivery is *unsettled*
  until it is acknowledged, requeued, dead-lettered, delayed or blamed. It reconnects by itself and renews its leases by itself.
- `QueueClient`: blocking, one operation at a time, for the command line: lengths, purging, dead letters.

Three move what may be lost, for remote control, events and replies (`umbel.brokers.fanout.base`):

- `Broadcaster`: blocking, thread-safe: to whoever listens now, at most once. `umbel.brokers.fanout.buffer.BroadcastBuffer` is its form for an event loop.
- `Subscriber`: asyncio: hands on what is broadcast; nothing is settled.
- `ReplyInbox`: blocking: a private address, and what comes to it.

What must hold of tasks: a message is in the broker, or unsettled under a live lease, or settled. A step that moves a message (delay, dead-letter,
blame) first has it in the new place and then settles the old one, atomically where the broker can; a crash between the two
may double it, never lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from umbel.brokers.confirms.receipts import Receipt
from umbel.brokers.fanout.base import REPLY_TTL, Broadcaster, ReplyInbox, Subscriber, SubscriberSink
from umbel.brokers.topology import Destination, Outgoing, Queue
from umbel.clients.base import ConnectionOptions, ConnectionState
from umbel.wire.attempts import ATTEMPTS
from umbel.wire.message import Call, Delivery, Message, MessageLimits, Stencil

#: The contract's whole vocabulary, wherever it is defined.
__all__ = [
    "ATTEMPTS",
    "DEAD_AT",
    "DEAD_DETAIL",
    "DEAD_QUEUE",
    "DEAD_REASON",
    "DEAD_SUFFIX",
    "REPLY_TTL",
    "Broadcaster",
    "Broker",
    "BrokerFactory",
    "BrokerOptions",
    "Capabilities",
    "ConnectionState",
    "Consumer",
    "Delivery",
    "DeliverySink",
    "NullSink",
    "Publisher",
    "QueueClient",
    "ReplyInbox",
    "Subscriber",
    "SubscriberSink",
]

#: Appended to a queue's name: where its dead letters rest.
DEAD_SUFFIX = ".dead"
#: Headers of a dead letter: why (a machine-readable word), in words, from which queue, when (ISO 8601).
DEAD_REASON, DEAD_DETAIL, DEAD_QUEUE, DEAD_AT = "x-umbel-dead-reason", "x-umbel-dead-detail", "x-umbel-dead-queue", "x-umbel-dead-at"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions(ConnectionOptions):
    """The way to a broker, and how to publish and consume there. Made once from the settings; nothing below reads settings."""

    #: Seconds that a broker with leases keeps a message for a worker that gives no sign of life.
    lease: float = 30.0
    #: Unconfirmed messages that a publisher keeps before `Publisher.publish` blocks.
    window: int = 4096
    #: Seconds that a publisher waits for room in the window, or for a confirm, before it raises.
    publish_timeout: float = 10.0
    #: Attempts after the first to reach the broker when publishing, within ``publish_timeout``.
    publish_retries: int = 3
    #: Extra queue type for delays on RabbitMQ: quorum or classic.
    delayed_queue_type: str = "quorum"
    limits: MessageLimits = field(default_factory=MessageLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Differences between brokers that matter above them."""

    #: Of two priorities the higher runs first (RabbitMQ). Celery's Redis runs the lower first.
    higher_first: bool = True
    #: Deliveries are held under leases (Redis, SQLite), not by a connection: what was acknowledged stays so when a connection is lost.
    leases: bool = False
    #: A message cannot leave this process (memory://).
    in_process: bool = False
    #: To look at messages (`QueueClient.peek`) leaves them as they are. RabbitMQ has to hand them out, and marks them as redelivered.
    peeks: bool = False
    #: Messages can be published in a transaction of the caller's (`umbel.brokers.enlisting`).
    transactions: bool = False
    #: There is no server: each message that workers send one another is a write to a file (SQLite), or goes nowhere (memory://).
    embedded: bool = False


class Publisher(Protocol):
    """Sends messages and answers for them.

    Thread-safe. A publisher opens its connection at the first message, forgets it after a fork, notices a stale one before it writes, keeps every
    message until the broker has confirmed it, and publishes the unconfirmed ones again, in order, over the next connection.
    """

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        """Hand over one message.

        Args:
            confirm: return only when the broker has it.
            timeout: seconds; ``BrokerOptions.publish_timeout`` when not given.

        Raises:
            OperationalError: the broker cannot be reached, or did not take it (the text says which and why). What it refuses later is
                told to a `receipt` or else logged, signalled and raised by `flush` and `close`.
        """

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        """`publish` for the plain call, from wire bytes compiled once for the stencil. The queue must have been declared before."""

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        """Hand over many messages with as few system calls as possible; returns how many."""

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        """Inside this block this thread tries so often again to reach the broker, in place of ``BrokerOptions.publish_retries``."""

    def declare(self, queue: Queue) -> None:
        """See to it that a queue, its exchange and its bindings exist (once per connection)."""

    def flush(self, timeout: float | None = None) -> None:
        """Return when every message so far is confirmed.

        Raises:
            OperationalError: some are not, after ``timeout`` seconds; or some were refused, and no call was told.
        """

    def receipt(self, *, wait: bool = True) -> AbstractContextManager[Receipt]:
        """Learn what becomes of the messages that this thread publishes inside the block.

        Args:
            wait: else nothing inside the block waits for the broker, for another thread or for room, which an event loop could not bear.

        Raises:
            WouldBlock: at the block's start or at a message, where ``wait`` is off. Nothing was sent then by the call that raises it.
        """

    def close(self) -> None:
        """Flush and disconnect. The publisher may be used again."""


class DeliverySink(Protocol):
    """The listener of a consumer. Called on the event loop; never blocks."""

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """New unsettled deliveries."""

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        """These are no longer ours (connection or lease lost): they will come again, here or elsewhere; settling them does nothing."""

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """The connection changed; ``detail`` is fit for a log line."""


class NullSink:
    """Ignores everything: the sink of a consumer that has not started."""

    def on_deliveries(self, deliveries: list[Delivery]) -> None: ...
    def on_lost(self, deliveries: Sequence[Delivery]) -> None: ...
    def on_connection(self, state: ConnectionState, detail: str) -> None: ...


class Consumer(Protocol):
    """Receives from queues under a window of unsettled deliveries."""

    async def start(self, sink: DeliverySink) -> None:
        """Connect, declare the queues, begin.

        Args:
            sink: is told of deliveries and of the connection from now on.

        Raises:
            AccessRefused: the broker does not let us in.
            OperationalError: it cannot be reached (after ``max_retries`` attempts).
        """

    def set_window(self, size: int) -> None:
        """Allow this many unsettled deliveries; 0 stops new ones, the unsettled stay ours."""

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Done with these. Buffered: leaves with the next turn of the event loop, coalesced."""

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        """Hand these back at once, to the front of their queues where the broker can, without counting an attempt."""

    async def begin(self, delivery: Delivery) -> None:
        """Record durably that a *redelivered* message is about to run, so that the death of this whole worker is counted with it.

        Brokers that cannot do so do nothing.
        """

    async def blame(self, delivery: Delivery) -> None:
        """Put the message back with its attempts raised by one: whoever ran it died."""

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        """Move messages to the broker's delayed store, each until a time, seconds since the epoch.

        Many are moved for little more than one: they come in floods, and what is behind a flood waits until it has been moved.
        """

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """Move the message to ``<queue>.dead`` with a machine-readable reason and a sentence."""

    async def flush(self) -> None:
        """Return when all settlements so far are with the broker and, while the window is 0, nothing more is on its way to us."""

    @property
    def queues(self) -> Sequence[Queue]:
        """The queues that are consumed from."""

    async def add_queue(self, queue: Queue) -> None:
        """Consume from one more queue."""

    async def cancel_queue(self, name: str) -> None:
        """Consume from one queue less."""

    async def aclose(self) -> None:
        """Settle what is buffered, hand back what is unsettled, disconnect. Safe twice, and before `start`."""


class QueueClient(Protocol):
    """One operation at a time on queues, blocking."""

    def declare(self, queue: Queue) -> None:
        """See to it that a queue exists."""

    def delete(self, name: str) -> None:
        """Remove a queue and what is in it; nothing happens when there is none."""

    def length(self, name: str) -> int | None:
        """Messages ready in a queue, all priorities; ``None`` when there is no such queue."""

    def delayed(self, name: str) -> int | None:
        """Messages of a queue in the delayed store; ``None`` when the broker cannot tell."""

    def release_delayed(self, name: str) -> int:
        """Give delayed messages back to their queue, with their ``eta``, where only this library's workers know them; returns how many.

        It is for going back to Celery, whose workers read RabbitMQ's delayed store themselves, and have no part in an embedded file: 0 there.
        """

    def purge(self, name: str) -> int:
        """Drop the ready messages of a queue; returns how many."""

    def peek(self, name: str, count: int) -> list[Delivery]:
        """Look at the first messages of a queue, in their order; they stay there, and no attempt is counted.

        Where the capability `Capabilities.peeks` is missing they are taken and given back, so that they are redelivered from then on; not to be
        asked while something is held that `get` returned.

        Args:
            name: of the queue.
            count: messages to look at, at most.
        """

    def pause(self, name: str) -> None:
        """Keep that workers are not to consume from a queue, whether it exists or not, until `resume`; it outlives workers and the broker."""

    def resume(self, name: str) -> None:
        """Let workers consume from a queue again; nothing happens when it is not paused."""

    def paused(self, names: Iterable[str]) -> set[str]:
        """Return those of some queues, by their ``names``, that are paused."""

    def get(self, name: str) -> Delivery | None:
        """Take one message, unsettled until `ack` or `close`. The limits of the options do not hold here."""

    def ack(self, delivery: Delivery) -> bool:
        """Drop a message that `get` returned; returns whether it is gone. It is not when it was no longer ours: a lease or connection ended."""

    def close(self) -> None:
        """Hand back what `get` returned and was not acknowledged, in its old order; disconnect."""


class Broker(Protocol):
    """One broker, or one failover list of them."""

    options: BrokerOptions
    capabilities: Capabilities

    def publisher(self) -> Publisher:
        """The publisher of this process (the same object at each call)."""

    def consumer(self, queues: Sequence[Queue], *, window: int) -> Consumer:
        """Make a consumer that is not connected; call its `start` on a running event loop.

        Args:
            queues: to consume from.
            window: unsettled deliveries to allow.
        """

    def queue_client(self) -> QueueClient:
        """A new client for single operations."""

    def broadcaster(self) -> Broadcaster:
        """The broadcaster of this process (the same object at each call)."""

    def subscriber(self, queue: Queue) -> Subscriber:
        """Make a subscriber that is not connected.

        Args:
            queue: of its own, exclusive and bound to one fanout or topic exchange by patterns; see `umbel.brokers.fanout.private_queues`.
        """

    def reply_inbox(self, queue: Queue) -> ReplyInbox:
        """Make an inbox that is not open.

        Args:
            queue: of its own, bound to one direct exchange or to none; ``x-expires`` says how long it outlives a client that died.
        """

    def public_url(self) -> str:
        """Return the URL, without the password."""

    def close(self) -> None:
        """Close the publisher and the broadcaster."""


#: Makes a broker; registered per URL scheme (entry point group ``umbel.brokers``).
BrokerFactory = Callable[[BrokerOptions], Broker]
