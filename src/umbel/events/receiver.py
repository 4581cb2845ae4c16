"""`EventReceiver`: hands events to functions, for monitors and scripts. Names and arguments are Celery's."""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from umbel import current
from umbel.brokers.connection_handle import ConnectionHandle
from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.brokers.fanout.private_queues import event_queue
from umbel.brokers.topology import Queue
from umbel.events.parsing import Parsed, parsed_or_refused
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Delivery
from umbel.wire.serializers import content_types

#: Seconds after which `EventReceiver.should_stop` is looked at.
_LOOK: Final = 0.5

Handler = Callable[[dict[str, Any]], object]


class EventReceiver:
    """Receives events, and calls a handler for each.

    A lost connection is made anew; what was sent meanwhile is not received. Where handlers are slow, a bounded number of messages waits, and the oldest
    are dropped (`dropped`).

    Args:
        channel: what `umbel.Umbel.connection` returns, or ``None``; the app's broker is asked.
        handlers: functions by types of events; ``"*"`` stands for all types that have none.
        routing_key: which events, e.g. ``task.#`` or ``worker.*``.
        node_id: of this receiver; a new UUID when not given.
        app: whose broker; the current app when not given.
        queue_prefix: in place of the setting ``event_queue_prefix``.
        accept: content types or serializers that may be decoded; JSON and ``event_serializer`` when not given.
        queue_ttl: in place of ``event_queue_ttl``, seconds.
        queue_expires: in place of ``event_queue_expires``, seconds.
        queue_exclusive: in place of ``event_queue_exclusive``.
        queue_durable: in place of ``event_queue_durable``.
    """

    #: Of a class that an app has made (``app.events.Receiver``).
    app: Any = None

    def __init__(  # noqa: PLR0913, PLR0917 - Celery's
        self,
        channel: Any = None,
        handlers: Mapping[str, Handler] | None = None,
        routing_key: str = "#",
        node_id: str | None = None,
        app: Any = None,
        queue_prefix: str | None = None,
        accept: Iterable[str] | None = None,
        queue_ttl: float | None = None,
        queue_expires: float | None = None,
        queue_exclusive: bool | None = None,
        queue_durable: bool | None = None,
    ) -> None:
        self.app = app or self.app or current.find_app()
        conf = self.app.conf
        self.channel = channel
        self.handlers: dict[str, Handler] = dict(handlers or {})
        self.routing_key = routing_key
        self.node_id: str = node_id or str(uuid.uuid4())
        self.accept: frozenset[str] = content_types({"json", conf.event_serializer} if accept is None else accept)
        self.queue: Queue = event_queue(
            self.node_id,
            [routing_key],
            exchange=conf.event_exchange,
            prefix=queue_prefix or conf.event_queue_prefix,
            expires=conf.event_queue_expires if queue_expires is None else queue_expires,
            message_ttl=conf.event_queue_ttl if queue_ttl is None else queue_ttl,
            exclusive=conf.event_queue_exclusive if queue_exclusive is None else queue_exclusive,
            durable=conf.event_queue_durable if queue_durable is None else queue_durable,
        )
        #: Set it to end `capture`, from a handler or another thread.
        self.should_stop = False
        #: Events that were left out because they were none.
        self.refused: int = 0
        #: Messages that were dropped because the handlers were too slow.
        self.dropped: int = 0
        self._waiting: deque[dict[str, Any]] = deque()

    def process(self, type: str, event: dict[str, Any]) -> None:
        """Call the handler of an event; what it raises ends `capture`.

        Args:
            type: of the event.
            event: its fields.
        """
        handler = self.handlers.get(type) or self.handlers.get("*")
        if handler is not None:
            handler(event)

    def capture(self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True) -> None:
        """Hand on events until told to stop.

        Args:
            limit: stop after so many events.
            timeout: seconds to wait for the next event.
            wakeup: ask all workers for a heartbeat first, so that they are known at once.

        Raises:
            OperationalError: the broker cannot be reached at the beginning, or does not let us in.
            TimeoutError: no event came in time.
        """
        for _ in self.itercapture(limit=limit, timeout=timeout, wakeup=wakeup):
            pass

    def itercapture(self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True) -> Iterator[dict[str, Any]]:
        """Hand on events, and yield each when its handler has returned.

        Args:
            limit: as for `capture`.
            timeout: as for `capture`.
            wakeup: as for `capture`.

        Raises:
            OperationalError: as for `capture`.
            TimeoutError: as for `capture`.
        """
        with self._subscribed() as subscriber:
            if wakeup:
                self.wakeup_workers()
            count = 0
            while not self.should_stop and (limit is None or count < limit):
                event = self._next(subscriber, timeout)
                if event is not None:
                    self.process(event["type"], event)
                    count += 1
                    yield event

    consume = itercapture

    def wakeup_workers(self, channel: Any = None) -> None:  # noqa: ARG002 - Celery's
        """Ask all workers for a heartbeat.

        Args:
            channel: ignored; the app's broker is asked.
        """
        broadcast = getattr(self.app.control, "broadcast", None)
        if broadcast is not None:
            broadcast("heartbeat")

    def event_from_message(self, body: dict[str, Any], localize: bool = True) -> tuple[str, dict[str, Any]]:  # noqa: ARG002 - Celery's
        """Complete an event: when it came, and its clock, by which that of the app is adjusted.

        A client knows no other clocks, so what it has sent counts as sent just before it came.

        Args:
            body: the event.
            localize: ignored; times are seconds since the epoch, which are the same everywhere.
        """
        clock = self.app.clock
        if body["type"] == "task-sent":
            body["clock"] = max(1, clock.value)
        elif "clock" in body:
            clock.adjust(body["clock"])
        else:
            body["clock"] = clock.forward()
        body["local_received"] = SYSTEM.now()
        return body["type"], body

    @contextlib.contextmanager
    def consumer_context(self) -> Iterator[tuple[Any, Any, list[Any]]]:
        """Listen inside this block; yields a connection, whose ``drain_events(timeout=…)`` hands on what has come, and Celery's channel and consumers."""
        with self._subscribed() as subscriber:

            def drain_events(timeout: float | None = None) -> None:
                event = self._next(subscriber, timeout, patient=timeout is None)
                while event is not None:
                    self.process(event["type"], event)
                    event = self._waiting.popleft() if self._waiting else None

            connection = self.channel if isinstance(self.channel, ConnectionHandle) else ConnectionHandle(lambda: self.app.broker)
            with connection.draining(drain_events):
                yield connection, connection, []

    @contextlib.contextmanager
    def _subscribed(self) -> Iterator[BlockingSubscriber]:
        subscriber = BlockingSubscriber(self.app.broker.subscriber(self.queue))
        try:
            with subscriber:
                yield subscriber
        finally:
            self.dropped += subscriber.dropped

    def _next(self, subscriber: BlockingSubscriber, timeout: float | None, *, patient: bool = False) -> dict[str, Any] | None:
        """Return the next event; ``None`` when it is time to look whether to stop.

        Args:
            subscriber: an open one.
            timeout: seconds.
            patient: wait as long as nothing comes.

        Raises:
            TimeoutError: none came in time.
        """
        end = None if timeout is None else SYSTEM.monotonic() + timeout
        while not self._waiting:
            left = _LOOK if end is None else max(0.0, end - SYSTEM.monotonic())
            for delivery in subscriber.receive(min(_LOOK, left)):
                self._waiting += self._parsed(delivery).events
            if self._waiting:
                break
            if self.should_stop or (end is None and not patient):
                return None
            if end is not None and SYSTEM.monotonic() >= end:
                raise TimeoutError(f"no event came within {timeout:g} s")
        return self._waiting.popleft()

    def _parsed(self, delivery: Delivery) -> Parsed:
        found = parsed_or_refused(delivery, self.accept, SYSTEM.now())
        self.refused += found.refused
        for event in found.events:
            self.event_from_message(event)
        return found
