"""The asyncio consumer: claims under leases, settles, renews, restores what dead workers held, wakes up when something is pushed.

A claim moves messages from the lists into kombu's ``unacked`` hash and ``unacked_index`` sorted set under tags that are used only once.
So a tag that is gone from ``unacked`` is a lease that was lost, and settling it does nothing: that is all the fencing there is. The score of a tag is
the server's time when it was last renewed, which is what kombu's own restore looks at; the lease's length is written in the tag.

::

    list ──claim──▶ unacked ──ack──▶ ∅
      ▲               │ ├──delay──▶ umbel:delayed:<queue> ──due──▶ list (front)
      │               │ └──dead_letter──▶ <queue>.dead
      └──requeue, blame, lease expired (front)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable, Sequence

from umbel.brokers import exchanges
from umbel.brokers.base import ATTEMPTS, BrokerOptions, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.redis.acks import Acks
from umbel.brokers.redis.claiming import RedisDelivery, dead_envelope, read
from umbel.brokers.redis.fanout.listening import Listening
from umbel.brokers.redis.leases import Housekeeping
from umbel.brokers.redis.readers import Readers
from umbel.brokers.redis.topology import declare_queue
from umbel.brokers.topology import Queue
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.link import Link
from umbel.clients.redis.replies import is_transient
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.redis import envelope, scripts
from umbel.wire.redis.claim_order import ClaimOrder, Lists
from umbel.wire.redis.keys import TAG_PREFIX, Keys
from umbel.wire.redis.resp import Argument, Push, ReplyError, pack_all, pack_joined, pack_part
from umbel.wire.redis.scripts import Script

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Messages that one script call claims at most: more would keep the server, and our loop, from others for milliseconds.
BATCH = 128
#: Windows from this size on wait up to a millisecond for room for a good part of a batch.
_WIDE = 32
_PATIENCE = 0.001
#: Seconds between two looks at the lists when nothing wakes us.
_SAFETY_POLL = 1.0
#: Shortest and longest pause between two looks where the server has no client tracking.
_POLL_FIRST, _POLL_MOST = 0.005, 0.1
#: Seconds that closing tries to reach the server.
_CLOSE_PATIENCE = 5.0
_EXISTS = pack_part("EXISTS")
_SCRIPTS = ("claim", "renew", "expired", "restore", "move", "delay", "due", "begin", "readers")


class RedisConsumer:
    """Fulfils `umbel.brokers.base.Consumer`."""

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys, queues: Sequence[Queue], window: int) -> None:
        self._options = options
        self.keys = keys
        self._sink: DeliverySink = NullSink()
        self._window = window
        self._queues: dict[str, Queue] = {queue.name: queue for queue in queues}
        strategy = str(options.transport.get("queue_order_strategy") or "round_robin")
        self._serving = ClaimOrder(keys, strategy, self._queues)
        self.lease: float = lease_of(options)
        self.visibility_timeout: float = float(options.transport.get("visibility_timeout") or 0.0)
        self._prefix = f"{TAG_PREFIX}{int(self.lease * 1000)}-{os.urandom(6).hex()}-".encode()
        self._number = 0
        self._held: dict[bytes, RedisDelivery] = {}
        #: On their way to another place; renewed, but no longer anybody's to settle.
        self._moving: dict[bytes, RedisDelivery] = {}
        #: (number before the first tag, how many) of a claim whose reply has not come.
        self._doubtful: tuple[int, int] | None = None
        self._claiming = asyncio.Lock()
        self._wake = asyncio.Event()
        #: The claiming loop waits for room, not for messages.
        self._full = False
        self._patience: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._closed = False
        self.link: Link = Link(candidates, self._introduce, self._on_push, self._on_change)
        self._acks = Acks(self.link, keys, self._settled, self._wake.set)
        self._housekeeping = Housekeeping(self)
        self._readers = Readers(keys, self._prefix.decode(), self.lease)
        self._listening = Listening(options, candidates, keys, self.link, self._wake.set)

    # connection

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        await self.link.open(self._options.max_retries)
        await self._listening.begin(list(self._queues.values()))
        self._tasks = [asyncio.create_task(self._keep_claiming()), asyncio.create_task(self._housekeeping.keep())]

    async def _introduce(self, connection: AsyncConnection) -> None:
        """Bring a new connection's server and us to the same state."""
        if connection.pushes:
            try:
                await connection.call("CLIENT", "TRACKING", "ON", "NOLOOP")
            except ReplyError:
                connection.pushes = False
        for name in _SCRIPTS:
            with contextlib.suppress(ReplyError):  # sent with EVAL where loading is not allowed
                await connection.call("SCRIPT", "LOAD", scripts.load(name).text)
        await self._declare(connection, sweep=False)
        await self._housekeeping.renew(connection)
        await self._adopt(connection)

    async def _declare(self, connection: AsyncConnection, *, sweep: bool) -> None:
        queues = self._queues.values()
        await self._readers.renew(connection, queues, sweep=sweep)
        commands = [command for queue in queues for command in declare_queue(self.keys, queue)]
        if commands:
            await asyncio.gather(*connection.send(pack_all(commands), len(commands)))

    async def declare_again(self) -> None:
        """See to it that the bindings exist: somebody may have emptied the database. And that those of dead readers do not."""
        if self.link.connection is not None:
            await self._declare(self.link.connection, sweep=True)

    async def _adopt(self, connection: AsyncConnection) -> None:
        """Take up what a claim has moved whose reply was lost with the last connection."""
        if self._doubtful is None:
            return
        first, count = self._doubtful
        tags = [self._prefix + b"%d" % (first + i + 1) for i in range(count)]
        entries = await connection.call("HMGET", self.keys.unacked, *tags)
        self._doubtful = None
        found = []
        for tag, data in zip(tags, entries, strict=True):
            held = envelope.parse_unacked(data) if data is not None else None
            if held is not None:
                found.append(read(held.raw, tag, held.routing_key, self._options.limits))
        self._take(found)

    def _on_push(self, push: Push) -> None:
        if push and push[0] == b"invalidate":
            if push[1] is None:  # FLUSHALL or FLUSHDB
                self._housekeeping.hurry()
            self._wake.set()

    def _on_change(self, state: ConnectionState, detail: str) -> None:
        if state is ConnectionState.CONNECTED:
            self._acks.send()
        self._wake.set()
        self._sink.on_connection(state, detail)

    # claiming

    def set_window(self, size: int) -> None:
        self._window = size
        self._wake.set()

    def wake(self) -> None:
        """Look at the lists: we have put something into them ourselves, which the server does not tell us."""
        self._wake.set()

    def _room(self) -> int:
        return self._window - len(self._held) - len(self._moving)

    async def _keep_claiming(self) -> None:
        while True:
            connection = self.link.connection
            if connection is None:
                await self.link.reopen()
                continue
            try:
                await self._claim_on(connection)
            except ConnectionLost:
                continue
            except ReplyError as error:
                logger.warning("Redis refused to hand out messages: %s", error)
                if is_transient(error):
                    self.link.drop(f"Redis cannot hand out messages: {error}")
                else:
                    await asyncio.sleep(1.0)
            except Exception:
                logger.exception("The consumer failed and goes on")
                await asyncio.sleep(1.0)

    async def _claim_on(self, connection: AsyncConnection) -> None:
        """Claim until there is no connection."""
        pauses = delays(_POLL_FIRST, most=_POLL_MOST, jitter=0.1)
        drained = False
        loop = asyncio.get_running_loop()
        while connection.lost is None:
            room = self._room()
            if room <= 0 or not self._queues:
                self._full = True
                self._wake.clear()
                await self._wake.wait()
                self._full = False
                continue
            count = min(room, BATCH)
            self._wake.clear()
            arm = drained and connection.pushes
            async with self._claiming:
                lists = self._serving.next(loop.time(), everything=arm)
                waiting, got = await self._claim(connection, count, lists, arm=arm)
            if got:
                pauses = delays(_POLL_FIRST, most=_POLL_MOST, jitter=0.1)
            if self._serving.claimed(lists.span, filled=got >= count):
                drained = False
            elif not connection.pushes:
                await self._rest(next(pauses))
            elif arm and not waiting:
                await self._rest(_SAFETY_POLL)
            else:
                drained = True

    async def _rest(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _claim(self, connection: AsyncConnection, count: int, lists: Lists, *, arm: bool) -> tuple[bool, int]:
        """One claim; whether messages are left (only when armed for a wake-up), and how many were claimed."""
        script = scripts.load("claim")
        number = self._number
        self._doubtful = number, count
        self._number += count
        # In this order: reading the lists after the claim asks to be told of the next change.
        data = self._claim_command("EVALSHA", script.sha, count, number, lists)
        if arm:
            claim, look = connection.send(data + pack_joined(1 + len(lists.queues), _EXISTS, lists.keys), 2)
        else:
            (claim,) = connection.send(data)
        try:
            found = await claim
        except ReplyError as error:
            self._doubtful = None
            if error.code != "NOSCRIPT":
                raise
            self._doubtful = number, count
            (again,) = connection.send(self._claim_command("EVAL", script.text, count, number, lists))
            found = await again
        self._doubtful = None
        deliveries: list[RedisDelivery] = []
        limits, prefix = self._options.limits, self._prefix
        for i in range(0, len(found), 2):
            queue = lists.queues[found[i] - 1]
            for raw in found[i + 1]:
                number += 1
                deliveries.append(read(raw, prefix + b"%d" % number, queue, limits))
        self._take(deliveries)
        return bool(await look) if arm else True, len(deliveries)

    def _claim_command(self, verb: str, script: str, count: int, number: int, lists: Lists) -> bytes:
        keys = 2 + len(lists.queues)
        fixed: tuple[Argument, ...] = (verb, script, keys, self.keys.unacked, self.keys.unacked_index)
        arguments: tuple[Argument, ...] = (count, self._prefix, number)
        return pack_joined(3 + keys + 3 + lists.span, *map(pack_part, fixed), lists.keys, *map(pack_part, arguments), lists.tails)

    def _take(self, deliveries: list[RedisDelivery]) -> None:
        if not deliveries:
            return
        held = self._held
        for delivery in deliveries:
            held[delivery.tag] = delivery
        if not self._closing:
            self._sink.on_deliveries(list(deliveries))

    # settling

    def held_tags(self) -> list[bytes]:
        """The tags whose leases are to be renewed."""
        return [*self._held, *self._moving]

    def lose(self, tags: Iterable[bytes]) -> None:
        """These leases are no longer ours."""
        gone = [self._held.pop(tag) for tag in tags if tag in self._held]
        if gone:
            logger.warning("%d messages are no longer ours: their leases expired or the database was emptied", len(gone))
            self._sink.on_lost(gone)
            self._settled()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        pop = self._held.pop
        self._acks.ack([delivery.tag for delivery in deliveries if pop(delivery.tag, None) is not None])

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        found = [self._held.pop(delivery.tag, None) for delivery in deliveries]
        self._acks.give_back([delivery for delivery in found if delivery is not None])

    async def flush(self) -> None:
        if self._window == 0:
            async with self._claiming:
                pass  # what a claim on its way brings is here now
        await self._acks.flush()

    def _settled(self) -> None:
        """There may be room again."""
        if not self._full:
            return
        room = self._room()
        if room <= 0:
            return
        if self._window < _WIDE or room >= min(BATCH, self._window // 4):
            self._wake.set()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_PATIENCE, self._end_patience)

    def _end_patience(self) -> None:
        self._patience = None
        if self._full:
            self._wake.set()

    async def begin(self, delivery: Delivery) -> None:
        ours = self._held.get(delivery.tag)
        if ours is None:
            return
        raw = envelope.marked(ours.raw, {ATTEMPTS: ours.attempts + 1})
        if raw is not None:
            await self.link.until_done(scripts.load("begin"), [self.keys.unacked], [ours.tag, envelope.render_unacked(raw, ours.queue)])

    async def blame(self, delivery: Delivery) -> None:
        ours = self._held.get(delivery.tag)
        if ours is not None:
            raw = envelope.marked(ours.raw, {ATTEMPTS: ours.attempts + 1}) or ours.raw
            list_key = self.keys.list_for(ours.queue, ours.properties.get("priority"))
            await self._move([ours], scripts.load("move"), list_key, ["RPUSH", ours.tag, 1, raw])
            self._wake.set()

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        queues: dict[str, list[tuple[RedisDelivery, float]]] = {}
        for delivery, until in moves:
            ours = self._held.get(delivery.tag)
            if ours is not None:
                queues.setdefault(ours.queue, []).append((ours, until))
        await asyncio.gather(*(self._delay(queue, found) for queue, found in queues.items()))

    async def _delay(self, queue: str, moves: list[tuple[RedisDelivery, float]]) -> None:
        moves = [move for move in moves if move[0].tag in self._held]
        if not moves:
            return
        arguments: list[Argument] = [envelope.unacked_tail(queue)]
        for ours, until in moves:
            if ARMED:
                hit("before_delay_settle")
            arguments += ours.tag, repr(float(until)), self.keys.step(ours.properties.get("priority"))
        await self._move([ours for ours, _ in moves], scripts.load("delay"), self.keys.delayed(queue), arguments)
        self._housekeeping.expect(min(until for _, until in moves))

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        ours = self._held.get(delivery.tag)
        if ours is not None:
            if ARMED:
                hit("before_dead_letter_settle")
            queue, raw = dead_envelope(ours, reason, detail)
            await self._move([ours], scripts.load("move"), self.keys.list_at(queue, 0), ["LPUSH", ours.tag, 1, raw])

    async def _move(self, moving: list[RedisDelivery], script: Script, to: str, arguments: Sequence[Argument]) -> None:
        for ours in moving:
            self._moving[ours.tag] = self._held.pop(ours.tag)
        try:
            await self.link.until_done(script, [self.keys.unacked, self.keys.unacked_index, to], arguments)
        except BaseException:
            self._held.update((ours.tag, ours) for ours in moving)  # as far as we know nothing has happened: settle it in another way
            raise
        finally:
            for ours in moving:
                del self._moving[ours.tag]
            self._settled()

    # queues

    @property
    def queue_names(self) -> list[str]:
        """Name the queues that are consumed from."""
        return list(self._queues)

    @property
    def queues(self) -> list[Queue]:
        """See `umbel.brokers.base.Consumer`."""
        return list(self._queues.values())

    async def add_queue(self, queue: Queue) -> None:
        exchanges.check(queue)
        self._queues[queue.name] = queue
        self._serving.change(self._queues)
        with contextlib.suppress(ConnectionLost):  # declared with the next connection
            await self.declare_again()
        await self._listening.begin([queue])
        self._wake.set()

    async def cancel_queue(self, name: str) -> None:
        queue = self._queues.pop(name, None)
        self._serving.change(self._queues)
        await self._listening.end(name)
        async with self._claiming:  # a claim that is under way still asks for it
            pass
        is_held = any(delivery.queue == name for delivery in self._held.values())  # and may yet go back there
        if queue is not None and not is_held and self.link.connection is not None:
            with contextlib.suppress(ConnectionLost):  # then it is taken for dead in time
                await self._readers.leave(self.link.connection, [queue])

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closing = True
        if self._patience is not None:
            self._patience.cancel()
        await self._listening.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE_PATIENCE):
                await self._hand_back()
        except (TimeoutError, OperationalError, ReplyError) as error:
            logger.warning("Unsettled messages could not be handed back; their leases will expire: %s", str(error) or "no answer")
        self._closed = True
        self._held.clear()
        self._acks.abandon()
        await self.link.aclose()

    async def _hand_back(self) -> None:
        """Settle what is buffered, and give back the rest, what a claim under way brings included."""
        if self.link.connection is None and self._tasks:
            await self.link.connect()
        if self.link.connection is not None:
            await self._adopt(self.link.connection)
            self.requeue(list(self._held.values()))
            await self.flush()
            await self._readers.leave(self.link.connection, self._queues.values())


def lease_of(options: BrokerOptions) -> float:
    """Seconds of a lease: never longer than ``visibility_timeout``, after which kombu's workers would take a message."""
    timeout = options.transport.get("visibility_timeout")
    return min(options.lease, float(timeout)) if timeout else options.lease
