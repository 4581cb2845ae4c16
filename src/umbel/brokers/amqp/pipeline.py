"""One publisher's connection and what is in flight on it. No thread, no lock: the publisher's lock is held around every call.

Messages go into the `Window` and the buffer; the buffer goes to the socket; confirms, returns and refusals come back and empty the
window. A new connection gets the whole window again, in order.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Sequence
from itertools import islice

from pamqp import commands

from umbel.brokers.amqp.backlog import Backlog
from umbel.brokers.amqp.topology import AS_IT_IS, bind_all, declare_address
from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirms.waiting import WaitBudget
from umbel.brokers.confirms.window import Window
from umbel.brokers.topology import Queue
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.channels import TOPOLOGY_CHANNEL, ChannelError
from umbel.clients.amqp.connection_blocking import BlockingConnection, connect_any
from umbel.errors import MessageReturned, OperationalError, PublishError
from umbel.runtime.clock import SYSTEM
from umbel.runtime.process_hooks import hook_multiprocessing
from umbel.wire.amqp import events
from umbel.wire.amqp.fastpath import DEFAULT_FRAME_MAX
from umbel.wire.amqp.methods import method, render_method
from umbel.wire.amqp.refusals import is_permanent
from umbel.wire.amqp.rendering import address_of, size_of

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

#: The channel that messages are published on.
CHANNEL = 1
#: Asks the channel for an answer in its turn (see `umbel.brokers.amqp.backlog`).
MARK = render_method(method(commands.Confirm.Select), CHANNEL)
_MOST_DECLARED = 2000
#: Seconds of one wait for RabbitMQ to catch up; how many there are, the backlog's budget decides.
_CATCH_UP = 0.02
#: Messages for each write when the window is published again.
_REPLAY = 64
_EXCHANGE = re.compile(r"exchange '([^']*)'")
_SIZE = re.compile(r"message size (\d+)")


class Pipeline:
    """See the module."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions, declared: dict[str, Queue], window: Window[bytes]) -> None:
        self.window = window
        self.backlog: Backlog = Backlog(WaitBudget.of_process())
        self.connection: BlockingConnection | None = None
        self.frame_max: int = DEFAULT_FRAME_MAX
        #: Why the broker takes no messages now.
        self.blocked: str | None = None
        #: Names of queues that exist, as far as this connection knows.
        self.ready: set[str] = set()
        #: Names of exchanges that exist, as far as this connection knows.
        self.exchanges: set[str] = set()
        #: Frames that are not written yet.
        self.buffer: list[bytes] = []
        #: When the broker last confirmed something, or there was nothing to confirm.
        self.progress: float = 0.0
        self._nodes = tuple(nodes)
        self._options = options
        #: What to declare again over the next connection.
        self._declared = declared
        self._first = 0
        self._closed_channel: events.ChannelClosed | None = None
        #: Messages that came back because their queue, which we had declared, was gone; and the numbers of those sent again.
        self._returned: list[tuple[int, bytes, MessageReturned]] = []
        self._sent_again: set[int] = set()

    @property
    def is_lost(self) -> bool:
        """There is no connection that works, as far as one can see."""
        return self.connection is None or self.connection.broken is not None

    @property
    def node(self) -> Address:
        """The node of the last connection."""
        return self._nodes[self._first]

    def connect(self, deadline: float) -> None:
        """One try: connect, open the channel, declare what was declared before, publish the unconfirmed again.

        Raises:
            OperationalError: no node can be used.
        """
        self.drop("replaced")
        hook_multiprocessing()
        options = self._options
        timeout = max(0.1, deadline - SYSTEM.monotonic())
        connection, self._first = connect_any(self._nodes, options.limits, failover=options.failover, first=self._first, timeout=timeout)
        connection.on_event = self._on_event
        self.frame_max = connection.core.frame_max
        self.blocked = self._closed_channel = None
        self.ready.clear()
        self.exchanges.clear()
        self.connection = connection
        try:
            connection.open_channel(CHANNEL, deadline, confirm=True)
            for queue in self._declared.values():
                self._declare_over(connection, queue, deadline)
            connection.core.receiver.marks = 0
            self._replay(connection)
        except BaseException:
            connection.drop("setting up the channel failed")
            raise

    def drop(self, reason: str) -> None:
        """Let the connection go without a word."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.drop(reason)

    def close(self) -> None:
        """Say goodbye."""
        connection, self.connection = self.connection, None
        self.ready.clear()
        if connection is not None:
            connection.close()

    def declare(self, queue: Queue, deadline: float) -> None:
        """Declare a queue, once for each connection."""
        assert self.connection is not None
        if queue.name not in self.ready:
            self._declare_over(self.connection, queue, deadline)
        if len(self._declared) < _MOST_DECLARED:
            self._declared[queue.name] = queue

    def look_up(self, exchange: str, deadline: float) -> None:
        """Raise when there is no such exchange: on the channel of messages, RabbitMQ would close it, with all that is unconfirmed there."""
        assert self.connection is not None
        self.connection.declare([method(commands.Exchange.Declare, exchange=exchange, passive=True)], TOPOLOGY_CHANNEL, deadline)
        if len(self.exchanges) >= _MOST_DECLARED:
            self.exchanges.clear()
        self.exchanges.add(exchange)

    def write_buffer(self, *, wait: bool = True) -> None:
        """Write what is buffered. When that fails the messages are in the window, and go over the next connection.

        Args:
            wait: for the socket to take all; else `tend` writes the rest.
        """
        if not self.buffer:
            return
        data = self.buffer[0] if len(self.buffer) == 1 else b"".join(self.buffer)
        self.buffer.clear()
        if self.connection is not None:
            with contextlib.suppress(OperationalError):
                self.connection.write(data, self._options.publish_timeout if wait else None)

    def tend(self) -> bool:
        """Write, read, look at silences; returns whether there was progress. Never raises: what is lost is seen at the connection."""
        connection = self.connection
        if connection is None or connection.broken is not None:
            return False
        self.write_buffer()
        try:
            if connection.unsent:
                connection.write(b"", self._options.publish_timeout)
            progress = self._drain(connection)
        except OperationalError:
            return False
        silence = SYSTEM.monotonic() - self.progress
        if self.window and self.blocked is None and silence > self._options.publish_timeout:
            connection.drop(f"RabbitMQ has not confirmed anything for {silence:.0f} s")
        return progress

    def catch_up(self, number: int, started: float) -> None:
        """Wait until RabbitMQ has routed the messages up to this one, as long as the backlog's budget allows.

        Args:
            number: of the last message written.
            started: when the wait began, monotonic seconds.
        """
        backlog, connection = self.backlog, self.connection
        now = started
        while connection is not None and connection.broken is None and backlog.is_behind(number):
            try:
                connection.receive_some(_CATCH_UP)
            except OperationalError:
                return
            finally:
                self._absorb(connection)
            before, now = now, SYSTEM.monotonic()
            backlog.budget.spend(now - before, now)

    def _drain(self, connection: BlockingConnection) -> bool:
        try:
            connection.drain()
        finally:
            # Also when it broke: what was confirmed before need not be published again.
            progress = self._absorb(connection)
            if self._closed_channel is None:
                self._send_returned_again(connection)
        if self._closed_channel is not None:
            self._reopen_channel(connection, self._closed_channel)
        return progress

    def _absorb(self, connection: BlockingConnection) -> bool:
        """Take confirms and marks from the connection; returns whether there were any."""
        receiver = connection.core.receiver
        confirms, marks = receiver.confirms, receiver.marks
        if marks:
            receiver.marks = 0
            self.backlog.answered(marks)
        if not confirms:
            return bool(marks)
        for _, tag, multiple in confirms:
            self.window.confirm(tag, multiple)
        confirms.clear()
        self.progress = SYSTEM.monotonic()
        return True

    def _replay(self, connection: BlockingConnection) -> None:
        """Publish everything unconfirmed over a new channel."""
        self.buffer.clear()
        self.backlog.restart(self.window.number)
        for number, frames, _ in self._returned:
            self.window.add_again(number, frames, len(frames))
        self._returned.clear()
        self.progress = SYSTEM.monotonic()
        left = self.window.restart()
        while batch := list(islice(left, _REPLAY)):
            connection.write(b"".join(batch), self._options.publish_timeout)

    def _declare_over(self, connection: BlockingConnection, queue: Queue, deadline: float) -> None:
        frames = declare_address(queue)
        refusal = connection.declare(frames, TOPOLOGY_CHANNEL, deadline) if frames else None
        if refusal is not None:
            logger.warning("queue %r %s: %s", queue.name, AS_IT_IS, refusal)
            with contextlib.suppress(ChannelError):  # what is wrong with them, the message that is returned tells
                connection.declare(bind_all(queue), TOPOLOGY_CHANNEL, deadline)
        self.ready.add(queue.name)
        if frames and (exchange := queue.resolved().exchange) is not None:
            self.exchanges.add(exchange.name)

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Returned):
            self._on_returned(event)
        elif isinstance(event, events.Refused):
            error = PublishError("RabbitMQ refused a message (basic.nack): its queue is full or failed")
            self.window.refuse(event.tag, event.multiple, error)
        elif isinstance(event, events.Blocked):
            self.blocked = event.reason or "alarm"
        elif isinstance(event, events.Unblocked):
            self.blocked = None
            self.progress = SYSTEM.monotonic()
        elif isinstance(event, events.ChannelClosed) and event.channel == CHANNEL:
            self._closed_channel = event

    def _on_returned(self, event: events.Returned) -> None:
        ident, task = event.content[3].get("correlation_id"), event.content[2].get("task")
        where = f"exchange {event.exchange!r}, routing key {event.routing_key!r}"
        title = f" {task or ''}[{ident}]" if ident else ""
        error = MessageReturned(f"no queue is bound to {where}: the message{title} was returned ({event.text})")
        needle, address = (ident or "").encode(), (event.exchange, event.routing_key)
        found = self.window.take_where(lambda frames: address_of(frames) == address and needle in frames and event.body in frames)
        if found is None:
            return
        number, frames = found
        if not event.exchange and event.routing_key in self._declared and number not in self._sent_again:
            self._returned.append((number, frames, error))
        else:
            self._sent_again.discard(number)
            self.window.fail(number, frames, error)

    def _send_returned_again(self, connection: BlockingConnection) -> None:
        """Messages to a queue that somebody deleted after we had declared it: declare it again and send them once more."""
        if not self._returned or connection.broken is not None:
            return
        returned, self._returned = self._returned, []
        deadline = SYSTEM.monotonic() + self._options.connect_timeout
        for name in {address_of(frames)[1] for _, frames, _ in returned}:
            logger.warning("the queue %r was deleted; it is declared again", name)
            with contextlib.suppress(OperationalError):
                self._declare_over(connection, self._declared[name], deadline)
        for number, frames, _ in returned:
            self._sent_again.add(number)
            self.window.add_again(number, frames, len(frames))
            self.buffer.append(frames)
        self.write_buffer()
        if len(self._sent_again) > _MOST_DECLARED:
            self._sent_again.clear()

    def _reopen_channel(self, connection: BlockingConnection, closed: events.ChannelClosed) -> None:
        """The broker closed the channel over one message: drop that one, publish the others again."""
        self._closed_channel = None
        self.exchanges.clear()
        error = PublishError(f"RabbitMQ refused a message: {closed.code} {closed.text}", permanent=is_permanent(closed.code))
        refused = 0
        if found := _EXCHANGE.search(closed.text):
            name = found[1]
            refused = self.window.refuse_where(lambda frames: (address_of(frames)[0] or "amq.default") == (name or "amq.default"), error)
        elif found := _SIZE.search(closed.text):
            size = int(found[1])
            refused = self.window.refuse_where(lambda frames: size_of(frames) == size, error)
        if not refused:  # it may have been any of them, and keeping it would close the channel again
            self.window.refuse_where(lambda _: True, error)
        connection.core.receiver.marks = None
        connection.open_channel(CHANNEL, SYSTEM.monotonic() + self._options.connect_timeout, confirm=True)
        connection.core.receiver.marks = 0
        self._replay(connection)
