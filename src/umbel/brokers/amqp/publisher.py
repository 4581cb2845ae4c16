"""The blocking publisher: confirms on, pipelined, replayed over the next connection.

Who does what:

- `publish` renders the message, remembers it in the window and writes it. In a tight loop it only buffers, and every 16 KiB or
  millisecond one write takes the buffer along.
- The *attendant*, a daemon thread, lives while something is unconfirmed: every few milliseconds it writes what is buffered, reads
  confirms, reconnects when the connection is lost and publishes the unconfirmed messages again. While the broker is silent it is
  not attentive: it waits for the socket, and `publish` writes at once.
- `flush` and a full window do the attendant's work in the caller's thread.

All of them hold the one lock while they touch the pipeline. Callbacks run without it.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import islice

from umbel.brokers.amqp.addresses import Address
from umbel.brokers.amqp.pipeline import CHANNEL, Pipeline
from umbel.brokers.amqp.sockets import ChannelError
from umbel.brokers.amqp.window import MOST_BYTES
from umbel.brokers.base import BrokerOptions
from umbel.brokers.retries import Retries
from umbel.brokers.topology import Destination, Queue
from umbel.errors import AccessRefused, BrokerBlocked, OperationalError, PublishError
from umbel.messages.model import Message, Stencil
from umbel.runtime import lifetime
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.amqp.rendering import CompiledStencil, render_message, render_publish

logger = logging.getLogger("umbel.brokers.amqp")

#: Seconds that a message may wait in the buffer for company, and bytes at which the buffer is written.
_COMPANY = 0.001
_BUFFER = 16 * 1024
#: Seconds between two messages within which a caller is taken to be in a tight loop, so that company is on its way.
_TIGHT = 0.0002
#: Seconds of idleness after which the socket is looked at before a write.
_STALE_AFTER = 0.1
#: Seconds between two looks of the attendant: in a tight loop or while somebody waits for confirms; for single messages, whose caller
#: may be waiting for a result and needs the interpreter more; and the longest, when no confirms come.
_LOOK, _LAZY_LOOK, _LONGEST_LOOK = 0.001, 0.005, 0.05
#: Seconds without a message after which its thread ends with its publisher.
_REST = 5.0
#: Compiled stencils and addresses kept.
_MOST_KEPT = 2000


class AmqpPublisher:
    """See `umbel.brokers.base.Publisher`."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._retries = Retries(options.publish_retries)
        self._declared: dict[str, Queue] = {}
        self._stencils: dict[Stencil, CompiledStencil] = {}
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        self._reset()
        lifetime.attach(after_fork=self.forget, before_exit=self.at_exit)

    def _reset(self) -> None:
        """No connection, nothing in flight, no thread."""
        self._lock = threading.RLock()
        self._pipe = Pipeline(self._nodes, self._options, self._declared)
        self._wrote = 0.0
        self._put_at = self._tight_at = 0.0
        #: When connecting last failed, and how: not the exception, whose traceback would keep the caller's variables.
        self._failed: tuple[float, type[OperationalError], str] | None = None
        self._pauses = delays(most=3.0)
        self._attendant: threading.Thread | None = None
        #: The attendant is at work; and looks every few milliseconds, so that messages may wait for it.
        self._busy = self._attentive = False
        self._wake = threading.Event()

    def forget(self) -> None:
        """In a forked child: the connection and what is in flight belong to the parent."""
        pipe = self._pipe
        self._reset()
        pipe.drop("the connection belongs to the parent process")

    # publishing

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        started = SYSTEM.monotonic()
        frames = self._render(message, to)
        deadline = started + (self._options.publish_timeout if timeout is None else timeout)
        with self._lock:
            if to.queue is not None and to.queue.name not in self._pipe.ready:
                self._declare(to.queue, started, deadline)
            if to.exchange and to.exchange not in self._pipe.exchanges:
                self._look_up(to.exchange, started, deadline)
            number = self._put(frames, started, deadline)
        if confirm:
            self._await(number, deadline)
            self._raise_failure(number)
        if self._pipe.due:
            self._tell()

    def publish_stencil(
        self, stencil: Stencil, task_id: str, root_id: str, parent_id: str | None, argsrepr: str, kwargsrepr: str, body: bytes
    ) -> None:
        compiled = self._stencils.get(stencil) or self._compile(stencil)
        frames = compiled.render(task_id, root_id, parent_id, argsrepr, kwargsrepr, body, self._pipe.frame_max)
        started = SYSTEM.monotonic()
        with self._lock:
            if stencil.exchange and stencil.exchange not in self._pipe.exchanges:
                self._look_up(stencil.exchange, started, started + self._options.publish_timeout)
            self._put(frames, started, started + self._options.publish_timeout)
        if self._pipe.due:
            self._tell()

    def publish_many(self, messages: Iterable[tuple[Message, Destination]], *, confirm: bool = False) -> int:
        count, number, left = 0, 0, iter(messages)
        while batch := [(self._render(message, to), to) for message, to in islice(left, 256)]:
            started = SYSTEM.monotonic()
            deadline = started + self._options.publish_timeout
            with self._lock:
                for frames, to in batch:
                    if to.queue is not None and to.queue.name not in self._pipe.ready:
                        self._declare(to.queue, started, deadline)
                    if to.exchange and to.exchange not in self._pipe.exchanges:
                        self._look_up(to.exchange, started, deadline)
                    number = self._put(frames, started, deadline)
                    count += 1
                self._pipe.write_buffer()
        if confirm and count:
            self._await(number, SYSTEM.monotonic() + self._options.publish_timeout)
            self._raise_failure()
        self._tell()
        return count

    def would_block(self) -> bool:
        return self._pipe.is_lost or len(self._pipe.window) >= self._options.window // 2

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        return self._retries.limited(retries)

    def declare(self, queue: Queue) -> None:
        started = SYSTEM.monotonic()
        with self._lock:
            if queue.name not in self._pipe.ready:
                self._declare(queue, started, started + self._options.publish_timeout)

    def flush(self, timeout: float | None = None) -> None:
        deadline = SYSTEM.monotonic() + (self._options.publish_timeout if timeout is None else timeout)
        self._await(self._pipe.window.number, deadline)
        self._raise_failure()
        self._tell()

    def on_confirmed(self, callback: Callable[[BaseException | None], None]) -> None:
        with self._lock:
            self._pipe.window.watch(callback)
            self._pipe.due += self._pipe.window.take_watchers()
        self._tell()

    def close(self) -> None:
        try:
            if self._pipe.window or self._pipe.window.failures:
                self.flush()
        finally:
            with self._lock:
                self._pipe.close()

    # rendering

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

    def _put(self, frames: bytes, started: float, deadline: float) -> int:
        """Remember a message and write it, at once or with its successors; returns its number.

        Args:
            started: when the caller came, in seconds of the monotonic clock.
            deadline: when to give up.
        """
        pipe = self._pipe
        window = pipe.window
        if window.failures:
            self._raise_failure()
        if pipe.is_lost or (not self._busy and started - self._wrote > _STALE_AFTER):
            self._ensure(started, deadline)
        if pipe.blocked is not None or len(window) >= self._options.window or window.bytes >= MOST_BYTES:
            self._make_room(started, deadline)
        number = window.add(frames)
        pipe.buffer.append(frames)
        pipe.buffered += len(frames)
        is_tight, self._put_at = started - self._put_at < _TIGHT, started
        if is_tight:
            self._tight_at = started
        if not (is_tight and self._attentive) or pipe.buffered > _BUFFER or started - self._wrote > _COMPANY:
            self._wrote = started
            pipe.write_buffer()
            if ARMED:
                hit("after_write_before_confirm")
        if not self._busy:
            self._attend(started)
        return number

    def _declare(self, queue: Queue, started: float, deadline: float) -> None:
        """Declare a queue."""
        self._arrange(lambda: self._pipe.declare(queue, deadline), f"the queue {queue.name!r} cannot be declared", started, deadline)

    def _look_up(self, exchange: str, started: float, deadline: float) -> None:
        """See that an exchange is there, before the first message to it."""
        what = f"the exchange {exchange!r} cannot be published to"
        self._arrange(lambda: self._pipe.look_up(exchange, deadline), what, started, deadline)

    def _arrange(self, work: Callable[[], None], failed: str, started: float, deadline: float) -> None:
        """Do something before a message is written, over as many connections as the retries allow."""
        retries = self._retries.allowed
        for attempt, pause in enumerate(delays(0.05, 2.0, 1.0)):
            self._ensure(started, deadline)
            try:
                work()
            except ChannelError as error:
                raise PublishError(f"{failed}: {error}") from error
            except OperationalError:
                if not self._pipe.is_lost or attempt >= retries or SYSTEM.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
            else:
                return

    def _ensure(self, started: float, deadline: float) -> None:
        """Have a connection that works, as far as one can see."""
        self._pipe.tend()
        if self._pipe.is_lost:
            self._connect(started, deadline)

    def _connect(self, started: float, deadline: float) -> None:
        """Connect, with retries; a caller that waited for the lock while another one failed fails with it.

        Raises:
            OperationalError: after the retries, or a little later than the connect timeout.
        """
        if self._failed is not None and self._failed[0] >= started:
            raise self._failed[1](self._failed[2])
        deadline = min(deadline, SYSTEM.monotonic() + self._options.connect_timeout * len(self._nodes) + 0.5)
        retries = self._retries.allowed
        for attempt, pause in enumerate(delays(0.05, 2.0, 1.0)):
            try:
                self._pipe.connect(deadline)
            except OperationalError as error:
                if isinstance(error, AccessRefused) or attempt >= retries or SYSTEM.monotonic() + pause >= deadline:
                    self._remember(error)
                    raise
                time.sleep(pause)
            else:
                self._failed = None
                return

    def _remember(self, error: OperationalError) -> None:
        # Of a channel error, which is made of a code and a text, the text will do.
        self._failed = (SYSTEM.monotonic(), OperationalError if isinstance(error, ChannelError) else type(error), str(error))

    def _make_room(self, started: float, deadline: float) -> None:
        """Wait until the window has room and the broker takes messages.

        When it was full, it waits for a quarter of it, so that what follows leaves in large writes again.

        Raises:
            OperationalError: there is no room in time.
        """
        pipe = self._pipe
        window = pipe.window
        while True:
            pipe.tend()
            if pipe.is_lost:
                self._connect(started, deadline)
            if window.failures:
                self._raise_failure()
            if self._has_room(0.75):
                return
            left = deadline - SYSTEM.monotonic()
            if left <= 0 or (self._failed is not None and self._failed[0] >= started):
                if self._has_room(1.0):
                    return
                error = self._full()
                self._remember(error)
                raise error
            if pipe.connection is not None and pipe.connection.readable(min(left, _LONGEST_LOOK)):
                time.sleep(_LOOK)  # confirms come one by one: take many at a time

    def _has_room(self, share: float) -> bool:
        pipe = self._pipe
        return pipe.blocked is None and len(pipe.window) < self._options.window * share and pipe.window.bytes < MOST_BYTES * share

    def _full(self) -> OperationalError:
        waiting = len(self._pipe.window)
        if self._pipe.blocked is not None:
            return BrokerBlocked(f"RabbitMQ takes no messages now ({self._pipe.blocked}); {waiting} are waiting to be confirmed")
        return OperationalError(f"RabbitMQ has not confirmed {waiting} messages; no more are taken until it does")

    def _raise_failure(self, number: int | None = None) -> None:
        """Raise the failure of one message, or of any and all so far.

        Raises:
            PublishError: a message was refused or returned.
        """
        with self._lock:
            window = self._pipe.window
            failures = window.failures
            if number is not None:
                failures = [failure for failure in failures if failure.number == number]
            if not failures:
                return
            window.failures = [failure for failure in window.failures if failure not in failures]
        raise failures[0].raised(len(failures) - 1)

    # without the lock

    def _await(self, number: int, deadline: float) -> None:
        """Return when the message with this number and all before it are confirmed or refused.

        Raises:
            OperationalError: they are not in time.
        """
        cause = ""
        while True:
            with self._lock:
                pipe = self._pipe
                pipe.tend()
                oldest = pipe.window.oldest()
                if oldest is None or oldest > number:
                    return
                if pipe.is_lost:
                    try:
                        self._connect(SYSTEM.monotonic(), deadline)
                    except OperationalError as error:
                        cause = f": {error}"
                waiting, connection = len(pipe.window), pipe.connection
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                reason = f": {pipe.blocked}" if pipe.blocked else cause
                kind = BrokerBlocked if pipe.blocked else OperationalError
                raise kind(f"{waiting} messages are not confirmed by RabbitMQ{reason}")
            if connection is None or connection.broken is not None:
                time.sleep(min(left, _LONGEST_LOOK))
            else:
                connection.readable(min(left, _LONGEST_LOOK))

    def _tell(self) -> None:
        """Call the watchers whose time has come."""
        if not self._pipe.due:
            return
        with self._lock:
            due, self._pipe.due = self._pipe.due, []
        for watcher, error in due:
            try:
                watcher(error)
            except Exception:
                logger.exception("a callback of on_confirmed failed")

    # the attendant

    def _attend(self, now: float) -> None:
        """Have the attendant look after what is in flight; called under the lock."""
        self._busy = True
        self._pipe.progress = now
        if self._attendant is None or not self._attendant.is_alive():
            self._attendant = threading.Thread(target=_attendance, args=(weakref.ref(self), self._wake), daemon=True, name="umbel-confirms")
            self._attendant.start()
        self._wake.set()

    def attend(self) -> float | None:
        """One look of the attendant; returns seconds until the next, or ``None`` when there is nothing to look after."""
        with self._lock:
            pipe = self._pipe
            progress = pipe.tend()
            if not pipe.window and not pipe.buffer:
                self._busy = self._attentive = False
                pause, connection = None, None
            elif pipe.is_lost:
                pause, connection = self._reconnect(), None
            else:
                self._attentive = SYSTEM.monotonic() - self._tight_at < _LONGEST_LOOK
                pause = _LOOK if self._attentive or pipe.window.is_watched else _LAZY_LOOK
                connection = None if self._attentive or progress else pipe.connection
        self._tell()
        if connection is not None:
            connection.readable(_LONGEST_LOOK)
        return pause

    def _reconnect(self) -> float:
        """Try once to connect again; returns how long to wait before the next try."""
        self._attentive = False
        waiting = len(self._pipe.window)
        try:
            self._pipe.connect(SYSTEM.monotonic() + self._options.connect_timeout * len(self._nodes))
        except OperationalError as error:
            pause = next(self._pauses)
            logger.warning("%d messages wait for RabbitMQ; trying again in %.1f s: %s", waiting, pause, error)
            return pause
        self._pauses = delays(most=3.0)
        logger.info("connected to %s again; %d unconfirmed messages were published again", self._pipe.node, waiting)
        return _LOOK

    def at_exit(self) -> None:
        """Flush before the interpreter ends."""
        if not self._pipe.window and not self._pipe.window.failures:
            return
        try:
            self.close()
        except OperationalError as error:
            logger.error("messages may be lost at exit: %s", error)
            with self._lock:
                self._reset()  # the app closes this publisher once more, and must not wait for them as long again


def _attendance(publisher: weakref.ref[AmqpPublisher], wake: threading.Event) -> None:
    """The attendant's thread; it ends with its publisher."""
    while publisher() is not None:
        if not wake.wait(_REST):
            continue
        wake.clear()
        pause: float | None = _LOOK
        while pause is not None:
            time.sleep(pause)
            me = publisher()
            pause = None if me is None else me.attend()
            del me
