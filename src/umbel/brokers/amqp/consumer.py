"""The asyncio consumer: deliveries in, settlements out, and a connection that comes back.

What is wanted (queues, window) and what is there (consumers on the channel) are two things; `_reconcile` brings the second in line with
the first, after every change and every reconnection. What was delivered and is not settled is kept by `Settlements`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from pamqp import base, commands

from umbel.brokers.amqp.addresses import Address, in_order
from umbel.brokers.amqp.declaring import counts_deliveries, dead_queue, declare_queue, limit_advice, look_at_queue
from umbel.brokers.amqp.holding import CHANNEL as HOLDING_CHANNEL
from umbel.brokers.amqp.session import Session
from umbel.brokers.amqp.settlements import CHANNEL, Settlements
from umbel.brokers.amqp.sockets import ChannelError
from umbel.brokers.amqp.subscriptions import PER_CONSUMER, Subscriptions, needs_consumer
from umbel.brokers.base import BrokerOptions, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.topology import Queue
from umbel.errors import AccessRefused, EncodeError, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method

logger = logging.getLogger("umbel.brokers.amqp")

#: What basic.qos can say.
_MOST_PREFETCH = 0xFFFF
#: Queues that are declared and consumed from in one turn.
_AT_ONCE = 50
#: Queues from which on acknowledgements are gathered.
_MANY = 16
#: Seconds before a missing queue is tried again; and before room that settling made is given to a new consumer of a quorum queue.
_MISSING, _ROOM = 2.0, 0.02
#: Seconds between two calls of `Settlements.renew`. No message is unacknowledged for more than two of them, so RabbitMQ's
#: ``consumer_timeout`` must be longer than that.
_RENEW = 15.0


class AmqpConsumer:
    """See `umbel.brokers.base.Consumer`."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions, queues: Sequence[Queue], *, window: int) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._sink: DeliverySink = NullSink()
        self._queues = {queue.name: queue for queue in queues}
        self._window = window
        self._session: Session | None = None
        self._settlements = Settlements(nodes, options, self._deliver, self._on_settled, self._narrow, self._make_room)
        self._subscriptions = Subscriptions()
        self._prefetch = -1
        self._numbers = 0
        self._per_consumer = any(queue.arguments.get("x-queue-type") in PER_CONSUMER for queue in queues)
        #: Quorum queues that do not say so here; and whether there are some that we do not know the names of.
        self._quorum: set[str] = set()
        self._some_count = False
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reconnecting: asyncio.Task[None] | None = None
        self._reconciling: asyncio.Task[None] | None = None
        self._closed = self._beginning = False

    # life

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        pauses = delays(0.2, 2.0, 10.0)
        attempt = 0
        while True:
            try:
                await self._connect()
            except AccessRefused:
                raise
            except OperationalError as error:
                attempt += 1
                most = self._options.max_retries
                if most is not None and attempt > most:
                    raise
                pause = next(pauses)
                self._sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
                await asyncio.sleep(pause)
            else:
                self._spawn(self._renew())
                return

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._settlements.exchanged()
        for task in (self._reconnecting, self._reconciling, *self._tasks):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OperationalError):
                    await task
        session, self._session = self._session, None
        if session is not None:
            session.on_lost = lambda _reason: None
            session.on_deliveries = lambda _deliveries: None
        await self._settlements.aclose()
        if session is not None:
            await session.aclose()
        self._settlements.end_epoch()

    async def _connect(self) -> None:
        """Connect to a node, open the channel, declare and consume."""
        failures = []
        for node in in_order(self._nodes, self._options.failover):
            try:
                session = await Session.open(node, self._options.limits)
            except AccessRefused as error:
                if len(self._nodes) == 1:
                    raise
                failures.append(str(error))
                continue
            except OperationalError as error:
                failures.append(str(error))
                continue
            try:
                await self._begin(session)
            except BaseException:
                session.on_lost = lambda _reason: None
                session.drop("setting up failed")
                raise
            self._sink.on_connection(ConnectionState.CONNECTED, f"connected to {node}")
            return
        raise OperationalError("; ".join(failures) or "there is no broker URL")

    async def _begin(self, session: Session) -> None:
        self._new_epoch(session)
        await session.open_channel(CHANNEL)
        session.on_deliveries = self._settlements.receive
        session.on_event = self._on_event
        session.on_lost = self._on_lost
        self._session = session
        self._beginning = True
        try:
            async with self._changing:
                await self._apply(session)
            if session.lost is not None:
                raise OperationalError(session.lost)
        except OperationalError as error:
            self._learn(str(error))
            self._session = None
            self._end_epoch()
            raise
        finally:
            self._beginning = False

    def _learn(self, reason: str) -> None:
        """A queue is a quorum queue, though ours does not say so."""
        if "global qos" in reason:
            self._per_consumer = self._some_count = True

    def _new_epoch(self, session: Session) -> None:
        self._settlements.begin_epoch(session)
        self._subscriptions = Subscriptions()
        self._prefetch = -1

    def _end_epoch(self) -> None:
        """All that is unsettled goes back to the broker."""
        lost = self._settlements.end_epoch()
        if lost:
            self._sink.on_lost(lost)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not self._closed:
            self._sink.on_deliveries(deliveries)

    def _on_lost(self, reason: str) -> None:
        if self._session is None or self._closed:
            return
        self._learn(reason)
        self._end_epoch()
        if self._beginning:
            return  # whoever connects sees it and tries again
        self._session = None
        self._sink.on_connection(ConnectionState.LOST, reason)
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Try for ever: a worker outlives its broker."""
        pauses = delays(0.1, most=3.0)
        pause = next(pauses)
        while True:
            await asyncio.sleep(pause)
            try:
                await self._connect()
            except Exception as error:
                pause = next(pauses)
                detail = str(error) if isinstance(error, OperationalError) else f"{type(error).__name__}: {error}"
                self._sink.on_connection(ConnectionState.RETRYING, f"{detail}; trying again in {pause:.1f} s")
            else:
                return

    # deliveries and events

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Cancelled):
            name = self._subscriptions.ended(event.consumer_tag)
            if name is not None:
                logger.warning("RabbitMQ ended the consumer of queue %r: the queue was deleted; it is declared again", name)
            self._reconcile()
        elif isinstance(event, events.ChannelClosed) and event.channel in (CHANNEL, HOLDING_CHANNEL):
            detail = f"RabbitMQ closed the channel: {event.code} {event.text}"
            if self._settlements.holding is not None and self._session is not None:
                self._session.drop(detail)  # what is held on one channel stands for what came on the other
                return
            self._end_epoch()
            self._spawn(self._reopen(detail))

    async def _reopen(self, detail: str) -> None:
        session = self._session
        if session is None:
            return
        async with self._changing:
            self._new_epoch(session)
            self._sink.on_connection(ConnectionState.RETRYING, f"{detail}; it is opened again")
            try:
                await session.open_channel(CHANNEL)
                await self._apply(session)
            except Exception as error:  # nobody waits for this task, and a new connection begins anew
                session.drop(str(error) if isinstance(error, OperationalError) else f"{type(error).__name__}: {error}")
                return
        self._sink.on_connection(ConnectionState.CONNECTED, f"connected to {session.address}")

    # what is wanted

    def set_window(self, size: int) -> None:
        if size != self._window:
            self._window = size
            self._reconcile()

    async def add_queue(self, queue: Queue) -> None:
        self._queues[queue.name] = queue
        if queue.arguments.get("x-queue-type") in PER_CONSUMER and not self._per_consumer:
            self._per_consumer = True
            await self._cancel_all()
        await self._reconcile_now()

    async def cancel_queue(self, name: str) -> None:
        self._queues.pop(name, None)
        await self._reconcile_now()

    def _reconcile(self) -> None:
        if self._session is None:
            return  # connecting brings all in line
        if self._reconciling is None or self._reconciling.done():
            self._reconciling = asyncio.get_running_loop().create_task(self._reconcile_until_done())

    async def _reconcile_until_done(self) -> None:
        while True:
            wanted = (self._window, tuple(self._queues))
            try:
                await self._reconcile_now()
            except OperationalError as error:
                logger.warning("changing the consumers failed: %s", error)
                return
            except Exception:  # nobody waits for this task
                logger.exception("changing the consumers failed")
                return
            if wanted == (self._window, tuple(self._queues)):
                return

    async def _reconcile_now(self) -> None:
        async with self._changing:
            session = self._session
            if session is not None and session.lost is None:
                await self._apply(session)

    async def _apply(self, session: Session) -> None:
        """Bring the broker's view in line with what is wanted. Called under the lock."""
        per_consumer = self._per_consumer
        for name in self._subscriptions.to_cancel(self._queues, self._room(), per_consumer=per_consumer):
            await self._cancel(session, name)
        await self._set_prefetch(session)
        wanted = self._subscriptions.to_begin(self._queues, self._room(), per_consumer=per_consumer)
        for first in range(0, len(wanted), _AT_ONCE):
            if len(wanted) > _MANY:
                self._settlements.enough = _MOST_PREFETCH
            await self._begin_consuming(session, wanted[first : first + _AT_ONCE])
            await self._set_prefetch(session)  # the first ones may have brought messages, and the window may be wider now

    def _room(self) -> int:
        """The window of the delivery channel."""
        # To cancel many consumers, and to begin them again, costs much more than one message that is here early.
        least = int(self._window > 0 and len(self._queues) > _MANY)
        return min(max(self._window - self._settlements.apart, least), _MOST_PREFETCH)

    async def _set_prefetch(self, session: Session) -> None:
        """Tell the broker the window of the channel, where it is one of the channel."""
        if self._per_consumer:
            self._settlements.enough = 0
            return
        window = self._room()
        # Whenever the window was full and is no longer, RabbitMQ asks the queue of each consumer for messages.
        self._settlements.enough = window // 2 if len(self._queues) > _MANY else 0
        prefetch = max(window, int(any(self._subscriptions.live.values())))  # 0 would be no limit at all
        if 0 < prefetch != self._prefetch:
            self._prefetch = prefetch  # at once: a question may be asked before this is answered
            await session.ask(self._qos(prefetch), CHANNEL)

    async def _begin_consuming(self, session: Session, some: list[tuple[Queue, int]]) -> None:
        """Declare queues and consume from them, all in a few round trips."""
        declared = await self._declare_all(session, [queue for queue, _ in some])
        answers: list[asyncio.Future[Any]] = []
        for queue, prefetch in some:
            if queue.name in declared:
                if self._per_consumer:
                    self._prefetch = prefetch
                    answers.append(session.ask(self._qos(prefetch), CHANNEL))
                answers.append(await self._consume(session, queue, prefetch))
        for answer in answers:
            await answer

    async def _cancel(self, session: Session, name: str) -> None:
        """End all consumers of a queue; what they delivered stays ours."""
        tags = list(self._subscriptions.live.get(name, ()))
        await session.call_all([method(commands.Basic.Cancel, consumer_tag=tag) for tag in tags], CHANNEL)
        unsettled = (
            [tag for tag, each in self._settlements.unsettled.items() if each.queue == name and tag > 0] if self._per_consumer else []
        )
        self._subscriptions.cancelled(name, unsettled)

    async def _cancel_all(self) -> None:
        async with self._changing:
            session = self._session
            if session is not None and session.lost is None:
                for name in list(self._subscriptions.live):
                    await self._cancel(session, name)

    def _qos(self, window: int) -> base.Frame:
        """Celery's own arguments: one window for the channel, or for each consumer where quorum queues know no other."""
        return method(commands.Basic.Qos, prefetch_size=0, prefetch_count=window, global_=not self._per_consumer)

    def _question(self) -> base.Frame:
        """A method that changes nothing and is answered."""
        return self._qos(max(self._prefetch, 1))

    async def _declare_all(self, session: Session, queues: list[Queue]) -> set[str]:
        """Which of these queues are there to consume from."""
        frames = [frame for queue in queues for frame in declare_queue(queue) or [look_at_queue(queue)]]
        with contextlib.suppress(ChannelError):  # one is refused: which, the single ones tell
            if len(queues) > 1 and await session.declare(frames) is None:
                return {queue.name for queue in queues}
        return {queue.name for queue in queues if await self._declare(session, queue)}

    async def _declare(self, session: Session, queue: Queue) -> bool:
        """Whether the queue is there to consume from."""
        refusal, problem = await session.declare_as_it_is(queue)
        if refusal is not None and "'quorum'" in refusal:
            self._quorum.add(queue.name)
        if problem is not None:
            logger.error("queue %r cannot be consumed from; trying again in %g s: %s", queue.name, _MISSING, problem)
            asyncio.get_running_loop().call_later(_MISSING, self._retry)
        return problem is None

    def _retry(self) -> None:
        if not self._closed:
            self._reconcile()

    async def _consume(self, session: Session, queue: Queue, prefetch: int) -> asyncio.Future[Any]:
        """Begin to consume; returns the broker's answer."""
        if counts_deliveries(queue, some_do=self._some_count or queue.name in self._quorum):
            await self._prepare_counting(session, queue)
        self._numbers += 1
        tag = f"umbel-{self._numbers}"
        session.core.receiver.queues[tag.encode()] = queue.name
        self._subscriptions.begun(queue.name, tag, prefetch)
        return session.ask(
            method(commands.Basic.Consume, queue=queue.name, consumer_tag=tag, arguments=dict(queue.consumer_arguments)), CHANNEL
        )

    async def _prepare_counting(self, session: Session, queue: Queue) -> None:
        """Once for each queue that counts deliveries: see to it that what RabbitMQ drops has a place to go to, and say how it comes there."""
        if queue.name in self._settlements.counting:
            return
        self._settlements.counting.add(queue.name)
        advice = limit_advice(queue, session.core.server_version, session.address.login.vhost)
        if advice is not None:
            logger.warning("%s", advice)
            with contextlib.suppress(ChannelError, EncodeError):  # we may not, or a queue cannot have such a name
                await session.declare(declare_queue(dead_queue(queue.name)))

    # settling

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._settlements.ack(deliveries)

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._settlements.requeue(deliveries)

    async def begin(self, delivery: Delivery) -> None:
        await self._settlements.begin(delivery, self._question)

    async def blame(self, delivery: Delivery) -> None:
        await self._settlements.blame(delivery)

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        await self._settlements.delay(moves)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        await self._settlements.dead_letter(delivery, reason, detail)

    async def flush(self) -> None:
        if self._window <= 0 and self._reconciling is not None:  # else one more consumer may begin, and bring more
            await asyncio.shield(self._reconciling)
        await self._settlements.flush(self._question)

    def _on_settled(self, settled: list[Delivery]) -> None:
        """Where cancelled consumers had delivered these, there is room for a new consumer."""
        if self._subscriptions.left_over:
            made = [each for each in settled if self._subscriptions.settled(each.queue, each.tag)]
            if made and self._window > 0:
                self._make_room()

    def _make_room(self) -> None:
        asyncio.get_running_loop().call_later(_ROOM, self._retry)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            # Such a queue cannot do without a place in the window, so what came from it keeps its place.
            fixed = {name for name, queue in self._queues.items() if needs_consumer(queue)}
            try:
                await self._settlements.renew(fixed)
            except Exception:  # the next time must come
                logger.exception("messages that have been here for long could not be exchanged")

    async def _narrow(self) -> None:
        with contextlib.suppress(OperationalError):  # lost: then there is nothing left to exchange
            await self._reconcile_now()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
