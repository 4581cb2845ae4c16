"""`RelayService`: relays in a worker, in threads beside its event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from umbel.contrib.outbox.base import Writer
from umbel.contrib.outbox.publisher import TransactionalPublisher
from umbel.contrib.outbox.relay import Relay
from umbel.runtime.service import Service

_PATIENCE: Final = 8.0


class RelayService(Service):
    """Runs relays as long as a worker does.

    Args:
        relays: of the app's outboxes.
    """

    def __init__(self, relays: Sequence[Relay]) -> None:
        super().__init__()
        self._relays = relays
        self._threads: list[threading.Thread] = []

    async def begin(self) -> None:
        self._threads = [threading.Thread(target=relay.run, name=f"umbel-relay-{relay.name}", daemon=True) for relay in self._relays]
        for thread in self._threads:
            thread.start()

    async def end(self) -> None:
        for relay in self._relays:
            relay.stop()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, _PATIENCE)


def connect(app: Any, writer: Callable[[], Writer | None], relays: Callable[[], Sequence[Relay]]) -> None:
    """Have the calls of an app go through an outbox, and its workers relay them.

    Args:
        app: the app.
        writer: finds what writes in the transaction that is open here.
        relays: makes a worker's relays.
    """
    app.connections.publish_through(lambda publisher: TransactionalPublisher(publisher, writer))
    app.worker_services.append(lambda _: RelayService(relays()))


def direct_publisher(app: Any) -> Any:
    """Return the publisher of an app behind its outbox.

    Args:
        app: the app.
    """
    return app.connections.write_broker.publisher()
