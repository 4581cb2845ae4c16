"""The unsettled deliveries of a consumer, and how each is settled.

An *epoch* is the life of the delivery channel. When it ends, all that is unsettled goes back to the broker, and settlements that name the
old epoch are ignored. Delivery tags are positive; those of held copies (see `umbel.brokers.amqp.moves.holding`) are kept here as negative numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pamqp import base

from umbel.brokers.amqp.moves.holding import Holding
from umbel.brokers.amqp.moves.mover import COUNT, DUE, HELD, Mover, blamed, cleaned, dead, delayed, portions, restored, returned
from umbel.brokers.amqp.streams import OFFSET, Streams
from umbel.brokers.base import BrokerOptions, Delivery
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.connection_async import AsyncConnection
from umbel.errors import OperationalError, PublishError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.amqp.ack_coalescing import AckCoalescer
from umbel.wire.amqp.rendering import render_acks, render_requeue

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

#: The channel of deliveries.
CHANNEL = 1
#: Publishes messages anew; returns for each why the broker did not take it.
_Publish = Callable[[list[Delivery]], Awaitable[list[Exception | None]]]
#: Messages that are exchanged, or handed back as copies, at a time.
_AT_ONCE = 100
#: Seconds that acknowledgements may wait for others.
_GATHER = 0.01
#: Seconds that a delayed message may come early and is held here: the delayed store counts whole seconds.
_MOST_EARLY = 2.0


class Acks:
    """See the module.

    Args:
        deliver: hands deliveries on.
        on_settled: told of deliveries that were settled, for windows made of consumers.
        narrow: gives the delivery channel a window without those that are `apart`; else others would come for what is acknowledged there.
        on_fewer_apart: told that the window may be wider again.
    """

    def __init__(
        self,
        nodes: Sequence[Address],
        options: BrokerOptions,
        deliver: Callable[[list[Delivery]], None],
        on_settled: Callable[[list[Delivery]], None],
        narrow: Callable[[], Awaitable[None]],
        on_fewer_apart: Callable[[], None],
    ) -> None:
        self.epoch: int = 0
        self.unsettled: dict[int, Delivery] = {}
        #: The connection of this epoch; ``None`` between two.
        self.connection: AsyncConnection | None = None
        self.holding: Holding | None = None
        #: Queues that may count what comes back, and drop a message that did so too often (a delivery limit): quorum queues.
        self.counting: set[str] = set()
        self.streams: Streams = Streams(self._release)
        self._mover = Mover(nodes, options)
        #: Seconds that closing waits for what is handed back.
        self._patience = options.publish_timeout
        self._deliver = deliver
        self._on_settled = on_settled
        self._narrow = narrow
        self._on_fewer_apart = on_fewer_apart
        #: The tags of what was here, and not new, when `renew` was last called.
        self._old: list[int] = []
        #: Those that are being exchanged → done when they are.
        self._exchanging: dict[Delivery, asyncio.Future[None]] = {}
        self._settling = AckCoalescer()
        self._flushing: asyncio.Handle | None = None
        self._is_gathering = False
        #: Acknowledgements that are worth being sent at once; below that they wait for others, for `_GATHER` seconds. 0: none waits.
        self.enough = 0
        #: Messages that are being put back into their queues as copies.
        self._restoring: dict[Delivery, asyncio.Task[None]] = {}

    def begin_epoch(self, connection: AsyncConnection) -> None:
        """A new channel: tags start again."""
        self.epoch += 1
        self.connection = connection
        self.holding = None
        self._settling = AckCoalescer()
        self._old = []
        connection.core.receiver.epoch = self.epoch
        connection.core.receiver.queues.clear()

    def end_epoch(self) -> list[Delivery]:
        """All that is unsettled goes back to the broker; returns it."""
        self.epoch += 1
        self.connection = None
        self.holding = None
        lost = list(self.unsettled.values())
        self.unsettled.clear()
        self.streams.offsets.lost(lost)
        return lost

    def receive(self, deliveries: list[Delivery]) -> None:
        """Take note of deliveries, and hand on those that are for the sink now."""
        holding = self.holding
        if holding is not None:
            deliveries = [delivery for delivery in deliveries if not holding.takes(delivery)]
        if self.streams.there_are:
            deliveries, known = self.streams.received(deliveries)
            self._acknowledge([each.tag for each in known])
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
        """Report whether a message came out of the delayed store early (it counts whole seconds); it is then handed on in time."""
        if DUE not in delivery.headers and HELD not in delivery.headers:
            return False
        if COUNT in delivery.headers:
            self.counting.add(delivery.queue)
        delivery.redelivered = delivery.redelivered or HELD in delivery.headers  # RabbitMQ does not say it of a copy
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
        """Report whether a delivery is unsettled, under the connection there is now."""
        return delivery.epoch == self.epoch and delivery.tag in self.unsettled

    # acknowledging

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
            self._forget(self.holding, settled)
        self._acknowledge(tags)
        self._on_settled(settled)

    def _forget(self, holding: Holding, settled: list[Delivery]) -> None:
        apart = len(holding.apart)
        holding.forget(settled)
        if apart != len(holding.apart):
            self._on_fewer_apart()

    def _acknowledge(self, tags: list[int]) -> None:
        self._settling.acknowledge(tags)
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            wait = self._settling.waiting < self.enough
            self._flushing = loop.call_later(_GATHER, self._flush_soon) if wait else loop.call_soon(self._flush_soon)
            self._is_gathering = wait
        elif self._is_gathering and self._settling.waiting >= self.enough:
            self._flushing.cancel()
            self._flushing = asyncio.get_running_loop().call_soon(self._flush_soon)
            self._is_gathering = False

    def _flush_soon(self) -> None:
        self._flushing = None
        self.write_acks()

    def write_acks(self) -> None:
        """Send the acknowledgements there are."""
        if self.connection is not None:
            upto, singles = self._settling.take()
            if upto or singles:
                self.connection.write(render_acks(CHANNEL, upto, singles))

    async def flush(self, question: Callable[[], base.Frame]) -> None:
        """Return when the broker has all settlements.

        Args:
            question: makes a harmless method. The broker handles a channel's methods in order, so an answer means that the acks are with it.
        """
        connection = self.connection
        if connection is not None:
            self.write_acks()
            with contextlib.suppress(OperationalError):  # lost: then there is nothing left to settle
                await connection.ask(question(), CHANNEL)

    # handing back

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        """Hand these back: those of queues that count it, and held ones, as a copy with the old count."""
        ours = self.streams.come_again([each for each in deliveries if self.owns(each)])
        copied = [each for each in ours if self._is_counted(each)]
        if copied:
            self._return([each for each in copied if each not in self._restoring])
            ours = [each for each in ours if each not in self._restoring]
        self._put_back(ours)

    def _put_back(self, ours: list[Delivery]) -> None:
        plain = [each for each in ours if each.tag > 0]
        for each in plain:
            del self.unsettled[each.tag]
            self._settling.settled(each.tag)
        if plain and self.connection is not None:
            self.connection.write(b"".join([render_requeue(CHANNEL, each.tag) for each in plain]))
            if self.holding is not None:
                self._forget(self.holding, plain)
            self._on_settled(plain)
        self._restore([each for each in ours if each.tag < 0])

    def _is_counted(self, delivery: Delivery) -> bool:
        """Report whether the broker would count it if this came back as it is. Of one with a flaw not all may be here, so it can only do so."""
        if delivery.tag < 0 or delivery.flaw is not None:
            return False
        if COUNT in delivery.headers:
            self.counting.add(delivery.queue)
        return delivery.queue in self.counting and OFFSET not in delivery.headers

    def _return(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            task = asyncio.get_running_loop().create_task(self._return_all(deliveries))
            for each in deliveries:
                self._restoring[each] = task
            task.add_done_callback(functools.partial(self._on_returned, deliveries))

    async def _return_all(self, deliveries: list[Delivery]) -> None:
        """Have each in its queue anew, then acknowledge it. What the broker does not take now goes back as it is, and is counted."""
        try:
            await self._mover.check_taking()
            for some in portions(deliveries, _AT_ONCE):
                ours = [each for each in some if self.owns(each)]
                if self.connection is None or self.connection.lost is not None:
                    return  # they go back with the connection
                errors = await self._mover.to_queues([(returned(each), each.queue) for each in ours])
                self.ack([each for each, error in zip(ours, errors, strict=True) if error is None])
                if (refusal := next(filter(None, errors), None)) is not None:  # it would not take the others either
                    raise refusal
        except Exception as error:
            logger.warning("messages of queue %r go back as they are, which counts as a delivery: %s", deliveries[0].queue, error)
        finally:
            self._put_back([each for each in deliveries if self.owns(each)])

    def _on_returned(self, deliveries: list[Delivery], task: asyncio.Task[None]) -> None:
        for each in deliveries:
            if self._restoring.get(each) is task:
                del self._restoring[each]

    def _restore(self, held: list[Delivery]) -> None:
        """Put held messages back into their queues, those that are not on their way there already."""
        for each in held:
            if each not in self._restoring:
                task = self._restoring[each] = asyncio.get_running_loop().create_task(self._restore_one(each))
                task.add_done_callback(functools.partial(self._on_returned, [each]))

    async def _restore_one(self, delivery: Delivery) -> None:
        """As often as it takes: nobody else knows any more that this message is here."""
        for pause in delays(0.1, most=5.0):
            if not self.owns(delivery) or self.connection is None or self.connection.lost is not None:
                return  # it goes back with the connection
            try:
                await self._mover.to_queue(restored(delivery), delivery.queue)
            except Exception as error:
                logger.warning("a message of queue %r cannot be handed back now; trying again in %.1f s: %s", delivery.queue, pause, error)
                await asyncio.sleep(pause)
            else:
                self.ack([delivery])
                return

    async def aclose(self) -> None:
        """Hand back what is held, and what would be counted; the rest goes back with the connection."""
        if self.connection is not None:
            self.requeue([each for each in self.unsettled.values() if each.tag < 0 or self._is_counted(each)])
        if self._restoring:
            _, late = await asyncio.wait(set(self._restoring.values()), timeout=self._patience)
            for task in late:
                task.cancel()
        self.write_acks()
        await self._mover.aclose()

    # moving

    @property
    def apart(self) -> int:
        """Count the messages here that are not in the window of the delivery channel: copies stand for them, or are about to."""
        return 0 if self.holding is None else len(self.holding.apart)

    async def begin(self, delivery: Delivery, question: Callable[[], base.Frame]) -> None:
        """Exchange a redelivered message for a copy that says that it ran; see `umbel.brokers.amqp.moves.holding`."""
        if not delivery.redelivered or OFFSET in delivery.headers or self.connection is None or not self.owns(delivery):
            return
        holding = self._ensure_holding(self.connection)
        holding.apart.add(delivery)
        await self._narrow()
        while (other := self._exchanging.get(delivery)) is not None:
            await asyncio.wait([other])
        if self.owns(delivery) and delivery not in holding.begun:
            holding.begun.add(delivery)
            if await self._exchange(delivery, holding):
                await self.flush(question)  # else a death now would bring back both
            else:
                holding.begun.discard(delivery)
                self._keep(holding, [delivery])

    async def renew(self, fixed: set[str]) -> None:
        """Exchange what has been here, unchanged, since the last call.

        Args:
            fixed: queues whose messages are left as they are.
        """
        connection, fresh = self.connection, set[Delivery]()
        known = [each for tag in self._old if (each := self.unsettled.get(tag)) is not None]
        old = [each for each in known if each.queue not in fixed and each.flaw is None and each not in self._exchanging | self._restoring]
        if old and connection is not None:
            holding = self._ensure_holding(connection)
            holding.apart.update(old)
            await self._narrow()
            for start in range(0, len(old), _AT_ONCE):
                some = old[start : start + _AT_ONCE]
                done = await asyncio.gather(*(self._exchange(each, holding) for each in some))
                fresh.update(each for each, exchanged in zip(some, done, strict=True) if exchanged)
            if len(fresh) < len(old):  # settled meanwhile, or not exchanged
                self._keep(holding, old)
        self._old = [tag for tag, each in self.unsettled.items() if each not in fresh]

    def _keep(self, holding: Holding, deliveries: list[Delivery]) -> None:
        """Those for which no copy stands after all count in the window again."""
        holding.apart.difference_update([each for each in deliveries if each.tag > 0 and each not in self._exchanging])
        self._on_fewer_apart()

    async def exchanged(self) -> None:
        """Return when nothing is between two queues: who closes then would leave it in both."""
        while self._exchanging:
            await asyncio.wait(list(self._exchanging.values()))

    def _ensure_holding(self, connection: AsyncConnection) -> Holding:
        if self.holding is None:
            self.holding = Holding(connection, self._mover.to_queue)
        return self.holding

    async def _exchange(self, delivery: Delivery, holding: Holding) -> bool:
        """Have a held copy stand for a message; returns whether one does."""
        if delivery in self._exchanging or not self.owns(delivery):  # since the caller looked
            return False
        epoch, done = self.epoch, asyncio.get_running_loop().create_future()
        self._exchanging[delivery] = done
        try:
            tag = await holding.hold(delivery)
            if tag is None or epoch != self.epoch:
                return False
            if not self.owns(delivery):  # settled meanwhile
                holding.release([tag])
                return False
            del self.unsettled[delivery.tag]
            if delivery.tag < 0:
                holding.release([-delivery.tag])
            else:
                self._acknowledge([delivery.tag])
                self._on_settled([delivery])
            delivery.tag = -tag
            holding.apart.add(delivery)
            self.unsettled[-tag] = delivery
            return True
        finally:
            del self._exchanging[delivery]
            done.set_result(None)

    async def blame(self, delivery: Delivery) -> None:
        """Back to its queue, counted."""
        await self._move(
            self.streams.come_again([delivery], attempts=1),
            lambda _: _alone(self._mover.to_queue(blamed(delivery), delivery.queue)),
        )

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        """Into the delayed store. What is from a stream waits here: all its readers would get it again."""
        due = self.streams.wait(dict(moves))

        def publish(deliveries: list[Delivery]) -> Awaitable[list[Exception | None]]:
            now = SYSTEM.now()
            return self._mover.to_delayed([(delayed(each, due[each]), each.queue, due[each] - now) for each in deliveries])

        await self._move(list(due), publish, "before_delay_settle")

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        """To the dead letters."""
        await self._move(
            [delivery],
            lambda _: _alone(self._mover.to_dead(dead(delivery, reason, detail, SYSTEM.now()), delivery.queue)),
            "before_dead_letter_settle",
        )

    async def _move(self, deliveries: list[Delivery], publish: _Publish, failpoint: str = "") -> None:
        """Publish messages in their new place, over as many connections as it takes, then acknowledge the old ones.

        Raises:
            PublishError: the broker refuses one; the others are moved.
        """
        refusal: Exception | None = None
        for pause in delays(0.1, most=5.0):
            deliveries = [each for each in deliveries if self.owns(each)]  # the others will come again
            if not deliveries:
                break
            try:
                errors = await publish(deliveries)
            except OperationalError as error:
                errors = [error] * len(deliveries)
            moved = [each for each, error in zip(deliveries, errors, strict=True) if error is None]
            for _ in moved:
                if ARMED:
                    hit(failpoint)
            self.ack(moved)
            again = [(each, error) for each, error in zip(deliveries, errors, strict=True) if error is not None and _may_pass(error)]
            refusal = refusal or next((error for error in errors if error is not None and not _may_pass(error)), None)
            if not again:
                break
            deliveries = [each for each, _ in again]
            logger.warning(
                "%d messages of queue %r cannot be moved now; trying again in %.1f s: %s", len(again), again[0][0].queue, pause, again[0][1]
            )
            await asyncio.sleep(pause)
        if refusal is not None:
            raise refusal


async def _alone(publishing: Awaitable[None]) -> list[Exception | None]:
    await publishing
    return [None]


def _may_pass(error: Exception) -> bool:
    """Report whether it makes sense to try again."""
    return isinstance(error, OperationalError) and not error.is_permanent and not isinstance(error, PublishError)
