"""Moving a delivery to another place: to the back of its queue, to the dead letters, into the delayed store.

The mover publishes over a connection of its own, opened at the first move: in an alarm the broker stops reading from a connection that
publishes, and acknowledgements must not wait behind that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from umbel.brokers.amqp.topology import bind_delayed, dead_queue, declare_delayed, declare_queue, delayed_key, entry_level, level_name
from umbel.brokers.base import ATTEMPTS, DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, DEAD_SUFFIX, BrokerOptions, Delivery
from umbel.brokers.envelope import dead_headers
from umbel.clients.amqp.addresses import Address, in_order
from umbel.clients.amqp.connection_async import AsyncConnection
from umbel.errors import EncodeError, MessageReturned, OperationalError, PublishError
from umbel.messages.v2 import BROKER_PREFIXES
from umbel.wire.amqp import events
from umbel.wire.amqp.rendering import address_of, render_message, render_publish
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

_CHANNEL = 1
#: Header: when a delayed message is due, seconds since the epoch. The store counts whole seconds; our consumer holds the rest.
DUE = "x-umbel-due"
#: Header: marks the copy of a message that has been handed out: it is held (see `umbel.brokers.amqp.moves.holding`), or was handed back.
HELD = "x-umbel-held"
#: Header: how often a message came back to its queue, connections that were lost included. Quorum queues set it.
COUNT = "x-delivery-count"
#: Bytes of a queue's name.
_LONGEST_NAME = 255
#: Bytes of bodies that are handed back at a time.
_AT_ONCE = 4 * 1024 * 1024
#: The name of no queue.
_NOWHERE = "umbel.nowhere"
#: What the broker takes as more routing keys: a copy is for one queue, whatever the message was sent to.
_MORE_ROUTES = ("CC", "BCC")
_DEAD_HEADERS = frozenset((DEAD_REASON, DEAD_DETAIL, DEAD_QUEUE, DEAD_AT))


def restored(delivery: Delivery) -> Message:
    """The message as it was."""
    return _again(delivery, {ATTEMPTS: delivery.attempts} if delivery.attempts else {})


def returned(delivery: Delivery) -> Message:
    """The message as it was, marked as one that has been out."""
    message = restored(delivery)
    message.headers[HELD] = ""
    return message


def portions(deliveries: Sequence[Delivery], most: int) -> Iterator[list[Delivery]]:
    """Parts of at most so many, of not too many bytes."""
    part: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        if part and (len(part) >= most or size + len(delivery.body) > _AT_ONCE):
            yield part
            part, size = [], 0
        part.append(delivery)
        size += len(delivery.body)
    if part:
        yield part


def cleaned(delivery: Delivery) -> float | None:
    """Take our own marks, and the broker's traces of the queues that they name, off a delivery; returns when it is due."""
    due = delivery.headers.pop(DUE, None)
    for name in [name for name in delivery.headers if name == HELD or name.startswith(BROKER_PREFIXES)]:
        del delivery.headers[name]
    return float(due) if isinstance(due, (int, float)) else None


def blamed(delivery: Delivery) -> Message:
    """The message with its attempts raised by one."""
    return _again(delivery, {ATTEMPTS: delivery.attempts + 1})


def delayed(delivery: Delivery, until: float) -> Message:
    """The message for the delayed store: a time to live would take it out of there too early."""
    return _again(delivery, {DUE: until}, without="expiration")


def dead(delivery: Delivery, reason: str, detail: str, now: float) -> Message:
    """The message as a dead letter: it stays until somebody removes it."""
    message = _again(delivery, dead_headers(delivery.queue, reason, detail, now), without="expiration")
    message.properties["delivery_mode"] = 2
    return message


def _bare(letter: Message) -> Message:
    """A dead letter with as little of its old headers as says what it was."""

    def stays(name: str, value: Any) -> bool:
        return name in _DEAD_HEADERS or (name in ("id", "task") and type(value) is str and len(value) <= 255)

    headers = {name: value for name, value in letter.headers.items() if stays(name, value)}
    return Message(letter.body, headers, letter.content_type, letter.content_encoding, letter.properties)


def _letter(message: Message, queue: str, seconds: float) -> tuple[Message, str]:
    """A message for the delayed store, and its routing key there.

    Through an exchange of the store it would cost the broker a topic match over 28 words, which is more than all else that it does with a
    message. So it goes straight to the queue of its highest level, by RabbitMQ's sender-selected distribution: the name in ``BCC``, which
    the broker takes off, is a second routing key, and means nothing to the exchanges that the message comes to later.
    """
    message.headers["BCC"] = [level_name(entry_level(seconds))]
    return message, delayed_key(queue, seconds)


def _again(delivery: Delivery, extra: dict[str, Any], without: str = "") -> Message:
    headers = {name: value for name, value in delivery.headers.items() if not name.startswith(BROKER_PREFIXES)}  # a past it has no more
    for name in _MORE_ROUTES:
        headers.pop(name, None)
    headers.update(extra)
    properties = {name: value for name, value in delivery.properties.items() if name not in (without, "user_id")}
    return Message(delivery.body, headers, delivery.content_type, delivery.content_encoding, properties)


