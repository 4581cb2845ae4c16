"""`Guard`: stands between a broker's consumer and the worker, and lets in what is signed, unchanged, in time and there for the first time.

What is not becomes a dead letter, by the `flaw` that it gets here. What is has its name held in the lease store from here to its settlement, and is
settled only after the store has noted that (`umbel.worker.seals.remembering`). A message that another worker holds waits: that one will settle
it, after which this is a copy, or has died, after which this is the message.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from umbel.brokers.base import ConnectionState, Consumer, Delivery, DeliverySink, NullSink
from umbel.brokers.topology import Queue
from umbel.errors import MessageError, Outdated, Replayed, Unsigned
from umbel.leases.base import Grant
from umbel.runtime.clock import SYSTEM
from umbel.wire.signing.keys import KeyRing
from umbel.wire.signing.seals import verify
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.seals.remembering import SPENT, Sealed

if TYPE_CHECKING:
    from umbel.app.app import Umbel

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds after which a message is asked about again that another worker has.
_AGAIN: Final = 1.0
#: Seconds that a flush and a stop wait for the lease store.
_PATIENCE: Final = 5.0
#: Names that are kept of messages whose connection was lost.
_MOST_LOST: Final = 10_000


class Guard:
    """A `Consumer`, for the worker, and a `DeliverySink`, for the broker's consumer.

    Args:
        consumer: of the broker.
        ring: the keys that are trusted.
        keeper: talks to the lease store.
        requires: messages without a seal are refused.
        window: seconds, see `Sealed`; 0: copies are not looked for.
        duration: seconds of a lease.
    """

    def __init__(self, consumer: Consumer, ring: KeyRing, keeper: LeaseKeeper, *, requires: bool, window: float, duration: float) -> None:
        self._consumer = consumer
        self._ring = ring
        self._keeper = keeper
        self._requires = requires
        self._window = window
        self._duration = duration
        self._token = uuid.uuid4().hex
        self._sink: DeliverySink = NullSink()
        #: By name: those that are asked about, those that are in this worker's hand, those whose delivery was lost.
        self._asking: dict[str, Sealed] = {}
        self._held: dict[str, Sealed] = {}
        self._lost: dict[str, None] = {}
        self._by_delivery: dict[Delivery, Sealed] = {}
        self._timer: asyncio.TimerHandle | None = None

    # the broker's side

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """Let in those that may come in at once; ask about the others."""
        ready = [delivery for delivery in deliveries if self._may_enter(delivery)]
        if ready:
            self._sink.on_deliveries(ready)

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        """Hold their names no more: they come again, here or elsewhere."""
        for delivery in deliveries:
            sealed = self._forget(delivery)
            if sealed is not None:
                self._lost[sealed.name] = None
        while len(self._lost) > _MOST_LOST:
            del self._lost[next(iter(self._lost))]
        self._sink.on_lost(deliveries)

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """Pass it on."""
        self._sink.on_connection(state, detail)

    def _may_enter(self, delivery: Delivery) -> bool:
        """Report whether it may come in now, perhaps with a flaw; else it is asked about."""
        if delivery.flaw is not None:
            return True
        try:
            seal = verify(delivery, delivery.queue, self._ring)
            if not self._window:
                return True
            sealed = Sealed.of(delivery, seal, self._window)
        except Unsigned as error:
            delivery.flaw = Unsigned(str(error)) if self._requires else None
            return True
        except MessageError as error:
            delivery.flaw = type(error)(str(error))  # that one's traceback leads here
            return True
        if sealed.name in self._held or sealed.name in self._asking:
            delivery.flaw = Replayed("a copy of it is in this worker already")
            return True
        self._asking[sealed.name] = self._by_delivery[delivery] = sealed
        if sealed.is_old(SYSTEM.now()) and sealed.name not in self._lost:
            self._keeper.ask(sealed.glance(self._token), partial(self._glanced, sealed))
        else:
            self._ask(sealed)
        return False

    def _glanced(self, sealed: Sealed, grant: Grant) -> None:
        """Learn whether a message that is too old was in time once."""
        if grant.is_held:
            self._refuse(
                sealed,
                Outdated(f"it was signed, or due, more than {self._window:g} s ago (message_replay_window), and no worker has seen it"),
            )
        elif self._asking.get(sealed.name) is sealed:
            sealed.is_known = True
            self._ask(sealed)

    def _ask(self, sealed: Sealed) -> None:
        if self._asking.get(sealed.name) is sealed:
            self._keeper.ask(sealed.hold(self._token, self._duration), partial(self._answered, sealed))

    def _answered(self, sealed: Sealed, grant: Grant) -> None:
        """Learn whether a name is ours from now on."""
        if self._asking.get(sealed.name) is not sealed:
            if grant.is_held and sealed.name not in self._held:
                self._keeper.give_up(sealed.hold(self._token, 0.0))
        elif grant.is_held:
            del self._asking[sealed.name]
            self._lost.pop(sealed.name, None)
            self._held[sealed.name] = sealed
            self._sink.on_deliveries([sealed.delivery])
        elif grant.other != SPENT:
            asyncio.get_running_loop().call_later(min(max(grant.seconds, 0.1), _AGAIN), self._ask, sealed)
        elif sealed.delivery.redelivered:
            logger.info("Message %s of queue %s has been settled before: it is dropped", sealed.name, sealed.delivery.queue)
            self._forget(sealed.delivery)
            self._consumer.ack([sealed.delivery])
        else:
            self._refuse(sealed, Replayed("it has run before: this is a copy"))

    def _refuse(self, sealed: Sealed, flaw: MessageError) -> None:
        if self._asking.get(sealed.name) is sealed:
            self._forget(sealed.delivery)
            sealed.delivery.flaw = flaw
            self._sink.on_deliveries([sealed.delivery])

    def _forget(self, delivery: Delivery) -> Sealed | None:
        sealed = self._by_delivery.pop(delivery, None)
        if sealed is not None:
            for known in (self._asking, self._held):
                if known.get(sealed.name) is sealed:
                    del known[sealed.name]
        return sealed

    # the worker's side

    async def start(self, sink: DeliverySink) -> None:
        """Begin; see `Consumer.start`."""
        self._sink = sink
        self._arm()
        await self._consumer.start(self)

    def set_window(self, size: int) -> None:
        self._consumer.set_window(size)

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Note that these are settled, then acknowledge them."""
        plain = [delivery for delivery in deliveries if not self._spend(delivery)]
        if plain:
            self._consumer.ack(plain)

    def _spend(self, delivery: Delivery) -> bool:
        sealed = self._by_delivery.get(delivery)
        if sealed is None:
            return False
        self._held.pop(sealed.name, None)
        self._keeper.ask(sealed.spend(), lambda _: self._spent(sealed))
        return True

    def _spent(self, sealed: Sealed) -> None:
        self._by_delivery.pop(sealed.delivery, None)
        if sealed.is_known:
            self._keeper.give_up(sealed.know())
        self._consumer.ack([sealed.delivery])

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        """Hand these back; any worker may have them."""
        given = list(deliveries)
        self._give_up(given)
        self._consumer.requeue(given)

    async def begin(self, delivery: Delivery) -> None:
        await self._consumer.begin(delivery)

    async def blame(self, delivery: Delivery) -> None:
        self._give_up([delivery])  # first: it may come again before this has ended
        await self._consumer.blame(delivery)

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        """See `Consumer.delay`. A message that comes back when its time is over has been in time."""
        now = SYSTEM.now()
        for delivery, until in moves:
            sealed = self._by_delivery.get(delivery)
            if sealed is not None and until + self._window / 2 > sealed.until:
                self._keeper.ask(sealed.know(until - now + self._window))
        await self._keeper.done(_PATIENCE)
        self._give_up([delivery for delivery, _ in moves])
        await self._consumer.delay(moves)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """See `Consumer.dead_letter`. It has been settled: to be sent again, it is signed again."""
        await self._consumer.dead_letter(delivery, reason, detail)
        sealed = self._forget(delivery)
        if sealed is not None:
            self._keeper.ask(sealed.spend())

    async def flush(self) -> None:
        await self._keeper.done(_PATIENCE)
        await self._consumer.flush()

    @property
    def queues(self) -> Sequence[Queue]:
        return self._consumer.queues

    async def add_queue(self, queue: Queue) -> None:
        await self._consumer.add_queue(queue)

    async def cancel_queue(self, name: str) -> None:
        await self._consumer.cancel_queue(name)

    async def aclose(self) -> None:
        """Settle, hand back, disconnect; what is handed back is anybody's."""
        if self._timer is not None:
            self._timer.cancel()
        await self._keeper.done(_PATIENCE)
        await self._consumer.aclose()
        self._give_up(list(self._by_delivery))

    def _give_up(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            sealed = self._forget(delivery)
            if sealed is not None:
                self._keeper.give_up(sealed.hold(self._token, 0.0))

    # renewal

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._duration / 3, self._renew)

    def _renew(self) -> None:
        """Hold on what is in hand; note in time what will be too old before it has ended."""
        now = SYSTEM.now()
        for sealed in self._held.values():
            self._keeper.renew(sealed.hold(self._token, self._duration), partial(self._renewed, sealed))
            if not sealed.is_known and now > sealed.until - self._window / 2:
                sealed.is_known = True
                self._keeper.ask(sealed.know())
        self._arm()

    def _renewed(self, sealed: Sealed, is_held: bool) -> None:
        """Take a name again that was lost while the lease store was away."""
        if not is_held and self._held.get(sealed.name) is sealed:
            self._keeper.ask(sealed.hold(self._token, self._duration))


def guarded(app: Umbel, consumer: Consumer, keeper: LeaseKeeper, duration: float) -> Consumer:
    """Put the guard before a consumer, where the app has keys.

    Args:
        app: the app.
        consumer: of its broker.
        keeper: talks to the lease store.
        duration: seconds of a lease.

    Raises:
        ImproperlyConfigured: a key is none; or copies are to be looked for, and there is no lease store that could remember.
    """
    ring = app.connections.key_ring
    if ring is None:
        return consumer
    from umbel.app.connections import seconds

    window = seconds(app.conf.message_replay_window) or 0.0
    if window:
        _ = app.leases  # there must be one
    return Guard(consumer, ring, keeper, requires=app.conf.message_signing == "required", window=window, duration=duration)
