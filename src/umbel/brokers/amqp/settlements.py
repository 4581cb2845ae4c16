"""The unsettled deliveries of a consumer, and how each is settled.

An *epoch* is the life of the delivery channel. When it ends, all that is unsettled goes back to the broker, and settlements that name the
old epoch are ignored. Delivery tags are positive; those of held copies (see `umbel.brokers.amqp.begun`) are kept here as negative numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pamqp import base

from umbel.brokers.amqp.addresses import Address
from umbel.brokers.amqp.begun import Holding
from umbel.brokers.amqp.moving import DUE, HELD, Mover, blamed, cleaned, dead, delayed, restored
from umbel.brokers.amqp.session import Session
from umbel.brokers.base import BrokerOptions, Delivery
from umbel.errors import BrokerBlocked, OperationalError, PublishError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.amqp.rendering import render_acks, render_requeue
from umbel.wire.amqp.settling import Settling

logger = logging.getLogger("umbel.brokers.amqp")

#: The channel of deliveries.
CHANNEL = 1
#: Seconds that a delayed message may come early and is held here: the delayed store counts whole seconds.
_MOST_EARLY = 2.0


class Settlements:
    """See the module.

    Args:
        deliver: hands deliveries on.
        on_settled: told of deliveries that were settled, for windows made of consumers.
    """

    def __init__(
        self,
        nodes: Sequence[Address],
        options: BrokerOptions,
        deliver: Callable[[list[Delivery]], None],
        on_settled: Callable[[list[Delivery]], None],
    ) -> None:
        self.epoch = 0
        self.unsettled: dict[int, Delivery] = {}
        #: The connection of this epoch; ``None`` between two.
        self.session: Session | None = None
        self.holding: Holding | None = None
        self._mover = Mover(nodes, options)
        self._deliver = deliver
        self._on_settled = on_settled
        self._settling = Settling()
        self._is_flushing = False
        self._tasks: set[asyncio.Task[None]] = set()

    def begin_epoch(self, session: Session) -> None:
        """A new channel: tags start again."""
        self.epoch += 1
        self.session = session
        self.holding = None
        self._settling = Settling()
        session.core.receiver.epoch = self.epoch
        session.core.receiver.queues.clear()

    def end_epoch(self) -> list[Delivery]:
        """All that is unsettled goes back to the broker; returns it."""
        self.epoch += 1
        self.session = None
        self.holding = None
        lost = list(self.unsettled.values())
        self.unsettled.clear()
        return lost

    def receive(self, deliveries: list[Delivery]) -> None:
        """Take note of deliveries, and hand on those that are for the sink now."""
        holding = self.holding
        if holding is not None:
            deliveries = [delivery for delivery in deliveries if not holding.takes(delivery)]
        unsettled = self.unsettled
        marked = False
        for delivery in deliveries:
            unsettled[delivery.tag] = delivery
            if DUE in delivery.headers or HELD in delivery.headers:
                marked = True
        if marked:
            deliveries = [delivery for delivery in deliveries if not self._is_early(delivery)]
        if deliveries:
            self._deliver(deliveries)

    def _is_early(self, delivery: Delivery) -> bool:
        """Whether a message came out of the delayed store early (it counts whole seconds); it is then handed on in time."""
        if DUE not in delivery.headers and HELD not in delivery.headers:
            return False
        due = cleaned(delivery)
        left = 0.0 if due is None else due - SYSTEM.now()
        if not 0.001 < left < _MOST_EARLY:
            return False
        asyncio.get_running_loop().call_later(left, self._release, delivery)
        return True

    def _release(self, delivery: Delivery) -> None:
        if self.owns(delivery):
            self._deliver([delivery])

    def owns(self, delivery: Delivery) -> bool:
        """Whether a delivery is unsettled, under the connection there is now."""
        return delivery.epoch == self.epoch and delivery.tag in self.unsettled

    # --- acknowledging

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Done with these; leaves with the next turn of the loop."""
        epoch, unsettled = self.epoch, self.unsettled
        settled = [each for each in deliveries if each.epoch == epoch and unsettled.pop(each.tag, None) is not None]
        if not settled:
            return
        tags = [each.tag for each in settled]
        if self.holding is not None:
            self.holding.release([-tag for tag in tags if tag < 0])
            tags = [tag for tag in tags if tag > 0]
        self._acknowledge(tags)
        self._on_settled(settled)

    def _acknowledge(self, tags: list[int]) -> None:
        self._settling.acknowledge(tags)
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        self._is_flushing = False
        self.write_acks()

    def write_acks(self) -> None:
        """Send the acknowledgements there are."""
        if self.session is not None:
            upto, singles = self._settling.take()
            if upto or singles:
                self.session.write(render_acks(CHANNEL, upto, singles))

    async def flush(self, question: base.Frame) -> None:
        """Return when the broker has all settlements.

        Args:
            question: a harmless method. The broker handles a channel's methods in order, so an answer means that the acks are with it.
        """
        session = self.session
        if session is not None:
            self.write_acks()
            with contextlib.suppress(OperationalError):  # lost: then there is nothing left to settle
                await session.ask(question, CHANNEL)

    # --- handing back

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        """Hand these back; held ones as a copy with the old count."""
        ours = [each for each in deliveries if self.owns(each)]
        plain = [each for each in ours if each.tag > 0]
        for each in plain:
            del self.unsettled[each.tag]
            self._settling.settled(each.tag)
        if plain and self.session is not None:
            self.session.write(b"".join([render_requeue(CHANNEL, each.tag) for each in plain]))
            self._on_settled(plain)
        for each in ours:
            if each.tag < 0:
                task = asyncio.get_running_loop().create_task(self._restore(each))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _restore(self, delivery: Delivery) -> None:
        if self.owns(delivery):
            await self._mover.to_queue(restored(delivery), delivery.queue)
            self.ack([delivery])

    async def aclose(self) -> None:
        """Hand back what is held; the rest goes back with the connection."""
        for task in list(self._tasks):
            task.cancel()
        held = [each for each in self.unsettled.values() if each.tag < 0] if self.session is not None else []
        with contextlib.suppress(OperationalError):
            await asyncio.gather(*(self._restore(each) for each in held))
        self.write_acks()
        await self._mover.aclose()

    # --- moving

    async def begin(self, delivery: Delivery, question: base.Frame) -> None:
        """Exchange a redelivered message for a held copy; see `umbel.brokers.amqp.begun`."""
        session, epoch = self.session, self.epoch
        if session is None or not delivery.redelivered or delivery.tag < 0 or not self.owns(delivery):
            return
        if self.holding is None:
            self.holding = Holding(session, self._mover.to_queue)
        holding = self.holding
        tag = await holding.hold(delivery)
        if tag is None or epoch != self.epoch:
            return
        if not self.owns(delivery):  # settled meanwhile
            holding.release([tag])
            return
        del self.unsettled[delivery.tag]
        self._acknowledge([delivery.tag])
        self._on_settled([delivery])
        delivery.tag = -tag
        self.unsettled[-tag] = delivery
        await self.flush(question)  # else a death now would bring back both

    async def blame(self, delivery: Delivery) -> None:
        """Back to its queue, counted."""
        await self._move(delivery, lambda: self._mover.to_queue(blamed(delivery), delivery.queue))

    async def delay(self, delivery: Delivery, until: float) -> None:
        """Into the delayed store."""
        await self._move(
            delivery, lambda: self._mover.to_delayed(delayed(delivery, until), delivery.queue, until - SYSTEM.now()), "before_delay_settle"
        )

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """To the dead letters."""
        await self._move(
            delivery,
            lambda: self._mover.to_dead(dead(delivery, reason, detail, SYSTEM.now()), delivery.queue),
            "before_dead_letter_settle",
        )

    async def _move(self, delivery: Delivery, publish: Callable[[], Awaitable[None]], failpoint: str = "") -> None:
        """Publish a message in its new place, over as many connections as it takes, then acknowledge the old one.

        Raises:
            PublishError: the broker refuses it.
        """
        for pause in delays(0.1, most=5.0):
            if not self.owns(delivery):
                return  # it will come again
            try:
                await publish()
            except OperationalError as error:
                if isinstance(error, PublishError) and not isinstance(error, BrokerBlocked):
                    raise
                logger.warning("a message of queue %r cannot be moved now; trying again in %.1f s: %s", delivery.queue, pause, error)
                await asyncio.sleep(pause)
            else:
                if ARMED:
                    hit(failpoint)
                self.ack([delivery])
                return
