"""`Events`: the events of one app, ``app.events``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.events.dispatcher import EventDispatcher
from umbel.events.receiver import EventReceiver
from umbel.events.rendering import count_of
from umbel.events.state import State


class Events:
    """Makes what receives, sends and remembers events.

    Args:
        app: whose broker, settings and clock.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._buffer: BroadcastBuffer | None = None

    @property
    def Receiver(self) -> type[EventReceiver]:  # noqa: N802 - Celery's name
        """The class of receivers of this app's events."""
        return type("EventReceiver", (EventReceiver,), {"app": self._app, "__doc__": EventReceiver.__doc__})

    @property
    def Dispatcher(self) -> type[EventDispatcher]:  # noqa: N802 - Celery's name
        """The class of dispatchers to this app's broker."""
        return type("EventDispatcher", (EventDispatcher,), {"app": self._app, "__doc__": EventDispatcher.__doc__})

    State = State

    @contextlib.contextmanager
    def default_dispatcher(
        self,
        hostname: str | None = None,
        enabled: bool = True,
        buffer_while_offline: bool = False,  # noqa: ARG002 - Celery's; they always wait
    ) -> Iterator[EventDispatcher]:
        """Make a dispatcher for a block: ``with app.events.default_dispatcher() as dispatcher: dispatcher.send("custom-thing")``.

        Args:
            hostname: of the sender; the app's when not given.
            enabled: send events.
            buffer_while_offline: ignored; they always wait for a broker that is away.
        """
        with EventDispatcher(hostname=hostname, enabled=enabled, app=self._app) as dispatcher:
            yield dispatcher

    @property
    def buffer(self) -> BroadcastBuffer:
        """The buffer by which this process sends events; its thread starts with the first one."""
        with self._lock:
            if self._buffer is None:
                self._buffer = BroadcastBuffer(self._app.connections.write_broker.broadcaster(), weigh=count_of)
            return self._buffer

    def close(self) -> None:
        """Send what waits, for two seconds at most."""
        with self._lock:
            buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.close()

    def forget(self) -> None:
        """Drop what a forked process has of its parent."""
        self._lock = threading.Lock()
        self._buffer = None
