"""The asyncio consumer: deliveries in, settlements out, and a connection that comes back.

What is wanted (queues, window) and what is there (consumers on the channel) are two things; `_reconcile` brings the second in line with
the first, after every change and every reconnection. What was delivered and is not settled is kept by `Acks`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from pamqp import base, commands

from umbel.brokers.amqp.acks import CHANNEL, Acks
from umbel.brokers.amqp.moves.holding import CHANNEL as HOLDING_CHANNEL
from umbel.brokers.amqp.streams import is_stream
from umbel.brokers.amqp.subscriptions import Subscriptions, has_own_window, needs_consumer
from umbel.brokers.amqp.topology import AS_IT_IS, bind_all, counts_deliveries, dead_queue, declare_queue, limit_advice, look_at_queue
from umbel.brokers.base import BrokerOptions, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.topology import Queue
from umbel.clients.amqp.addresses import Address, in_order
from umbel.clients.amqp.channels import ChannelError
from umbel.clients.amqp.connection_async import AsyncConnection
from umbel.errors import AccessRefused, EncodeError, OperationalError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

#: What basic.qos can say.
_MOST_PREFETCH = 0xFFFF
#: Queues that are declared and consumed from in one turn.
_AT_ONCE = 50
#: Queues from which on acknowledgements are gathered.
_MANY = 16
#: Seconds before a missing queue is tried again; and before room that settling made is given to a new consumer of a quorum queue.
_MISSING, _ROOM = 2.0, 0.02
#: Seconds between two calls of `Acks.renew`. No message is unacknowledged for more than two of them, so RabbitMQ's
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
        self._connection: AsyncConnection | None = None
        self._acks = Acks(nodes, options, self._deliver, self._on_settled, self._narrow, self._make_room)
        self._acks.streams.expect(queues)
        self._subscriptions = Subscriptions()
        self._prefetch = -1
        self._numbers = 0
        self._per_consumer = any(map(has_own_window, queues))
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
                self._sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {(pause := next(pauses)):.1f} s")
                await asyncio.sleep(pause)
            else:
                self._spawn(self._renew())
                return

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._acks.exchanged()
        for task in (self._reconnecting, self._reconciling, *self._tasks):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OperationalError):
                    await task
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.on_lost = lambda _reason: None
            connection.on_deliveries = lambda _deliveries: None
        await self._acks.aclose()
        if connection is not None:
            await connection.aclose()
        self._acks.end_epoch()

    async def _connect(self) -> None:
        """Connect to a node, open the channel, declare and consume."""
        failures = []
        for node in in_order(self._nodes, self._options.failover):
            try:
                connection = await AsyncConnection.open(node, self._options.limits)
            except AccessRefused as error:
                if len(self._nodes) == 1:
                    raise
                failures.append(str(error))
                continue
            except OperationalError as error:
                failures.append(str(error))
                continue
            try:
                await self._begin(connection)
            except BaseException:
                connection.on_lost = lambda _reason: None
                connection.drop("setting up failed")
                raise
            self._sink.on_connection(ConnectionState.CONNECTED, f"connected to {node}")
            return
        raise OperationalError("; ".join(failures) or "there is no broker URL")

    async def _begin(self, connection: AsyncConnection) -> None:
        self._new_epoch(connection)
        await connection.open_channel(CHANNEL)
        connection.on_deliveries = self._acks.receive
        connection.on_event = self._on_event
        connection.on_lost = self._on_lost
        self._connection = connection
        self._beginning = True
        try:
            async with self._changing:
                await self._apply(connection)
            if connection.lost is not None:
                raise OperationalError(connection.lost)
        except OperationalError as error:
            self._learn(str(error))
            self._connection = None
            self._end_epoch()
            raise
        finally:
            self._beginning = False

    def _learn(self, reason: str) -> None:
        """A queue is a quorum queue, though ours does not say so."""
        if "global qos" in reason:
            self._per_consumer = self._some_count = True

    def _new_epoch(self, connection: AsyncConnection) -> None:
        self._acks.begin_epoch(connection)
        self._subscriptions = Subscriptions()
        self._prefetch = -1

    def _end_epoch(self) -> None:
        """All that is unsettled goes back to the broker."""
        lost = self._acks.end_epoch()
        if lost:
            self._sink.on_lost(lost)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not self._closed:
            self._sink.on_deliveries(deliveries)

    def _on_lost(self, reason: str) -> None:
        if self._connection is None or self._closed:
            return
        self._learn(reason)
        self._end_epoch()
        if self._beginning:
            return  # whoever connects sees it and tries again
        self._connection = None
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
            if self._acks.holding is not None and self._connection is not None:
                self._connection.drop(detail)  # what is held on one channel stands for what came on the other
                return
            self._end_epoch()
            self._spawn(self._reopen(detail))

    async def _reopen(self, detail: str) -> None:
        connection = self._connection
        if connection is None:
            return
        async with self._changing:
            self._new_epoch(connection)
            self._sink.on_connection(ConnectionState.RETRYING, f"{detail}; it is opened again")
            try:
                await connection.open_channel(CHANNEL)
                await self._apply(connection)
            except Exception as error:  # nobody waits for this task, and a new connection begins anew
                connection.drop(str(error) if isinstance(error, OperationalError) else f"{type(error).__name__}: {error}")
                return
        self._sink.on_connection(ConnectionState.CONNECTED, f"connected to {connection.address}")

    # what is wanted

    def set_window(self, size: int) -> None:
        if size != self._window:
            self._window = size
            self._reconcile()

    @property
    def queues(self) -> list[Queue]:
        """See `umbel.brokers.base.Consumer`."""
        return list(self._queues.values())

    async def add_queue(self, queue: Queue) -> None:
        self._queues[queue.name] = queue
        self._acks.streams.expect([queue])
        if has_own_window(queue) and not self._per_consumer:
            self._per_consumer = True
            await self._cancel_all()
        await self._reconcile_now()

    async def cancel_queue(self, name: str) -> None:
        self._queues.pop(name, None)
        await self._reconcile_now()

    def _reconcile(self) -> None:
        if self._connection is None:
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
            connection = self._connection
            if connection is not None and connection.lost is None:
                await self._apply(connection)

    async def _apply(self, connection: AsyncConnection) -> None:
        """Bring the broker's view in line with what is wanted. Called under the lock."""
        per_consumer = self._per_consumer
        for name in self._subscriptions.to_cancel(self._queues, self._room(), per_consumer=per_consumer):
            await self._cancel(connection, name)
        await self._set_prefetch(connection)
        wanted = self._subscriptions.to_begin(self._queues, self._room(), per_consumer=per_consumer)
        for first in range(0, len(wanted), _AT_ONCE):
            if len(wanted) > _MANY:
                self._acks.enough = _MOST_PREFETCH
            await self._begin_consuming(connection, wanted[first : first + _AT_ONCE])
            await self._set_prefetch(connection)  # the first ones may have brought messages, and the window may be wider now

    def _room(self) -> int:
        """The window of the delivery channel."""
        # To cancel many consumers, and to begin them again, costs much more than one message that is here early.
        least = int(self._window > 0 and len(self._queues) > _MANY)
        return min(max(self._window - self._acks.apart, least), _MOST_PREFETCH)

    async def _set_prefetch(self, connection: AsyncConnection) -> None:
        """Tell the broker the window of the channel, where it is one of the channel."""
        if self._per_consumer:
            self._acks.enough = 0
            return
        window = self._room()
        # Whenever the window was full and is no longer, RabbitMQ asks the queue of each consumer for messages.
        self._acks.enough = window // 2 if len(self._queues) > _MANY else 0
        prefetch = max(window, int(any(self._subscriptions.live.values())))  # 0 would be no limit at all
        if 0 < prefetch != self._prefetch:
            self._prefetch = prefetch  # at once: a question may be asked before this is answered
            await connection.ask(self._qos(prefetch), CHANNEL)

    async def _begin_consuming(self, connection: AsyncConnection, some: list[tuple[Queue, int]]) -> None:
        """Declare queues and consume from them, all in a few round trips."""
        declared = await self._declare_all(connection, [queue for queue, _ in some])
        answers: list[asyncio.Future[Any]] = []
        for queue, prefetch in (each for each in some if each[0].name in declared):
            if self._per_consumer:
                self._prefetch = prefetch
                answers.append(connection.ask(self._qos(prefetch), CHANNEL))
            answers.append(await self._consume(connection, queue, prefetch))
        for answer in answers:
            await answer

    async def _cancel(self, connection: AsyncConnection, name: str) -> None:
        """End all consumers of a queue; what they delivered stays ours."""
        tags = list(self._subscriptions.live.get(name, ()))
        await connection.call_all([method(commands.Basic.Cancel, consumer_tag=tag) for tag in tags], CHANNEL)
        unsettled = [tag for tag, each in self._acks.unsettled.items() if each.queue == name and tag > 0] if self._per_consumer else []
        self._subscriptions.cancelled(name, unsettled)

    async def _cancel_all(self) -> None:
        async with self._changing:
            if self._connection is not None and self._connection.lost is None:
                for name in list(self._subscriptions.live):
                    await self._cancel(self._connection, name)

    def _qos(self, window: int) -> base.Frame:
        """Celery's own arguments: one window for the channel, or for each consumer where quorum queues know no other."""
        return method(commands.Basic.Qos, prefetch_size=0, prefetch_count=window, global_=not self._per_consumer)

    def _question(self) -> base.Frame:
        """A method that changes nothing and is answered."""
        return self._qos(max(self._prefetch, 1))

    async def _declare_all(self, connection: AsyncConnection, queues: list[Queue]) -> set[str]:
        """Declare these queues; return those that are there to consume from."""
        frames = [frame for queue in queues for frame in declare_queue(queue) or [look_at_queue(queue)]]
        with contextlib.suppress(ChannelError):  # one is refused: which, the single ones tell
            if len(queues) > 1 and await connection.declare(frames) is None:
                return {queue.name for queue in queues}
        return {queue.name for queue in queues if await self._declare(connection, queue)}

    async def _declare(self, connection: AsyncConnection, queue: Queue) -> bool:
        """Declare a queue; return whether it is there to consume from."""
        refusal, problem = await _declare_as_it_is(connection, queue)
        if refusal is not None and "'quorum'" in refusal:
            self._quorum.add(queue.name)
        if problem is not None:
            logger.error("queue %r cannot be consumed from; trying again in %g s: %s", queue.name, _MISSING, problem)
            asyncio.get_running_loop().call_later(_MISSING, self._retry)
        return problem is None

    def _retry(self) -> None:
        if not self._closed:
            self._reconcile()

    async def _consume(self, connection: AsyncConnection, queue: Queue, prefetch: int) -> asyncio.Future[Any]:
        """Begin to consume; returns the broker's answer."""
        if counts_deliveries(queue, some_do=self._some_count or queue.name in self._quorum):
            await self._prepare_counting(connection, queue)
        self._numbers += 1
        tag = f"umbel-{self._numbers}"
        connection.core.receiver.queues[tag.encode()] = queue.name
        self._subscriptions.begun(queue.name, tag, prefetch)
        arguments = self._acks.streams.offsets.arguments(queue, SYSTEM.now())
        return connection.ask(method(commands.Basic.Consume, queue=queue.name, consumer_tag=tag, arguments=arguments), CHANNEL)

    async def _prepare_counting(self, connection: AsyncConnection, queue: Queue) -> None:
        """Once for each queue that counts deliveries: see to it that what RabbitMQ drops has a place to go to, and say how it comes there."""
        if queue.name in self._acks.counting:
            return
        self._acks.counting.add(queue.name)
        advice = limit_advice(queue, connection.core.server_version, connection.address.login.vhost)
        if advice is not None:
            logger.warning("%s", advice)
            with contextlib.suppress(ChannelError, EncodeError):  # we may not, or a queue cannot have such a name
                await connection.declare(declare_queue(dead_queue(queue.name)))

    # settling

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._acks.ack(deliveries)

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._acks.requeue(deliveries)

    async def begin(self, delivery: Delivery) -> None:
        await self._acks.begin(delivery, self._question)

    async def blame(self, delivery: Delivery) -> None:
        await self._acks.blame(delivery)

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        await self._acks.delay(moves)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        await self._acks.dead_letter(delivery, reason, detail)

    async def flush(self) -> None:
        if self._window <= 0 and self._reconciling is not None:  # else one more consumer may begin, and bring more
            await asyncio.shield(self._reconciling)
        await self._acks.flush(self._question)

    def _on_settled(self, settled: list[Delivery]) -> None:
        """Make room for a new consumer, where cancelled ones had delivered these."""
        if self._subscriptions.left_over:
            made = [each for each in settled if self._subscriptions.settled(each.queue, each.tag)]
            if made and self._window > 0:
                self._make_room()

    def _make_room(self) -> None:
        asyncio.get_running_loop().call_later(_ROOM, self._retry)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            # Such a queue cannot do without a place in the window, so what came from it keeps its place; and a copy of what a stream has
            # would come to all its readers.
            fixed = {name for name, queue in self._queues.items() if needs_consumer(queue) or is_stream(queue)}
            try:
                await self._acks.renew(fixed)
            except Exception:  # the next time must come
                logger.exception("messages that have been here for long could not be exchanged")

    async def _narrow(self) -> None:
        with contextlib.suppress(OperationalError):  # lost: then there is nothing left to exchange
            await self._reconcile_now()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _declare_as_it_is(connection: AsyncConnection, queue: Queue) -> tuple[str | None, str | None]:
    """Declare a queue, or use it as it is; returns what the broker has against its arguments, and why the queue is not there.

    Raises:
        OperationalError: the connection was lost.
    """
    refusal = None
    try:
        refusal = await connection.declare(declare_queue(queue))
        if refusal is not None:
            logger.warning("queue %r %s: %s", queue.name, AS_IT_IS, refusal)
            with contextlib.suppress(ChannelError):  # whoever sends through a binding that cannot be made is told
                await connection.declare(bind_all(queue))
    except ChannelError as error:
        logger.warning("queue %r cannot be declared: %s", queue.name, error)
    try:  # consuming from a missing queue would close the channel and with it every delivery on it
        await connection.declare([look_at_queue(queue)])
    except ChannelError as error:
        return refusal, str(error)
    return refusal, None
