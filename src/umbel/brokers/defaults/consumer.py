"""The parts of a consumer that follow from five steps of its broker: take, drop, put back, put into the delayed store, put to the dead letters.

One *turn* settles what is buffered and then takes as many messages as there is room for. A turn follows each settlement, each change of the
window, each `ring`, and the pause that `next_look` tells. Turns never overlap.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from umbel.brokers.base import ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.envelope import dead_headers
from umbel.brokers.topology import Queue
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.brokers")


class ConsumerDefaults(abc.ABC):
    """A `Consumer` that asks its broker for messages and keeps count of what is unsettled.

    A broker writes `take`, `drop`, `put_back`, `put_delayed` and `put_dead`, and calls `ring`, from any thread, when there may be something to
    take. Each raises `OperationalError` when the broker cannot be reached, and is then tried again.

    Args:
        publisher: declares the queues.
        queues: to consume from.
        window: unsettled deliveries to allow.
    """

    #: How log lines name the place that this is connected to.
    where = "the broker"

    def __init__(self, publisher: PublisherDefaults, queues: Sequence[Queue], *, window: int) -> None:
        self._publisher = publisher
        self._queues = {queue.name: queue for queue in queues}
        self._window = window
        self._sink: DeliverySink = NullSink()
        self._unsettled: dict[Delivery, None] = {}
        #: Settled, and not yet told to the broker.
        self._acked: list[Delivery] = []
        self._returned: list[Delivery] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_rung = self._is_again = self._is_closed = False
        self._turning: asyncio.Task[None] | None = None
        self._one_turn = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._pauses = delays(0.1, most=3.0)
        self._is_failing = False

    # what a broker does in its own way

    @abc.abstractmethod
    async def take(self, queues: Sequence[str], count: int) -> list[Delivery]:
        """Take up to so many messages, due ones included, out of these queues.

        Args:
            queues: names; the first is looked at first, and another one is the next time.
            count: at least 1.
        """

    @abc.abstractmethod
    async def drop(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages that were taken, for they are acknowledged.

        Args:
            deliveries: the messages.
        """

    @abc.abstractmethod
    async def put_back(self, deliveries: Sequence[Delivery], *, attempts: int = 0) -> None:
        """Put messages that were taken back to the front of their queues, marked as redelivered.

        Args:
            deliveries: in the order in which they were taken.
            attempts: added to the count of each.
        """

    @abc.abstractmethod
    async def put_delayed(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        """Put messages that were taken into the delayed store.

        Args:
            moves: each with the time until which it stays there, seconds since the epoch.
        """

    @abc.abstractmethod
    async def put_dead(self, delivery: Delivery, headers: dict[str, str]) -> None:
        """Put a message that was taken into ``<queue>.dead``.

        Args:
            delivery: the message.
            headers: are added to its own.
        """

    def next_look(self) -> float | None:
        """Seconds after which the queues are looked at without a `ring`; ``None`` when a ring comes for everything."""
        return 1.0

    # the contract

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        for queue in self._queues.values():
            await self._declare(queue)
        self._sink.on_connection(ConnectionState.CONNECTED, self.where)
        self.ring()

    def set_window(self, size: int) -> None:
        self._window = size
        self.ring()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._acked += self._claim(deliveries)
        self.ring()

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._returned += self._claim(deliveries)
        self.ring()

    async def begin(self, delivery: Delivery) -> None:  # noqa: B027 - a default, not a gap
        pass  # deaths of whole workers are not counted

    async def blame(self, delivery: Delivery) -> None:
        await self._step([delivery], lambda mine: self.put_back(mine, attempts=1))

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        until = dict(moves)
        await self._step(until, lambda mine: self.put_delayed([(delivery, until[delivery]) for delivery in mine]))

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        headers = dead_headers(delivery.queue, reason, detail, SYSTEM.now())
        await self._step([delivery], lambda mine: self.put_dead(mine[0], headers))

    async def flush(self) -> None:
        async with self._one_turn:
            await self._settle()

    @property
    def queues(self) -> list[Queue]:
        """See `umbel.brokers.base.Consumer`."""
        return list(self._queues.values())

    async def add_queue(self, queue: Queue) -> None:
        await self._declare(queue)
        self._queues[queue.name] = queue
        self.ring()

    async def cancel_queue(self, name: str) -> None:
        self._queues.pop(name, None)

    async def aclose(self) -> None:
        if self._loop is None:
            return
        self._loop, self._is_closed = None, True
        if self._timer is not None:
            self._timer.cancel()
        if self._turning is not None:
            await asyncio.wait([self._turning])
        self._returned += self._claim(list(self._unsettled))
        try:
            await self._settle()
        except OperationalError as error:
            logger.warning("%d deliveries could not be handed back: %s", len(self._acked) + len(self._returned), error)

    # turns

    def ring(self) -> None:
        """Have a turn soon. Thread-safe."""
        loop = self._loop
        if loop is not None and not self._is_rung:
            self._is_rung = True
            with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody closed this consumer
                loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._is_rung = False
        self._is_again = True
        if self._turning is None and self._loop is not None:
            self._turning = self._loop.create_task(self._turns())

    async def _turns(self) -> None:
        try:
            while self._is_again and not self._is_closed:
                self._is_again = False
                self._look_again(await self._try_turn())
        finally:
            self._turning = None

    async def _try_turn(self) -> float | None:
        """Have one turn; returns seconds until the next."""
        try:
            async with self._one_turn:
                await self._turn()
        except Exception as error:
            pause = next(self._pauses)
            self._is_failing = True
            if not isinstance(error, OperationalError):
                logger.exception("a step of the consumer failed")
            self._sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            return pause
        if self._is_failing:
            self._is_failing = False
            self._pauses = delays(0.1, most=3.0)
            self._sink.on_connection(ConnectionState.CONNECTED, self.where)
        return self.next_look()

    async def _turn(self) -> None:
        await self._settle()
        room = self._window - len(self._unsettled)
        names = list(self._queues)
        if room <= 0 or not names:
            return
        self._queues[names[0]] = self._queues.pop(names[0])  # another one comes first the next time
        deliveries = await self.take(names, room)
        if self._is_closed:
            self._returned += deliveries
        elif deliveries:
            self._unsettled.update(dict.fromkeys(deliveries))
            self._sink.on_deliveries(deliveries)

    def _look_again(self, pause: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if pause is not None and self._loop is not None:
            self._timer = self._loop.call_later(pause, self.ring)

    # settling

    def _claim(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Those of these that are unsettled; they are no longer."""
        return [delivery for delivery in deliveries if self._unsettled.pop(delivery, self) is None]

    async def _settle(self) -> None:
        """Tell the broker what is buffered; what it does not hear is buffered again."""
        if self._acked:
            acked, self._acked = self._acked, []
            try:
                await self.drop(acked)
            except BaseException:
                self._acked = acked + self._acked
                raise
        if self._returned:
            returned, self._returned = self._returned, []
            try:
                await self.put_back(returned)
            except BaseException:
                self._returned = returned + self._returned
                raise

    async def _step(self, deliveries: Iterable[Delivery], step: Callable[[list[Delivery]], Awaitable[None]]) -> None:
        """Settle deliveries by a step of the broker; they stay unsettled if it fails."""
        mine = self._claim(deliveries)
        if not mine:
            return
        try:
            await step(mine)
        except BaseException:
            self._unsettled.update(dict.fromkeys(mine))
            raise
        finally:
            self.ring()

    async def _declare(self, queue: Queue) -> None:
        if self._publisher.never_waits:
            self._publisher.declare(queue)
        else:
            await asyncio.to_thread(self._publisher.declare, queue)
