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
from typing import Any

from umbel.brokers.base import ATTEMPTS, BrokerOptions, ConnectionState, Delivery, DeliverySink
from umbel.brokers.redis.address import Address
from umbel.brokers.redis.bindings import binding_commands
from umbel.brokers.redis.claiming import RedisDelivery, dead_envelope, read
from umbel.brokers.redis.leases import Housekeeping
from umbel.brokers.redis.replies import is_transient, translate
from umbel.brokers.redis.streaming import ConnectionLost, StreamConnection
from umbel.brokers.topology import Queue
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.redis import envelope, scripts
from umbel.wire.redis.keys import TAG_PREFIX, Keys
from umbel.wire.redis.resp import Argument, Push, ReplyError, pack, pack_all
from umbel.wire.redis.scripts import Script

logger = logging.getLogger("umbel.brokers.redis")

#: Messages that one script call claims at most: more would keep the server, and our loop, from others for milliseconds.
BATCH = 128
#: Windows from this size on wait up to a millisecond for room for a whole batch.
_WIDE = 32
_PATIENCE = 0.001
#: Seconds between two looks at the lists when nothing wakes us.
_SAFETY_POLL = 1.0
#: Shortest and longest pause between two looks where the server has no client tracking.
_POLL_FIRST, _POLL_MOST = 0.005, 0.1
#: Seconds that a reply may take before the connection is given up.
_SILENCE = 10.0
#: Seconds that closing tries to reach the server.
_CLOSE_PATIENCE = 5.0
_SCRIPTS = ("claim", "renew", "expired", "restore", "move", "delay", "due", "begin")


