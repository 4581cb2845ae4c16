"""The blocking publisher: confirms on, pipelined, replayed over the next connection.

Who does what:

- `publish` renders the message, remembers it in the `Window` and writes it. In a tight loop it only buffers, and every 16 KiB or
  millisecond one write takes the buffer along.
- The *attendant*, a daemon thread, lives while something is unconfirmed: every millisecond or so it writes what is buffered, reads
  confirms, reconnects when the connection is lost and publishes the unconfirmed messages again. While the broker is silent it is
  not attentive: it waits for the socket, and `publish` writes at once.
- `flush` and a full window do the attendant's work in the caller's thread.

All of them hold the one lock while they touch the connection or the window. Callbacks run without it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from umbel.brokers.amqp.addresses import Address
from umbel.brokers.amqp.declaring import declare_queue
from umbel.brokers.amqp.sockets import BlockingConnection, connect_any
from umbel.brokers.amqp.window import MOST_BYTES, Watcher, Window
from umbel.brokers.base import BrokerOptions
from umbel.brokers.topology import Destination, Queue
from umbel.errors import AccessRefused, BrokerBlocked, MessageReturned, OperationalError, PublishError
from umbel.messages.model import Message, Stencil
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.fastpath import DEFAULT_FRAME_MAX
from umbel.wire.amqp.rendering import CompiledStencil, address_of, render_message, render_publish, size_of

logger = logging.getLogger("umbel.brokers.amqp")

_CHANNEL, _TOPOLOGY_CHANNEL = 1, 2
#: Seconds that a message may wait in the buffer for company, and bytes at which the buffer is written.
_COMPANY = 0.001
_BUFFER = 16 * 1024
#: Seconds of idleness after which the socket is looked at before a write.
_STALE_AFTER = 0.1
#: Seconds between two looks of the attendant: while confirms come, and the longest when none do.
_LOOK, _LONGEST_LOOK = 0.002, 0.05
#: Compiled stencils and addresses kept.
_MOST_KEPT = 2000
_EXCHANGE = re.compile(r"exchange '([^']*)'")
_SIZE = re.compile(r"message size (\d+)")


class AmqpPublisher:
    """See `umbel.brokers.base.Publisher`."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._declared: dict[str, Queue] = {}
        self._stencils: dict[Stencil, CompiledStencil] = {}
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        self._frame_max = DEFAULT_FRAME_MAX
        self._first = 0
        self._reset()
        me = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _forget(me))
        atexit.register(_at_exit, me)

    def _reset(self) -> None:
        """No connection, nothing in flight."""
        self._lock = threading.RLock()
        self._window = Window()
        self._connection: BlockingConnection | None = None
        self._ready: set[str] = set()
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._wrote = self._progress = 0.0
        self._blocked: str | None = None
        self._reopen: events.ChannelClosed | None = None
        self._failed: tuple[float, OperationalError] | None = None
        self._due: list[tuple[Watcher, BaseException | None]] = []
        self._attendant: threading.Thread | None = None
        #: The attendant is at work; and looks every few milliseconds, so that messages may wait for it.
        self._busy = self._attentive = False
        self._wake = threading.Event()

    def forget(self) -> None:
        """In a forked child: the connection and what is in flight belong to the parent."""
        connection = self._connection
        self._reset()
        if connection is not None:
            connection.drop("the connection belongs to the parent process")

    # --- publishing

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        started = SYSTEM.monotonic()
        frames = self._render(message, to)
        deadline = started + (self._options.publish_timeout if timeout is None else timeout)
        with self._lock:
            if to.queue is not None and to.queue.name not in self._ready:
                self._declare(to.queue, started, deadline)
            number = self._put(frames, started, deadline)
        if confirm:
            self._await(number, deadline)
            self._raise_failure(number)
        if self._due:
            self._tell()

    def publish_stencil(
        self, stencil: Stencil, task_id: str, root_id: str, parent_id: str | None, argsrepr: str, kwargsrepr: str, body: bytes
    ) -> None:
        compiled = self._stencils.get(stencil) or self._compile(stencil)
        frames = compiled.render(task_id, root_id, parent_id, argsrepr, kwargsrepr, body, self._frame_max)
        started = SYSTEM.monotonic()
        with self._lock:
            self._put(frames, started, 0.0)
        if self._due:
            self._tell()

    def publish_many(self, messages: Iterable[tuple[Message, Destination]], *, confirm: bool = False) -> int:
        count, number, left = 0, 0, iter(messages)
        while batch := [(self._render(message, to), to.queue) for message, to in islice(left, 256)]:
            started = SYSTEM.monotonic()
            deadline = started + self._options.publish_timeout
            with self._lock:
                for frames, queue in batch:
                    if queue is not None and queue.name not in self._ready:
                        self._declare(queue, started, deadline)
                    number = self._put(frames, started, deadline)
                    count += 1
                self._attempt_write()
        if confirm and count:
            self._await(number, SYSTEM.monotonic() + self._options.publish_timeout)
            self._raise_failure()
        self._tell()
        return count

    def declare(self, queue: Queue) -> None:
        started = SYSTEM.monotonic()
        with self._lock:
            if queue.name not in self._ready:
                self._declare(queue, started, started + self._options.publish_timeout)

    def flush(self, timeout: float | None = None) -> None:
        deadline = SYSTEM.monotonic() + (self._options.publish_timeout if timeout is None else timeout)
        self._await(self._window.number, deadline)
        self._raise_failure()
        self._tell()

    def on_confirmed(self, callback: Callable[[BaseException | None], None]) -> None:
        with self._lock:
            self._window.watch(callback)
            self._due += self._window.take_watchers()
        self._tell()

    def close(self) -> None:
        try:
            if self._window or self._window.failures:
                self.flush()
        finally:
            with self._lock:
                connection, self._connection = self._connection, None
                self._ready.clear()
                if connection is not None:
                    connection.close()

    # --- rendering

    def _render(self, message: Message, to: Destination) -> bytes:
        key = (to.exchange, to.routing_key, to.mandatory)
        method = self._methods.get(key)
        if method is None:
            if len(self._methods) > _MOST_KEPT:
                self._methods.clear()
            method = self._methods[key] = render_publish(_CHANNEL, to.exchange, to.routing_key, mandatory=to.mandatory)
        if message.properties.get("delivery_mode") is None:
            properties = {**message.properties, "delivery_mode": 2}
            message = Message(message.body, message.headers, message.content_type, message.content_encoding, properties)
        return render_message(_CHANNEL, method, message, self._frame_max)

    def _compile(self, stencil: Stencil) -> CompiledStencil:
        if len(self._stencils) > _MOST_KEPT:
            self._stencils.clear()
        compiled = self._stencils[stencil] = CompiledStencil(stencil, _CHANNEL)
        return compiled

    # --- what happens under the lock

    def _put(self, frames: bytes, started: float, deadline: float) -> int:
        """Remember a message and write it, at once or with its successors; returns its number.

        Args:
            started: when the caller came, in seconds of the monotonic clock.
            deadline: when to give up; 0 for the default.
        """
        window, connection = self._window, self._connection
        if window.failures:
            self._raise_failure()
        if connection is None or connection.broken is not None or (started - self._wrote > _STALE_AFTER and not self._busy):
            self._ensure(started, deadline or started + self._options.publish_timeout)
        if self._blocked is not None or len(window) >= self._options.window or window.bytes > MOST_BYTES:
            self._make_room(started, deadline or started + self._options.publish_timeout)
        number = window.add(frames)
        self._buffer.append(frames)
        self._buffered += len(frames)
        if not self._attentive or self._buffered > _BUFFER or started - self._wrote > _COMPANY:
            self._wrote = started
            self._attempt_write()
        if not self._busy:
            self._attend(started)
        return number

    def _attempt_write(self) -> None:
        """Write the buffer. When that fails the messages are in the window, and the attendant brings them to the next connection."""
        data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        if data and self._connection is not None:
            with contextlib.suppress(OperationalError):
                self._connection.write(data, self._options.publish_timeout)

    def _ensure(self, started: float, deadline: float) -> None:
        """Have a connection that works, as far as one can see."""
        connection = self._connection
        if connection is not None and connection.broken is None:
            with contextlib.suppress(OperationalError):
                self._drain()
        if self._connection is None or self._connection.broken is not None:
            self._connect(started, deadline)

    def _connect(self, started: float, deadline: float) -> None:
        """Connect, with retries; a caller that waited for the lock while another one failed fails with it.

        Raises:
            OperationalError: after the retries, or a little later than the connect timeout.
        """
        if self._failed is not None and self._failed[0] >= started:
            raise type(self._failed[1])(*self._failed[1].args)
        options = self._options
        deadline = min(deadline, SYSTEM.monotonic() + options.connect_timeout * len(self._nodes) + 0.5)
        retries = options.publish_retries or 0
        for attempt, pause in enumerate(delays(0.05, 2.0, 1.0)):
            try:
                self._connect_once(deadline)
            except OperationalError as error:
                last = isinstance(error, AccessRefused) or attempt >= retries or SYSTEM.monotonic() + pause >= deadline
                if last:
                    self._failed = (SYSTEM.monotonic(), error)
                    raise
                time.sleep(pause)
            else:
                self._failed = None
                return

    def _connect_once(self, deadline: float) -> None:
        """One try: connect, open the channel, declare what was declared before, publish the unconfirmed again."""
        if self._connection is not None:
            self._connection.drop("replaced")
        self._connection = None
        timeout = max(0.1, deadline - SYSTEM.monotonic())
        options = self._options
        connection, self._first = connect_any(self._nodes, options.limits, failover=options.failover, first=self._first, timeout=timeout)
        connection.on_event = self._on_event
        self._frame_max = connection.core.frame_max
        self._blocked = self._reopen = None
        self._ready.clear()
        self._connection = connection
        try:
            connection.open_channel(_CHANNEL, deadline, confirm=True)
            for queue in self._declared.values():
                self._declare_over(connection, queue, deadline)
            self._replay(connection)
        except BaseException:
            connection.drop("setting up the channel failed")
            raise

    def _replay(self, connection: BlockingConnection) -> None:
        """Publish everything unconfirmed over a new channel."""
        self._buffer.clear()
        self._buffered = 0
        frames = self._window.restart()
        self._progress = SYSTEM.monotonic()
        while batch := list(islice(frames, 64)):
            connection.write(b"".join(batch), self._options.publish_timeout)

    def _declare(self, queue: Queue, started: float, deadline: float) -> None:
        self._ensure(started, deadline)
        assert self._connection is not None
        if queue.name not in self._ready:
            self._declare_over(self._connection, queue, deadline)
        if len(self._declared) < _MOST_KEPT:
            self._declared[queue.name] = queue

    def _declare_over(self, connection: BlockingConnection, queue: Queue, deadline: float) -> None:
        frames = declare_queue(queue)
        refusal = connection.declare(frames, _TOPOLOGY_CHANNEL, deadline) if frames else None
        if refusal is not None:
            logger.warning(
                "queue %r exists with other arguments than %r and is used as it is: %s", queue.name, dict(queue.arguments), refusal
            )
        self._ready.add(queue.name)

    def _drain(self) -> bool:
        """Read what has come; returns whether there was progress.

        Raises:
            OperationalError: the connection is lost.
        """
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.drain()
        finally:
            confirms = connection.core.receiver.confirms
            progress = bool(confirms)
            for channel, tag, multiple in confirms:
                if channel == _CHANNEL:
                    self._window.confirm(tag, multiple)
            confirms.clear()
            if progress:
                self._progress = SYSTEM.monotonic()
            if progress or self._window.failures:
                self._due += self._window.take_watchers()
        if self._reopen is not None:
            self._reopen_channel(connection, self._reopen)
        return progress

    def _on_event(self, event: events.Event) -> None:
        window = self._window
        if isinstance(event, events.Returned):
            self._on_returned(event)
        elif isinstance(event, events.Refused):
            window.refuse(event.tag, event.multiple, PublishError("RabbitMQ refused a message (basic.nack): its queue is full or failed"))
        elif isinstance(event, events.Blocked):
            self._blocked = event.reason or "alarm"
        elif isinstance(event, events.Unblocked):
            self._blocked = None
            self._progress = SYSTEM.monotonic()
        elif isinstance(event, events.ChannelClosed) and event.channel == _CHANNEL:
            self._reopen = event

    def _on_returned(self, event: events.Returned) -> None:
        ident = event.content[3].get("correlation_id")
        where = f"exchange {event.exchange!r}, routing key {event.routing_key!r}"
        error = MessageReturned(f"no queue is bound to {where}: the message{f' {ident}' if ident else ''} was returned ({event.text})")
        needle = (ident or "").encode()
        address = (event.exchange, event.routing_key)
        once = iter((True,))  # an equal message may be in flight twice; the other one will be returned too
        self._window.refuse_where(
            lambda frames: address_of(frames) == address and needle in frames and event.body in frames and next(once, False), error
        )

    def _reopen_channel(self, connection: BlockingConnection, closed: events.ChannelClosed) -> None:
        """The broker closed the channel over one message: drop that one, publish the others again."""
        self._reopen = None
        error = PublishError(f"RabbitMQ refused a message: {closed.code} {closed.text}")
        refused = 0
        if found := _EXCHANGE.search(closed.text):
            name = found[1]
            refused = self._window.refuse_where(lambda frames: (address_of(frames)[0] or "amq.default") == (name or "amq.default"), error)
        elif found := _SIZE.search(closed.text):
            size = int(found[1])
            refused = self._window.refuse_where(lambda frames: size_of(frames) == size, error)
        if not refused:  # it may have been any of them, and keeping it would close the channel again
            self._window.refuse_where(lambda _: True, error)
        self._due += self._window.take_watchers()
        connection.open_channel(_CHANNEL, SYSTEM.monotonic() + self._options.connect_timeout, confirm=True)
        self._replay(connection)

    def _make_room(self, started: float, deadline: float) -> None:
        """Wait until the window has room and the broker takes messages.

        Raises:
            OperationalError: it does not in time.
        """
        window = self._window
        while self._blocked is not None or len(window) >= self._options.window or window.bytes > MOST_BYTES:
            self._tend()
            if self._connection is None or self._connection.broken is not None:
                self._connect(started, deadline)
            if window.failures:
                self._raise_failure()
            left = deadline - SYSTEM.monotonic()
            if self._failed is not None and self._failed[0] >= started:
                left = 0.0
            if left <= 0:
                error = self._full()
                self._failed = (SYSTEM.monotonic(), error)
                raise error
            assert self._connection is not None
            self._connection.readable(min(left, _LONGEST_LOOK))
        self._failed = None

    def _full(self) -> OperationalError:
        if self._blocked is not None:
            return BrokerBlocked(f"RabbitMQ takes no messages now ({self._blocked}); {len(self._window)} are waiting to be confirmed")
        return OperationalError(f"RabbitMQ has not confirmed {len(self._window)} messages; no more are taken until it does")

    def _tend(self) -> bool:
        """Write, read, look at silences; returns whether there was progress. Never raises: what is lost is seen at the connection."""
        connection = self._connection
        if connection is None or connection.broken is not None:
            return False
        try:
            if self._buffer:
                self._attempt_write()
            progress = self._drain()
        except OperationalError:
            return False
        silence = SYSTEM.monotonic() - self._progress
        if self._window and self._blocked is None and silence > self._options.publish_timeout:
            connection.drop(f"RabbitMQ has not confirmed anything for {silence:.0f} s")
        return progress

    def _raise_failure(self, number: int | None = None) -> None:
        """Raise the failure of one message, or of any and all so far.

        Raises:
            PublishError: a message was refused or returned.
        """
        with self._lock:
            failures = self._window.failures
            if not failures:
                return
            if number is not None:
                mine = next((failure for failure in failures if failure.number == number), None)
                if mine is not None:
                    failures.remove(mine)
                    raise mine.error
                return
            self._window.failures = []
        error = failures[0].error
        if len(failures) > 1:
            raise type(error)(f"{error} (and {len(failures) - 1} more messages)")
        raise error

    # --- without the lock

    def _await(self, number: int, deadline: float) -> None:
        """Return when the message with this number and all before it are confirmed or refused.

        Raises:
            OperationalError: they are not in time.
        """
        cause: OperationalError | None = None
        while True:
            with self._lock:
                self._tend()
                oldest = self._window.oldest()
                if oldest is None or oldest > number:
                    return
                connection = self._connection
                if connection is None or connection.broken is not None:
                    try:
                        self._connect(SYSTEM.monotonic(), deadline)
                        connection = self._connection
                    except OperationalError as error:
                        cause = error
                waiting = len(self._window)
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                reason = f": {self._blocked}" if self._blocked else f": {cause}" if cause else ""
                kind = BrokerBlocked if self._blocked else OperationalError
                raise kind(f"{waiting} messages are not confirmed by RabbitMQ{reason}")
            if connection is None or connection.broken is not None:
                time.sleep(min(left, 0.05))
            else:
                connection.readable(min(left, _LONGEST_LOOK))

    def _tell(self) -> None:
        """Call the watchers whose time has come."""
        if not self._due:
            return
        with self._lock:
            due, self._due = self._due, []
        for watcher, error in due:
            try:
                watcher(error)
            except Exception:
                logger.exception("a callback of on_confirmed failed")

    def _attend(self, now: float) -> None:
        """Have the attendant look after what is in flight; called under the lock."""
        self._busy = self._attentive = True
        self._progress = now
        if self._attendant is None or not self._attendant.is_alive():
            self._attendant = threading.Thread(target=_attendance, args=(weakref.ref(self), self._wake), daemon=True, name="umbel-confirms")
            self._attendant.start()
        self._wake.set()

    def attend(self) -> float | None:
        """One look of the attendant; returns seconds until the next, or ``None`` when there is nothing to look after."""
        pause: float | None = _LOOK
        with self._lock:
            progress = self._tend()
            lost = self._connection is None or self._connection.broken is not None
            if self._window and lost:
                pause = self._reconnect()
            elif not self._window and not self._buffer:
                self._busy = self._attentive = False
                pause = None
            else:
                self._attentive = progress or SYSTEM.monotonic() - self._wrote < _LONGEST_LOOK
                if not self._attentive:
                    self._attempt_write()
                    pause = -_LONGEST_LOOK
            connection = self._connection
        self._tell()
        if pause is not None and pause < 0 and connection is not None:
            connection.readable(-pause)
            return 0.0
        return pause

    def _reconnect(self) -> float:
        """Try once to connect again; returns how long to wait before the next try."""
        self._attentive = False
        try:
            self._connect_once(SYSTEM.monotonic() + self._options.connect_timeout * len(self._nodes))
        except OperationalError as error:
            self._pauses = getattr(self, "_pauses", None) or delays()
            pause = next(self._pauses)
            logger.warning("%d messages wait for RabbitMQ; trying again in %.1f s: %s", len(self._window), pause, error)
            return pause
        self._pauses = None
        logger.info("reconnected to %s; %d unconfirmed messages were published again", self._nodes[self._first], len(self._window))
        return _LOOK

    def at_exit(self) -> None:
        """Flush before the interpreter ends."""
        if not self._window and not self._window.failures:
            return
        try:
            self.close()
        except OperationalError as error:
            logger.error("messages may be lost at exit: %s", error)


def _attendance(publisher: weakref.ref[AmqpPublisher], wake: threading.Event) -> None:
    """The attendant's thread; it ends with its publisher."""
    while True:
        if not wake.wait(5.0):
            if publisher() is None:
                return
            continue
        wake.clear()
        while True:
            me = publisher()
            if me is None:
                return
            pause = me.attend()
            del me
            if pause is None:
                break
            time.sleep(pause)


def _forget(publisher: weakref.ref[AmqpPublisher]) -> None:
    me = publisher()
    if me is not None:
        me.forget()


def _at_exit(publisher: weakref.ref[AmqpPublisher]) -> None:
    me = publisher()
    if me is not None:
        me.at_exit()
