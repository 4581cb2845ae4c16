"""The blocking publisher: confirms on, pipelined, replayed over the next connection.

Who does what:

- `publish` renders the message, remembers it in the window and writes it: when it returns, the bytes are the kernel's. It waits until
  RabbitMQ has routed them (see `backlog`), for what is not routed when this process ends is lost.
- The *confirm thread*, a daemon, lives while something is unconfirmed and keeps its publisher alive for so long: every few milliseconds it
  reads confirms, writes what a coroutine did not wait to write, reconnects when the connection is lost and publishes the unconfirmed
  messages again. While the broker is silent it waits for the socket.
- `flush` and a full window do the same work in the caller's thread.

All of them hold the one lock while they touch the pipeline. Receipts are settled without it.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import cast

from umbel.brokers.amqp.pipeline import CHANNEL, MARK, Pipeline
from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirmed_publisher import ConfirmedPublisher
from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.confirms.window import MOST_BYTES
from umbel.brokers.topology import Destination, Outgoing, Queue
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.channels import ChannelError
from umbel.errors import BrokerBlocked, OperationalError, PublishError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.amqp.rendering import CompiledStencil, names_of, render_message, render_publish
from umbel.wire.message import Call, Message, Stencil

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

#: Seconds of idleness after which the socket is looked at before a write.
_STALE_AFTER = 0.1
#: Seconds between two looks of the confirm thread: while somebody waits for a receipt, and else; and the longest, when no confirms come.
_LOOK, _LAZY_LOOK, _LONGEST_LOOK = 0.001, 0.005, 0.05
#: Seconds without a message after which its thread ends with its publisher.
_REST = 5.0
#: Compiled stencils and addresses kept.
_MOST_KEPT = 2000
#: Messages of `publish_many` that are written by one system call.
_BATCH = 256


class AmqpPublisher(ConfirmedPublisher[bytes]):
    """See `umbel.brokers.base.Publisher`."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._declared: dict[str, Queue] = {}
        self._stencils: dict[Stencil, CompiledStencil] = {}
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        super().__init__(options, lambda frames: names_of(frames, options.limits))

    def _reset(self) -> None:
        super()._reset()
        self._pipe = Pipeline(self._nodes, self._options, self._declared, self._window)
        self._wrote = 0.0
        self._pauses = delays(most=3.0)
        self._confirm_thread: threading.Thread | None = None
        #: The confirm thread is at work.
        self._busy = False
        self._wake = threading.Event()

    def forget(self) -> None:
        pipe = self._pipe
        self._reset()
        pipe.drop("the connection belongs to the parent process")

    # publishing

    def _send(self, message: Message, to: Destination, started: float, deadline: float, *, is_confirmed: bool = False) -> None:
        frames = self._render(message, to)
        with self._lock:
            if is_confirmed and self._at_once:
                raise WouldBlock
            self._prepare(to, started, deadline)
            self._put(frames, started, deadline)
        if self._receipts.has_news:
            self._receipts.tell()

    def _prepare(self, to: Destination | Stencil, started: float, deadline: float) -> None:
        """Declare a message's queue, see that its exchange is there."""
        if to.queue is not None and to.queue.name not in self._pipe.ready:
            self._declare(to.queue, started, deadline)
        if to.exchange and to.exchange not in self._pipe.exchanges:
            self._look_up(to.exchange, started, deadline)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        compiled = self._stencils.get(stencil) or self._compile(stencil)
        frames = compiled.render(call, self._pipe.frame_max)
        started = SYSTEM.monotonic()
        with self._lock:
            if stencil.exchange and stencil.exchange not in self._pipe.exchanges:
                self._look_up(stencil.exchange, started, started + self._options.publish_timeout)
            self._put(frames, started, started + self._options.publish_timeout)
        if self._receipts.has_news:
            self._receipts.tell()

    def _send_many(self, messages: Iterable[Outgoing]) -> int:
        count, left = 0, iter(messages)
        while batch := [(self._rendered(outgoing), outgoing[1]) for outgoing in islice(left, _BATCH)]:
            started = SYSTEM.monotonic()
            deadline = started + self._options.publish_timeout
            with self._lock:
                for frames, to in batch:
                    self._prepare(to, started, deadline)
                    self._put(frames, started, deadline, is_last=False)
                self._write(started)
            count += len(batch)
        return count

    def declare(self, queue: Queue) -> None:
        started = SYSTEM.monotonic()
        with self._lock:
            if queue.name not in self._pipe.ready:
                self._declare(queue, started, started + self._options.publish_timeout)

    def _disconnect(self) -> None:
        self._pipe.close()

    # rendering

    def _rendered(self, outgoing: Outgoing) -> bytes:
        if type(outgoing[0]) is Call:
            call, stencil = outgoing
            return (self._stencils.get(stencil) or self._compile(stencil)).render(call, self._pipe.frame_max)
        return self._render(*cast("tuple[Message, Destination]", outgoing))

    def _render(self, message: Message, to: Destination) -> bytes:
        key = (to.exchange, to.routing_key, to.mandatory)
        method = self._methods.get(key)
        if method is None:
            if len(self._methods) > _MOST_KEPT:
                self._methods.clear()
            method = self._methods[key] = render_publish(CHANNEL, to.exchange, to.routing_key, mandatory=to.mandatory)
        if message.properties.get("delivery_mode") is None:
            # Nobody said that it may be lost.
            properties = {**message.properties, "delivery_mode": 2}
            message = Message(message.body, message.headers, message.content_type, message.content_encoding, properties)
        return render_message(CHANNEL, method, message, self._pipe.frame_max)

    def _compile(self, stencil: Stencil) -> CompiledStencil:
        if len(self._stencils) > _MOST_KEPT:
            self._stencils.clear()
        compiled = self._stencils[stencil] = CompiledStencil(stencil, CHANNEL)
        return compiled

    # what happens under the lock

    def _put(self, frames: bytes, started: float, deadline: float, *, is_last: bool = True) -> None:
        """Remember a message and write it.

        Args:
            started: when the caller came, in seconds of the monotonic clock.
            deadline: when to give up.
            is_last: of its call; else it is only buffered, and `_write` follows.
        """
        pipe = self._pipe
        window = self._window
        if pipe.is_lost or (not self._busy and started - self._wrote > _STALE_AFTER):
            self._ensure(started, deadline)
        if pipe.blocked is not None or len(window) >= self._options.window or window.bytes >= MOST_BYTES:
            self._make_room(started, deadline)
        window.add(frames, len(frames))
        pipe.buffer.append(frames)
        if is_last:
            self._write(started)
            if self._receipts.has_news:
                self._receipts.raise_own(window.number)

    def _write(self, started: float) -> None:
        """Write what is buffered, and let RabbitMQ catch up."""
        pipe = self._pipe
        number = self._window.number
        is_marked = pipe.backlog.wants_mark(number, started)
        if is_marked:
            pipe.buffer.append(MARK)
        self._wrote = started
        pipe.write_buffer(wait=not self._at_once)
        if ARMED:
            hit("after_write_before_confirm")
        if not self._busy:
            self._attend(started)
        if is_marked and not self._at_once and pipe.backlog.is_behind(number):
            pipe.catch_up(number, SYSTEM.monotonic())

    def _declare(self, queue: Queue, started: float, deadline: float) -> None:
        """Declare a queue."""
        self._arrange(lambda: self._pipe.declare(queue, deadline), f"the queue {queue.name!r} cannot be declared", started, deadline)

    def _look_up(self, exchange: str, started: float, deadline: float) -> None:
        """See that an exchange is there, before the first message to it."""
        what = f"the exchange {exchange!r} cannot be published to"
        self._arrange(lambda: self._pipe.look_up(exchange, deadline), what, started, deadline)

    def _arrange(self, work: Callable[[], None], failed: str, started: float, deadline: float) -> None:
        """Do something before a message is written, over as many connections as the retries allow."""
        if self._at_once:
            raise WouldBlock
        retries = self._retries.allowed
        for attempt, pause in enumerate(delays(0.05, 2.0, 1.0)):
            self._ensure(started, deadline)
            try:
                work()
            except ChannelError as error:
                raise PublishError(f"{failed}: {error}", permanent=error.is_permanent) from error
            except OperationalError:
                if not self._pipe.is_lost or attempt >= retries or SYSTEM.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
            else:
                return

    def _ensure(self, started: float, deadline: float) -> None:
        """Have a connection that works, as far as one can see."""
        if self._at_once:
            if self._pipe.connection is None or self._pipe.connection.readable(0):
                raise WouldBlock  # what has come may be its end
            return
        self._pipe.tend()
        if self._pipe.is_lost:
            self._connect(started, deadline)

    def _connect(self, started: float, deadline: float) -> None:
        """Connect, with retries; a caller that waited for the lock while another one failed fails with it.

        Raises:
            OperationalError: after the retries, or a little later than the connect timeout.
        """
        self._failure.raise_since(started)
        deadline = min(deadline, SYSTEM.monotonic() + self._options.connect_timeout * len(self._nodes) + 0.5)
        self._try_to_connect(lambda: self._pipe.connect(deadline), deadline)

    def _make_room(self, started: float, deadline: float) -> None:
        """Wait until the window has room and the broker takes messages.

        When it was full, it waits for a quarter of it, so that what follows leaves in large writes again.

        Raises:
            OperationalError: there is no room in time.
        """
        if self._at_once:
            raise WouldBlock
        pipe = self._pipe
        while True:
            pipe.tend()
            if pipe.is_lost:
                self._connect(started, deadline)
            if self._has_room(0.75):
                return
            left = deadline - SYSTEM.monotonic()
            if left <= 0 or self._failure.is_since(started):
                if self._has_room(1.0):
                    return
                error = self._full()
                self._failure.remember(error, SYSTEM.monotonic())
                raise error
            if pipe.connection is not None and pipe.connection.readable(min(left, _LONGEST_LOOK)):
                time.sleep(_LOOK)  # confirms come one by one: take many at a time

    def _has_room(self, share: float) -> bool:
        window = self._window
        return self._pipe.blocked is None and len(window) < self._options.window * share and window.bytes < MOST_BYTES * share

    def _full(self) -> OperationalError:
        waiting = len(self._window)
        if self._pipe.blocked is not None:
            return BrokerBlocked(f"RabbitMQ takes no messages now ({self._pipe.blocked}); {waiting} are waiting to be confirmed")
        return OperationalError(f"RabbitMQ has not confirmed {waiting} messages; no more are taken until it does")

    # answers

    def _take_answers(self, deadline: float) -> str:
        self._pipe.tend()
        if self._pipe.is_lost and self._window:
            try:
                self._connect(SYSTEM.monotonic(), deadline)
            except OperationalError as error:
                return f": {error}"
        return ""

    def _wait_for_answers(self, seconds: float) -> None:
        connection = self._pipe.connection
        if connection is None or connection.broken is not None:
            time.sleep(min(seconds, _LONGEST_LOOK))
        else:
            connection.readable(min(seconds, _LONGEST_LOOK))

    def _unanswered(self, cause: str) -> OperationalError:
        blocked = self._pipe.blocked
        kind = BrokerBlocked if blocked else OperationalError
        return kind(f"{len(self._window)} messages are not confirmed by RabbitMQ{f': {blocked}' if blocked else cause}")

    # the confirm thread

    def _attend(self, now: float) -> None:
        """Have the confirm thread look after what is in flight; called under the lock."""
        self._busy = True
        self._pipe.progress = now
        if self._confirm_thread is None or not self._confirm_thread.is_alive():
            self._confirm_thread = threading.Thread(
                target=_look_after, args=(weakref.ref(self), self._wake), daemon=True, name="umbel-confirms"
            )
            self._confirm_thread.start()
        self._wake.set()

    def attend(self) -> float | None:
        """One look of the confirm thread; returns seconds until the next, or ``None`` when there is nothing to look after."""
        with self._lock:
            pipe = self._pipe
            progress = pipe.tend()
            if not self._window:
                self._busy = False
                pause, connection = None, None
            elif pipe.is_lost:
                pause, connection = self._reconnect(), None
            else:
                pause = _LOOK if self._receipts else _LAZY_LOOK
                connection = None if progress else pipe.connection
        self._receipts.tell()
        if connection is not None:
            connection.readable(_LONGEST_LOOK)
        return pause

    def _reconnect(self) -> float:
        """Try once to connect again; returns how long to wait before the next try."""
        waiting = len(self._window)
        try:
            self._pipe.connect(SYSTEM.monotonic() + self._options.connect_timeout * len(self._nodes))
        except OperationalError as error:
            pause = next(self._pauses)
            logger.warning("%d messages wait for RabbitMQ; trying again in %.1f s: %s", waiting, pause, error)
            return pause
        self._pauses = delays(most=3.0)
        logger.info("connected to %s again; %d unconfirmed messages were published again", self._pipe.node, waiting)
        return _LOOK


def _look_after(publisher: weakref.ref[AmqpPublisher], wake: threading.Event) -> None:
    """The confirm thread. While messages are in flight it keeps their publisher, whose app may be gone already; at rest it ends with it."""
    while publisher() is not None:
        if not wake.wait(_REST):
            continue
        wake.clear()
        me = publisher()
        pause: float | None = _LOOK
        while me is not None and pause is not None:
            time.sleep(pause)
            pause = me.attend()
        del me