class RedisConsumer:
    """Fulfils `umbel.brokers.base.Consumer`."""

    def __init__(
        self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys, queues: Sequence[Queue], sink: DeliverySink, window: int
    ) -> None:
        self._options = options
        self._candidates = candidates
        self.keys = keys
        self.sink = sink
        self._window = window
        self._queues: dict[str, Queue] = {queue.name: queue for queue in queues}
        self._strategy = str(options.transport.get("queue_order_strategy") or "round_robin")
        self.lease = lease_of(options)
        self.visibility_timeout = float(options.transport.get("visibility_timeout") or 0.0)
        self._prefix = f"{TAG_PREFIX}{int(self.lease * 1000)}-{os.urandom(6).hex()}-".encode()
        self._number = 0
        self._turn = 0
        self._held: dict[bytes, RedisDelivery] = {}
        #: On their way to another place; renewed, but no longer anybody's to settle.
        self._settling: dict[bytes, RedisDelivery] = {}
        self._acks: list[bytes] = []
        self._returns: list[RedisDelivery] = []
        self._flush_planned = False
        self._in_flight: set[asyncio.Task[None]] = set()
        self._doubtful: tuple[int, int] | None = None
        self._connection: StreamConnection | None = None
        self._connected = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._wake = asyncio.Event()
        self._full = False
        self._patience: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._closed = False
        self._housekeeping = Housekeeping(self)
        self._order: list[tuple[str, str]] | None = None

    # connection

    async def start(self) -> None:
        pauses = delays(0.1, most=3.0)
        most = self._options.max_retries
        attempt = 0
        while True:
            try:
                await self._connect()
                break
            except AccessRefused:
                raise
            except (OperationalError, ReplyError) as error:
                attempt += 1
                if most is not None and attempt > most:
                    raise
                self.sink.on_connection(ConnectionState.RETRYING, str(error))
            await asyncio.sleep(next(pauses))
        self._tasks = [asyncio.create_task(self._keep_claiming()), asyncio.create_task(self._housekeeping.keep())]

    async def _connect(self) -> None:
        """Connect to the first server that answers, and bring it and us to the same state."""
        problem: OperationalError | None = None
        for address in self._candidates:
            try:
                connection = await StreamConnection.open(address, self._on_push, self._on_lost)
            except OperationalError as error:
                problem = error
                continue
            try:
                await self._introduce(connection)
            except ReplyError as error:
                connection.abort()
                problem = translate(error, "to begin consuming")
                continue
            except BaseException:
                connection.abort()
                raise
            self._connection = connection
            self._connected.set()
            self._send_settlements()
            self.sink.on_connection(ConnectionState.CONNECTED, f"connected to {address.public()}")
            await self._adopt(connection)
            return
        raise problem or OperationalError("no Redis server is configured")

    async def _introduce(self, connection: StreamConnection) -> None:
        if connection.pushes:
            try:
                await connection.call("CLIENT", "TRACKING", "ON", "NOLOOP")
            except ReplyError:
                connection.pushes = False
        for name in _SCRIPTS:
            with contextlib.suppress(ReplyError):  # sent with EVAL where loading is not allowed
                await connection.call("SCRIPT", "LOAD", scripts.load(name).text)
        await self._declare(connection)
        await self._housekeeping.renew(connection)

    async def _declare(self, connection: StreamConnection) -> None:
        commands = [command for queue in self._queues.values() if not queue.no_declare for command in binding_commands(self.keys, queue)]
        if commands:
            await asyncio.gather(*connection.send(pack_all(commands), len(commands)))

    async def declare_again(self) -> None:
        """See to it that the bindings exist: somebody may have emptied the database."""
        if self._connection is not None:
            await self._declare(self._connection)

    async def _adopt(self, connection: StreamConnection) -> None:
        """Take up what a claim has moved whose reply was lost with the last connection."""
        if self._doubtful is None:
            return
        first, count = self._doubtful
        tags = [self._prefix + b"%d" % (first + i + 1) for i in range(count)]
        entries = await connection.call("HMGET", self.keys.unacked, *tags)
        self._doubtful = None
        found = []
        for tag, data in zip(tags, entries, strict=True):
            held = envelope.held(data) if data is not None else None
            if held is not None:
                found.append(read(held.raw, tag, held.routing_key, self._options.limits))
        self._take(found)

    def _on_push(self, push: Push) -> None:
        if push and push[0] == b"invalidate":
            if push[1] is None:  # FLUSHALL or FLUSHDB
                self._housekeeping.hurry()
            self._wake.set()

    def _on_lost(self, error: ConnectionLost) -> None:
        if self._connection is None:
            return
        self._connection = None
        self._connected.clear()
        self._wake.set()
        self.sink.on_connection(ConnectionState.LOST, str(error))

    async def _reconnect(self) -> None:
        pauses = delays(0.05, most=3.0)
        while not self._closing:
            try:
                await self._connect()
                return
            except (OperationalError, ReplyError) as error:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.abort()
                self._connected.clear()
                self.sink.on_connection(ConnectionState.RETRYING, str(error))
            await asyncio.sleep(next(pauses))

    def check_silence(self) -> None:
        """Give up a connection on which the server does not answer."""
        connection = self._connection
        if connection is not None and connection.waiting() > _SILENCE:
            self._drop(f"{connection.address.public()} does not answer")

    def _drop(self, why: str) -> None:
        connection = self._connection
        if connection is not None:
            connection._fail(ConnectionLost(why))  # noqa: SLF001 - the two are one mechanism

    # claiming

    def set_window(self, size: int) -> None:
        self._window = size
        self._wake.set()

    def _room(self) -> int:
        return self._window - len(self._held) - len(self._settling)

    async def _keep_claiming(self) -> None:
        while not self._closing:
            connection = self._connection
            if connection is None:
                await self._reconnect()
                continue
            try:
                await self._claim_on(connection)
            except ConnectionLost:
                continue
            except ReplyError as error:
                logger.warning("Redis refused to hand out messages: %s", error)
                if is_transient(error):
                    self._drop(f"Redis cannot hand out messages: {error}")
                else:
                    await asyncio.sleep(1.0)
            except Exception:
                logger.exception("The consumer failed and goes on")
                await asyncio.sleep(1.0)

    async def _claim_on(self, connection: StreamConnection) -> None:
        """Claim until there is no connection."""
        pauses = delays(_POLL_FIRST, most=_POLL_MOST, jitter=0.1)
        drained = False
        while not self._closing and connection.lost is None:
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
                waiting, got = await self._claim(connection, count, arm=arm)
            if got >= count:
                drained = False
                pauses = delays(_POLL_FIRST, most=_POLL_MOST, jitter=0.1)
            elif not connection.pushes:
                if got:
                    pauses = delays(_POLL_FIRST, most=_POLL_MOST, jitter=0.1)
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

    def _next_order(self) -> list[tuple[str, str]]:
        """(queue, list) in the order of serving; by default every queue is the first one in its turn."""
        if self._strategy == "round_robin" and len(self._queues) > 1:
            names = list(self._queues)
            self._turn = (self._turn + 1) % len(names)
            return self.keys.claim_order(names[self._turn :] + names[: self._turn])
        if self._order is None:
            self._order = self.keys.claim_order(sorted(self._queues) if self._strategy == "sorted" else self._queues)
        return self._order

    async def _claim(self, connection: StreamConnection, count: int, *, arm: bool) -> tuple[bool, int]:
        """One claim; whether messages are left (only when armed for a wake-up), and how many were claimed."""
        order = self._next_order()
        lists = [name for _, name in order]
        script = scripts.load("claim")
        number = self._number
        self._doubtful = number, count
        self._number += count
        arguments: list[Argument] = [count, self._prefix, number, *(envelope.tail(queue) for queue, _ in order)]
        keys: list[Argument] = [self.keys.unacked, self.keys.unacked_index, *lists]
        # In this order: reading the lists after the claim asks to be told of the next change.
        data = pack("EVALSHA", script.sha, len(keys), *keys, *arguments)
        if arm:
            claim, look = connection.send(data + pack("EXISTS", *lists), 2)
        else:
            (claim,) = connection.send(data)
        try:
            found = await claim
        except ReplyError as error:
            self._doubtful = None
            if error.code != "NOSCRIPT":
                raise
            self._doubtful = number, count
            found = await connection.call("EVAL", script.text, len(keys), *keys, *arguments)
        self._doubtful = None
        deliveries: list[RedisDelivery] = []
        limits, prefix = self._options.limits, self._prefix
        for i in range(0, len(found), 2):
            queue = order[found[i] - 1][0]
            for raw in found[i + 1]:
                number += 1
                deliveries.append(read(raw, prefix + b"%d" % number, queue, limits))
        self._take(deliveries)
        return bool(await look) if arm else True, len(deliveries)

    def _take(self, deliveries: list[RedisDelivery]) -> None:
        if not deliveries:
            return
        held = self._held
        for delivery in deliveries:
            held[delivery.tag] = delivery
        self.sink.on_deliveries(list(deliveries))

    # settling

    def held_tags(self) -> list[bytes]:
        """The tags whose leases are to be renewed."""
        return [*self._held, *self._settling]

    def lose(self, tags: Iterable[bytes]) -> None:
        """These leases are no longer ours."""
        gone = [self._held.pop(tag) for tag in tags if tag in self._held]
        if gone:
            logger.warning("%d messages are no longer ours: their leases expired or the database was emptied", len(gone))
            self.sink.on_lost(gone)
            self._settled()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        held = self._held
        for delivery in deliveries:
            if held.pop(delivery.tag, None) is not None:
                self._acks.append(delivery.tag)
        self._plan_flush()

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            ours = self._held.pop(delivery.tag, None)
            if ours is not None:
                self._returns.append(ours)
        self._plan_flush()

    def _plan_flush(self) -> None:
        if not self._flush_planned and (self._acks or self._returns):
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._send_settlements)

    def _send_settlements(self) -> None:
        """Send what is buffered; what does not arrive is buffered again."""
        self._flush_planned = False
        connection = self._connection
        if connection is None:
            return
        if self._acks:
            tags, self._acks = self._acks, []
            bulk = b"".join([b"$%d\r\n%b\r\n" % (len(tag), tag) for tag in tags])
            head = b"*%d\r\n" % (len(tags) + 2)
            unacked, index = (pack(name)[4:] for name in (self.keys.unacked, self.keys.unacked_index))
            futures = connection.send(b"%b$4\r\nHDEL\r\n%b%b%b$4\r\nZREM\r\n%b%b" % (head, unacked, bulk, head, index, bulk), 2)
            self._follow(self._finish_acks(tags, futures))
        if self._returns:
            returned, self._returns = self._returns, []
            self._follow(self._finish_returns(connection, returned))
        self._settled()

    def _follow(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _finish_acks(self, tags: list[bytes], futures: list[asyncio.Future[Any]]) -> None:
        try:
            for future in futures:
                await future
        except (ConnectionLost, ReplyError) as error:
            if isinstance(error, ReplyError):
                if not is_transient(error):
                    logger.error("Redis refused an acknowledgement of %d messages: %s", len(tags), error)
                    return
                self._drop(f"Redis takes no acknowledgements: {error}")
            self._acks = tags + self._acks
            self._plan_flush_when_connected()

    async def _finish_returns(self, connection: StreamConnection, returned: list[RedisDelivery]) -> None:
        try:
            await self._put_back(connection, returned)
        except (ConnectionLost, ReplyError) as error:
            if isinstance(error, ReplyError):
                if not is_transient(error):
                    logger.error("Redis refused to take back %d messages (their leases will expire): %s", len(returned), error)
                    return
                self._drop(f"Redis takes nothing back: {error}")
            self._returns = returned + self._returns
            self._plan_flush_when_connected()

    def _plan_flush_when_connected(self) -> None:
        if self._connection is not None:
            self._plan_flush()

    async def _put_back(self, connection: StreamConnection, returned: Sequence[RedisDelivery]) -> None:
        """To the front of their lists, in their old order."""
        keys = [self.keys.list_for(delivery.queue, delivery.properties.get("priority")) for delivery in returned]
        lists = {name: number for number, name in enumerate(dict.fromkeys(keys), 1)}
        arguments: list[Argument] = ["RPUSH"]
        for delivery, name in zip(reversed(returned), reversed(keys), strict=True):
            arguments += delivery.tag, lists[name], envelope.marked(delivery.raw) or delivery.raw
        await connection.run(scripts.load("move"), [self.keys.unacked, self.keys.unacked_index, *lists], arguments)
        self._wake.set()

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
            await self._until_done(scripts.load("begin"), [self.keys.unacked], [ours.tag, envelope.entry(raw, ours.queue)])

    async def blame(self, delivery: Delivery) -> None:
        ours = self._held.get(delivery.tag)
        if ours is not None:
            raw = envelope.marked(ours.raw, {ATTEMPTS: ours.attempts + 1}) or ours.raw
            list_key = self.keys.list_for(ours.queue, ours.properties.get("priority"))
            await self._move(ours, scripts.load("move"), list_key, ["RPUSH", ours.tag, 1, raw])
            self._wake.set()

    async def delay(self, delivery: Delivery, until: float) -> None:
        ours = self._held.get(delivery.tag)
        if ours is not None:
            member = b"%d %b" % (self.keys.step(ours.properties.get("priority")), ours.raw)
            await self._move(ours, scripts.load("delay"), self.keys.delayed(ours.queue), [ours.tag, repr(float(until)), member])
            self._housekeeping.expect(until)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        ours = self._held.get(delivery.tag)
        if ours is not None:
            queue, raw = dead_envelope(ours, reason, detail)
            await self._move(ours, scripts.load("move"), self.keys.list_at(queue, 0), ["LPUSH", ours.tag, 1, raw])

    async def _move(self, ours: RedisDelivery, script: Script, to: str, arguments: Sequence[Argument]) -> None:
        self._settling[ours.tag] = self._held.pop(ours.tag)
        try:
            await self._until_done(script, [self.keys.unacked, self.keys.unacked_index, to], arguments)
        except BaseException:
            self._held[ours.tag] = ours  # nothing has happened: it can be settled in another way
            raise
        finally:
            del self._settling[ours.tag]
            self._settled()

    async def _until_done(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> None:
        """Run a script that does nothing the second time, over as many connections as it takes."""
        while True:
            await self._connected.wait()
            connection = self._connection
            if connection is None:
                await asyncio.sleep(0)
                continue
            try:
                await connection.run(script, keys, arguments)
                return
            except ConnectionLost:
                if self._closed:
                    raise
            except ReplyError as error:
                if not is_transient(error):
                    raise translate(error, f"the script {script.name!r}") from error
                self._drop(f"Redis cannot run {script.name!r} now: {error}")

    async def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        """Run a script over the connection there is.

        Raises:
            ConnectionLost: there is none.
        """
        connection = self._connection
        if connection is None:
            raise ConnectionLost
        return await connection.run(script, keys, arguments)

    async def call(self, *command: Argument) -> Any:
        """`run` for one command."""
        connection = self._connection
        if connection is None:
            raise ConnectionLost
        return await connection.call(*command)

    def wake(self) -> None:
        """Look at the lists: we have put something into them ourselves, which the server does not tell us."""
        self._wake.set()

    async def flush(self) -> None:
        self._send_settlements()
        while self._in_flight or self._acks or self._returns:
            if self._in_flight:
                await asyncio.wait(list(self._in_flight))
            else:
                await self._connected.wait()
                self._send_settlements()
                await asyncio.sleep(0)

    # queues

    @property
    def queue_names(self) -> list[str]:
        """What is consumed from."""
        return list(self._queues)

    async def add_queue(self, queue: Queue) -> None:
        self._queues[queue.name] = queue
        self._order = None
        with contextlib.suppress(ConnectionLost):  # declared with the next connection
            await self.declare_again()
        self._wake.set()

    async def cancel_queue(self, name: str) -> None:
        self._queues.pop(name, None)
        self._order = None
        async with self._claiming:  # a claim that is under way still asks for it
            pass

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closing = True
        self._wake.set()
        if self._patience is not None:
            self._patience.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        connection = self._connection
        try:
            async with asyncio.timeout(_CLOSE_PATIENCE):
                if connection is None and self._tasks:
                    await self._connect()
                if self._connection is not None:
                    if self._doubtful is not None:
                        await self._adopt(self._connection)
                    self.requeue(list(self._held.values()))
                    await self.flush()
        except (TimeoutError, OperationalError, ReplyError) as error:
            logger.warning(
                "%d unsettled messages could not be handed back; their leases will expire: %s", len(self._held), str(error) or "no answer"
            )
        self._closed = True
        self._held.clear()
        for work in list(self._in_flight):
            work.cancel()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.aclose()


def lease_of(options: BrokerOptions) -> float:
    """Seconds of a lease: never longer than ``visibility_timeout``, after which kombu's workers would take a message."""
    timeout = options.transport.get("visibility_timeout")
    return min(options.lease, float(timeout)) if timeout else options.lease