def _in_alarm(reason: str) -> str:
    return f"RabbitMQ takes no messages now ({reason})"


class _Batch:
    """Messages that are published together."""

    __slots__ = ("errors", "known", "left", "waits_out")

    def __init__(self, count: int, *, waits_out: bool) -> None:
        #: Whether they wait for the end of an alarm.
        self.waits_out = waits_out
        #: What went wrong with each.
        self.errors: list[Exception | None] = [None] * count
        #: How many of them we know nothing of.
        self.left = count
        #: Done when there are none.
        self.known: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, place: int, error: Exception | None) -> None:
        """Tell what became of one."""
        self.errors[place] = error
        self.left -= 1
        if not self.left and not self.known.done():
            self.known.set_result(None)


class Mover:
    """Publishes for each caller what it has, and returns when the broker has it."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._connection: AsyncConnection | None = None
        self._opening = asyncio.Lock()
        self._declaring = asyncio.Lock()
        self._tag = 0
        self._buffer: list[bytes] = []
        #: Delivery tag → the batch that waits for its confirm, the message's place there, and the frames.
        self._unconfirmed: dict[int, tuple[_Batch, int, bytes]] = {}
        #: What was declared over this connection: names of dead-letter queues, "" for the delayed store, queues bound to it.
        self._declared: set[tuple[str, str]] = set()
        self._blocked: str | None = None

    async def to_queue(self, message: Message, queue: str) -> None:
        """Put a message at the end of a queue.

        Raises:
            MessageReturned: there is no such queue.
            OperationalError: the broker did not take it.
        """
        await self._publish_one(message, queue)

    async def to_queues(self, letters: Sequence[tuple[Message, str]]) -> list[Exception | None]:
        """Put messages at the ends of queues; ends with the first alarm, which may last for ever. Ask `check_taking` first.

        Returns:
            For each what went wrong with it.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        return await self._publish(letters, waits_out=False)

    async def check_taking(self) -> None:
        """Find out whether the broker takes messages now. A connection learns of an alarm only when it publishes, and what it has published
        then is taken when the alarm is over; so this is a message that no queue is meant to get.

        Raises:
            OperationalError: it does not, or cannot be reached.
        """
        (answer,) = await self._publish([(Message(b"", {}), _NOWHERE)], waits_out=False)
        if not isinstance(answer, MessageReturned):
            raise answer or OperationalError(f"there is a queue {_NOWHERE!r}")

    async def to_dead(self, message: Message, queue: str) -> None:
        """Put a message into ``<queue>.dead``."""
        connection = await self._ready()
        name = queue + DEAD_SUFFIX
        if len(name.encode()) > _LONGEST_NAME:
            text = f"the dead letters of queue {queue[:40]!r}… have no place: its name leaves no room for {DEAD_SUFFIX!r} in {_LONGEST_NAME} bytes"
            raise PublishError(f"{text}; give the queue a shorter name", permanent=True)
        if ("dead", name) not in self._declared:
            refusal = await connection.declare(declare_queue(dead_queue(queue)))
            if refusal:
                logger.warning("the queue %r exists with other arguments and is used as it is: %s", name, refusal)
            self._declared.add(("dead", name))
        try:
            await self._publish_one(message, name)
        except EncodeError:  # its headers filled their frame, and have become more
            await self._publish_one(_bare(message), name)

    async def to_delayed(self, moves: Sequence[tuple[Message, str, float]]) -> list[Exception | None]:
        """Put messages into the delayed store.

        Args:
            moves: message, queue, and the seconds after which it comes there: whole ones, rounded down.

        Returns:
            For each what went wrong with it.

        Raises:
            OperationalError: the broker cannot be reached, or refuses what is declared for it.
        """
        await self._declare_delayed({queue for _, queue, _ in moves})
        letters = [_letter(*move) for move in moves]
        errors = await self._publish(letters)
        returned = [place for place, error in enumerate(errors) if isinstance(error, MessageReturned)]
        if returned:  # somebody removed the queues since we declared them
            self._declared.clear()
            await self._declare_delayed({moves[place][1] for place in returned})
            for place, error in zip(returned, await self._publish([letters[place] for place in returned]), strict=True):
                errors[place] = error
        return errors

    async def aclose(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _declare_delayed(self, queues: set[str]) -> None:
        connection = await self._ready()
        if {("delayed", queue) for queue in queues} <= self._declared:
            return
        async with self._declaring:  # a flood must not declare it once for each of its messages
            if ("delayed", "") not in self._declared:
                await self._declare_levels(connection)
                self._declared.add(("delayed", ""))
            for queue in queues:
                if ("delayed", queue) not in self._declared:
                    await connection.declare([bind_delayed(queue)])
                    self._declared.add(("delayed", queue))

    async def _declare_levels(self, connection: AsyncConnection) -> None:
        """All levels; those that exist with other arguments (another fleet chose the other queue type) are used as they are."""
        groups = list(declare_delayed(self._options.delayed_queue_type))
        if await connection.declare([frame for group in groups for frame in group]) is None:
            return
        for group in groups:
            for frame in group:
                await connection.declare([frame])

    async def _publish_one(self, message: Message, queue: str) -> None:
        (error,) = await self._publish([(message, queue)])
        if error is not None:
            raise error

    async def _publish(self, letters: Sequence[tuple[Message, str]], *, waits_out: bool = True) -> list[Exception | None]:
        """Publish to the default exchange, message and routing key; returns for each what went wrong with it."""
        connection = await self._ready()
        if self._blocked is not None and not waits_out:
            raise OperationalError(_in_alarm(self._blocked))
        batch, first = _Batch(len(letters), waits_out=waits_out), self._tag + 1
        for place, (message, routing_key) in enumerate(letters):
            method = render_publish(_CHANNEL, "", routing_key, mandatory=True)
            try:
                frames = render_message(_CHANNEL, method, message, connection.core.frame_max)
            except EncodeError as error:
                batch.settle(place, error)
                continue
            self._tag += 1
            self._unconfirmed[self._tag] = (batch, place, frames)
            self._write_soon(frames)
        try:
            await self._all_known(batch, connection)
        finally:
            if batch.left:
                for tag in range(first, first + len(letters)):
                    if tag in self._unconfirmed and self._unconfirmed[tag][0] is batch:
                        del self._unconfirmed[tag]
        return batch.errors

    async def _all_known(self, batch: _Batch, connection: AsyncConnection) -> None:
        """Wait as long as confirms come; in an alarm as long as it lasts: what was written will be taken then, and again would be twice."""
        timeout = self._options.publish_timeout
        while batch.left:
            left = batch.left
            await asyncio.wait([batch.known], timeout=timeout)
            if batch.left < left:
                continue
            if self._blocked is None:
                connection.drop(f"no confirm in {timeout:g} s")
            else:
                logger.warning("%s; %d wait to be moved", _in_alarm(self._blocked), batch.left)

    def _write_soon(self, frames: bytes) -> None:
        """Write with the next turn of the loop, together with what else moves: a write for each costs as much as the rest."""
        if not self._buffer:
            asyncio.get_running_loop().call_soon(self._write)
        self._buffer.append(frames)

    def _write(self) -> None:
        buffer, self._buffer = self._buffer, []
        if self._connection is not None:
            self._connection.write(b"".join(buffer))

    async def _ready(self) -> AsyncConnection:
        """The connection, opened if need be."""
        async with self._opening:
            connection = self._connection
            if connection is not None and connection.lost is None:
                return connection
            connection = await self._open()
            connection.on_event = self._on_event
            connection.on_confirms = self._on_confirms
            connection.on_lost = self._on_lost
            self._tag = 0
            self._buffer.clear()
            self._blocked = None
            self._declared.clear()
            try:
                await connection.open_channel(_CHANNEL, confirm=True)
            except BaseException:
                connection.drop("the channel cannot be opened")
                raise
            self._connection = connection
            return connection

    async def _open(self) -> AsyncConnection:
        failure: OperationalError | None = None
        for node in in_order(self._nodes, self._options.failover):
            try:
                return await AsyncConnection.open(node, self._options.limits)
            except OperationalError as error:
                failure = error
        raise failure or OperationalError("there is no broker URL")

    def _on_confirms(self, confirms: list[tuple[int, int, int]]) -> None:
        for _, tag, multiple in confirms:
            # In the order of their tags: what follows the first one beyond need not be looked at.
            for each in list(takewhile(tag.__ge__, self._unconfirmed)) if multiple else (tag,):
                self._settle(each, None)

    def _settle(self, tag: int, error: Exception | None) -> None:
        waiting = self._unconfirmed.pop(tag, None)
        if waiting is not None:
            batch, place, _ = waiting
            batch.settle(place, error)

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Returned):
            address = (event.exchange, event.routing_key)
            error = MessageReturned(f"no queue is bound to exchange {event.exchange!r}, routing key {event.routing_key!r}: {event.text}")
            for tag, (_, _, frames) in self._unconfirmed.items():
                if address_of(frames) == address and event.body in frames:
                    self._settle(tag, error)
                    return
        elif isinstance(event, events.Refused):
            for tag in [known for known in self._unconfirmed if known == event.tag or (event.multiple and known < event.tag)]:
                self._settle(tag, PublishError("RabbitMQ refused the message (basic.nack): its queue is full or failed"))
        elif isinstance(event, events.ChannelClosed) and event.channel == _CHANNEL:
            self._fail(PublishError(f"RabbitMQ refused the message: {event.code} {event.text}"))
            if self._connection is not None:
                self._connection.drop(event.text)
        elif isinstance(event, events.Blocked):
            self._blocked = event.reason or "alarm"
            for tag in [tag for tag, (batch, _, _) in self._unconfirmed.items() if not batch.waits_out]:
                self._settle(tag, OperationalError(_in_alarm(self._blocked)))
        elif isinstance(event, events.Unblocked):
            self._blocked = None

    def _on_lost(self, reason: str) -> None:
        self._buffer.clear()
        self._fail(OperationalError(reason))

    def _fail(self, error: Exception) -> None:
        for tag in list(self._unconfirmed):
            self._settle(tag, error)
