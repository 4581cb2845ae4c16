"""The service that brings messages in: from the broker to admission."""

from __future__ import annotations

from collections.abc import Callable

from umbel.brokers.base import Consumer, DeliverySink
from umbel.runtime.service import Service


class Consuming(Service):
    """Starts and closes the broker's consumer.

    Args:
        consumer: of the broker.
        sink: gets the deliveries.
        prepare: called before the first delivery may come.
    """

    stop_timeout: float | None = None  # the consumer knows its own limits

    def __init__(self, consumer: Consumer, sink: DeliverySink, prepare: Callable[[], None]) -> None:
        super().__init__()
        self._consumer = consumer
        self._sink = sink
        self._prepare = prepare

    async def begin(self) -> None:
        """Connect.

        Raises:
            OperationalError: the broker cannot be reached, or does not let us in.
        """
        self._prepare()
        await self._consumer.start(self._sink)

    async def end(self) -> None:
        await self._consumer.aclose()
