"""`EventDispatcher`: sends events of one's own. Names and arguments are Celery's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from umbel import current
from umbel.brokers.fanout.private_queues import event_exchange
from umbel.brokers.topology import Exchange
from umbel.events.model import group_of
from umbel.events.rendering import EventRenderer, Routed
from umbel.runtime.clock import SYSTEM

#: Events that wait in a group before they are sent.
BUFFER_LIMIT = 24


def Event(type: str, _fields: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:  # noqa: N802 - Celery's name
    """Make an event: a dict with its type and time.

    Args:
        type: of the event.
        _fields: its fields.
        fields: more of them.
    """
    event = {**(_fields or {}), **fields, "type": type}
    event.setdefault("timestamp", SYSTEM.now())
    return event


class EventDispatcher:
    """Sends events. Nothing it does waits for the broker: a thread sends what is buffered, and drops the oldest while the broker is away for too long.

    Args:
        connection: ignored; the app's broker gets the events.
        hostname: of the sender; the app's when not given.
        enabled: send events.
        channel: ignored, like ``connection``.
        buffer_while_offline: ignored; they always are.
        app: whose broker; the current app when not given.
        serializer: in place of the setting ``event_serializer``.
        groups: send events of these groups only, e.g. ``["worker"]``.
        delivery_mode: 1 or 2.
        buffer_group: groups whose events wait for company until `flush`.
        buffer_limit: how many of them, at most.
        on_send_buffered: called when one of them waits.
    """

    #: Of a class that an app has made (``app.events.Dispatcher``).
    app: Any = None

    def __init__(  # noqa: PLR0913, PLR0917 - Celery's
        self,
        connection: Any = None,
        hostname: str | None = None,
        enabled: bool = True,
        channel: Any = None,
        buffer_while_offline: bool = True,
        app: Any = None,
        serializer: str | None = None,
        groups: Iterable[str] | None = None,
        delivery_mode: int = 1,
        buffer_group: Iterable[str] | None = None,
        buffer_limit: int = BUFFER_LIMIT,
        on_send_buffered: Callable[[], object] | None = None,
    ) -> None:
        self.app = app or self.app or current.find_app()
        self.connection: Any = connection or channel or self.app.connection()
        self.hostname: str = hostname or self.app.hostname
        self.serializer: str = serializer or self.app.conf.event_serializer
        self.buffer_while_offline = buffer_while_offline
        self.groups: set[str] = set(groups or ())
        self.buffer_group: frozenset[str] = frozenset(buffer_group or ())
        self.buffer_limit = buffer_limit
        self.on_send_buffered = on_send_buffered
        #: Called when the dispatcher is enabled or disabled.
        self.on_enabled: set[Callable[[], object]] = set()
        self.on_disabled: set[Callable[[], object]] = set()
        self.clock: Any = self.app.clock
        self.exchange: Exchange = event_exchange(self.app.conf.event_exchange)
        self.enabled: bool = enabled
        self._renderer = EventRenderer(self.hostname, self.clock, serializer=self.serializer, delivery_mode=delivery_mode)
        self._grouped: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, type: str, blind: bool = False, retry: Any = None, retry_policy: Any = None, **fields: Any) -> None:  # noqa: ARG002 - Celery's
        """Send an event soon.

        Args:
            type: e.g. ``task-progress``; the word before the first dash is its group.
            blind: do not let the logical clock go forward.
            retry: ignored; what could not be sent is sent when the broker is there again.
            retry_policy: ignored, likewise.
            fields: of the event; what the serializer can write.

        Raises:
            EncodeError: a field cannot be written.
        """
        group = group_of(type)
        if not self.enabled or (self.groups and group not in self.groups):
            return
        event = self._renderer.event(type, fields)
        if blind:
            event["clock"] = None
        if group in self.buffer_group:
            waiting = self._grouped.setdefault(group, [])
            waiting.append(event)
            if len(waiting) >= self.buffer_limit:
                self.flush()
            elif self.on_send_buffered is not None:
                self.on_send_buffered()
        else:
            self._send(self._renderer.single(event))

    def publish(self, type: str, fields: Mapping[str, Any], producer: Any = None, blind: bool = False, **_options: Any) -> None:  # noqa: ARG002 - Celery's
        """Send an event soon, whether or not the dispatcher is enabled.

        Args:
            type: as for `send`.
            fields: as for `send`.
            producer: ignored.
            blind: as for `send`.
            _options: ignored.

        Raises:
            EncodeError: a field cannot be written.
        """
        event = self._renderer.event(type, fields)
        self._send(self._renderer.single({**event, "clock": None} if blind else event))

    def flush(self, errors: bool = True, groups: bool = True) -> None:  # noqa: ARG002 - Celery's
        """Send the events that wait for company.

        Args:
            errors: ignored; what the broker has not taken is sent without being asked for.
            groups: ``False`` sends nothing.
        """
        for group in list(self._grouped) if groups else ():
            waiting = self._grouped.pop(group)
            self._send(self._renderer.listed(waiting, group))

    def extend_buffer(self, other: EventDispatcher) -> None:
        """Take over the events that wait in another dispatcher.

        Args:
            other: the dispatcher.
        """
        for group, waiting in other._grouped.items():
            self._grouped.setdefault(group, []).extend(waiting)
        other._grouped.clear()

    def enable(self) -> None:
        """Send events from now on."""
        self.enabled = True
        for function in self.on_enabled:
            function()

    def disable(self) -> None:
        """Send no events any more."""
        if self.enabled:
            self.enabled = False
            self.close()
            for function in self.on_disabled:
                function()

    def close(self) -> None:
        """Send the events that wait for company."""
        self.flush()

    def _send(self, routed: Routed) -> None:
        message, routing_key = routed
        self.app.events.buffer.broadcast(self.exchange, message, routing_key)
