"""The service that keeps a worker from paused queues.

Which queues are paused the broker knows (`umbel.brokers.base.QueueClient.paused`). A thread looks there, at the start, when somebody says that it has changed,
and every second and a half, so that a worker that has not been told knows all the same. What it finds is applied on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

from umbel.brokers.base import Broker, Consumer, Delivery, QueueClient
from umbel.brokers.topology import Queue
from umbel.errors import UmbelError
from umbel.runtime.service import Service
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.holding import Holding

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two looks.
INTERVAL: Final = 1.5
#: Seconds that a start waits for the first look.
_PATIENCE: Final = 5.0


class Pausing(Service):
    """Ends the consumers of paused queues, hands back what waits here of them, and begins them again. What runs goes on.

    Args:
        broker: knows which are paused.
        consumer: of the worker.
        dispatcher, holding: have what is here and has not started.
        spawn: runs a coroutine beside the loop's other work.
    """

    def __init__(
        self,
        broker: Broker,
        consumer: Consumer,
        dispatcher: Dispatcher,
        holding: Holding,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        super().__init__()
        self._broker = broker
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._holding = holding
        self._spawn = spawn
        #: The queues that are paused, and would be consumed from otherwise.
        self.paused: dict[str, Queue] = {}
        #: Held while queues are added or cancelled, so that they are in the order in which that was asked for.
        self.changing: asyncio.Lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The thread is to look now; and to end.
        self._now = threading.Event()
        self._is_over = False
        self._looked = asyncio.Event()

    # life

    async def begin(self) -> None:
        """Learn what is paused before anything is consumed. Where the broker does not answer, the worker goes on, and learns it later."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._keep_looking, name="umbel-paused-queues", daemon=True).start()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._looked.wait()
        except TimeoutError:
            logger.warning("Which queues are paused is not known yet: the broker has not answered; until then all are consumed from")

    async def end(self) -> None:
        self._loop, self._is_over = None, True
        self._now.set()

    def look_soon(self) -> None:
        """Look now: somebody says that something has changed."""
        self._now.set()

    # from other commands; under `changing`

    async def add(self, queue: Queue) -> None:
        """Consume from one more queue, once it is not paused.

        Args:
            queue: that is consumed from.
        """
        if queue.name not in self.paused:
            await self._consumer.add_queue(queue)

    async def cancel(self, name: str) -> None:
        """Consume from one queue less, for good.

        Args:
            name: of the queue.
        """
        self.paused.pop(name, None)
        await self._consumer.cancel_queue(name)

    @property
    def queues(self) -> list[Queue]:
        """The queues that are consumed from, and those that would be."""
        return [*self._consumer.queues, *self.paused.values()]

    # on its thread

    def _keep_looking(self) -> None:
        client: QueueClient | None = None
        complained = False
        while not self._is_over:
            self._now.clear()
            names = {queue.name for queue in self.queues if not queue.is_broadcast and not queue.exclusive}
            found: set[str] | None = None
            try:
                client = client or self._broker.queue_client()
                found = client.paused(names)
                complained = False
            except Exception as error:  # what is known stays
                _close(client)
                client = None
                if not complained:
                    complained = True
                    known = isinstance(error, UmbelError)
                    logger.warning("Which queues are paused cannot be read: %s", error if known else repr(error), exc_info=not known)
            self._tell(found)
            self._now.wait(INTERVAL)
        _close(client)

    def _tell(self, found: set[str] | None) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self._learn, found)
            except RuntimeError:  # it has just closed
                self._is_over = True

    # on the loop

    def _learn(self, found: set[str] | None) -> None:
        if self._loop is None:
            return
        if self._looked.is_set():
            changes = found is not None and (found != self.paused.keys() or found)
            if changes and self._dispatcher.is_open:
                self._spawn(self.apply(found or set()))
            return
        self._spawn(self._learn_first(found or set()))

    async def _learn_first(self, found: set[str]) -> None:
        try:
            await self.apply(found)
        finally:
            self._looked.set()

    async def apply(self, found: set[str]) -> None:
        """Consume from what is not paused.

        Args:
            found: names of queues that are paused.
        """
        async with self.changing:
            for queue in [queue for queue in self._consumer.queues if queue.name in found]:
                self.paused[queue.name] = queue
                await self._consumer.cancel_queue(queue.name)
                logger.info("Queue %s is paused", queue.name)
            if self.paused:
                self._hand_back(found & self.paused.keys())
            for name in [name for name in self.paused if name not in found]:
                if not self._dispatcher.is_open:
                    return
                await self._consumer.add_queue(self.paused.pop(name))
                logger.info("Queue %s is no longer paused", name)

    def _hand_back(self, names: set[str]) -> None:
        """Give back what waits here, as it was: also what came while its consumer was being cancelled."""
        waiting = {each.delivery for each in self._holding.room if each.delivery.queue in names}
        self._holding.forget(waiting)
        self._consumer.requeue([*self._take_back(names), *sorted(waiting, key=_time)])

    def _take_back(self, names: set[str]) -> list[Delivery]:
        dispatcher = self._dispatcher
        if not any(task.delivery.queue in names for tasks in (dispatcher.ready, dispatcher.running()) for task in tasks):
            return []
        taken = dispatcher.reclaim_all()
        dispatcher.put_back([task for task in taken if task.delivery.queue not in names])
        dispatcher.pump()
        return [task.delivery for task in taken if task.delivery.queue in names and not task.lost]


def _time(delivery: Delivery) -> str:
    return str(delivery.headers.get("eta") or delivery.headers.get("id"))


def _close(client: QueueClient | None) -> None:
    """Close a client, if there is one, whatever has become of its connection."""
    if client is not None:
        try:
            client.close()
        except Exception as error:
            logger.debug("closing: %s", error)
