"""The asyncio side: one connection, on which turns follow one another.

A *turn* is one statement: what was settled since the last turn goes, and the next messages come. Before it, steps of single messages (delay,
dead letter, blame) are run, and the upkeep, when it is due. What is settled during a turn is the next turn's: under load, turns grow.

**Waiting.** A consumer that finds nothing writes into its holder's row that it waits, looks once more, and rests. Publishers look for such rows after
their commit and notify; as long as nobody waits, nothing is notified, because notifying makes commits wait for each other. A consumer
that is busy takes the note back. An upkeep every few seconds finds what a lost notification would have told; where that happens again and again, as
behind a pooler that hands a connection to another client after each transaction, the consumer polls.

**Commits** of turns do not wait for the disk. A server that crashes may forget the last of them; so a consumer that comes back compares what
the server says that it holds with what it knows: what only it knows of is lost, what only the server knows of is handed back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from umbel.brokers import exchanges
from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.envelope import dead_headers
from umbel.brokers.postgresql import leases, rows, topology
from umbel.brokers.postgresql.vacuuming import Vacuum
from umbel.brokers.postgresql.waiting import Waiting
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link_async import AsyncLink
from umbel.clients.postgresql.refusals import HolderGivenUp, TablesMissing
from umbel.clients.postgresql.values import Statement, integer
from umbel.errors import OperationalError
from umbel.runtime import backoff
from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire import kombu_json

logger: logging.Logger = logging.getLogger("umbel.brokers.postgresql")

#: Messages in one claim.
BATCH: Final = 200
#: Seconds between upkeeps, at most: usually, and where nothing has come for a while.
_UPKEEP: Final = 2.0
_QUIET_UPKEEP: Final = 5.0
#: Seconds without restoring after the connection was lost, or an upkeep came too late: what kept us from the server kept others, too.
_HOLD_OFF: Final = 6.0
#: Seconds that `aclose` tries to hand back.
_CLOSE_TIMEOUT: Final = 10.0

#: Makes a statement for a holder.
_Step = Callable[[int], Statement]


class PostgresqlConsumer:
    """`Consumer` over a connection of its own."""

    def __init__(self, database: Database, options: BrokerOptions, queues: Sequence[Queue], *, window: int, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._options = options
        self._sink: DeliverySink = NullSink()
        self._window = window
        self._clock = clock
        self._queues = {queue.name: queue for queue in queues}
        self._order = list(self._queues)
        self._unsettled: dict[int, Delivery] = {}
        self._acks: list[int] = []
        self._requeues: list[int] = []
        self._steps: list[tuple[_Step, Sequence[int], asyncio.Future[None]]] = []
        self._holder = 0
        self._link: AsyncLink | None = None
        self._upkeep_every = min(_UPKEEP, options.lease / 3)
        self._upkeep_at = self._restore_at = 0.0
        self._waiting = Waiting(listens=bool(options.transport.get("listen", True)))
        self._vacuum = Vacuum(database, is_on=bool(options.transport.get("vacuum", True)))
        self._rung = asyncio.Event()
        #: There may be messages that have not been asked for.
        self._may_be_more = True
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        for queue in self._queues.values():
            exchanges.check(queue)
        for number, pause in enumerate(backoff.delays(0.1, most=5.0)):
            try:
                await self._connect()
                break
            except OperationalError as error:
                most = self._options.max_retries
                if error.is_permanent or (most is not None and number >= most) or self._closed:
                    raise
                self._sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            await asyncio.sleep(pause)
        self._running = asyncio.get_running_loop().create_task(self._run())

    def set_window(self, size: int) -> None:
        if size != self._window:
            self._window = size
            self._rung.set()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._acks += self._settle(deliveries)
        self._rung.set()

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._requeues += self._settle(deliveries)
        self._rung.set()

    async def begin(self, delivery: Delivery) -> None:
        if self._unsettled.get(delivery.tag) is delivery:
            await self._step(lambda holder: rows.of_one("umbel_begin", holder, delivery.tag), [delivery.tag])

    async def blame(self, delivery: Delivery) -> None:
        if self._settle([delivery]):
            await self._step(lambda holder: rows.of_one("umbel_blame", holder, delivery.tag), [delivery.tag])

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        due = [(delivery.tag, until) for delivery, until in moves if self._settle([delivery])]
        if due:
            for _ in due:
                if ARMED:
                    hit("before_delay_settle")
            await self._step(lambda holder: rows.delay(holder, due), [tag for tag, _ in due])
            self._upkeep_at = 0.0  # which finds when the first of them is due

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        if self._settle([delivery]):
            if ARMED:
                hit("before_dead_letter_settle")
            extra = kombu_json.dumps(dead_headers(delivery.queue, reason, detail, self._clock.now()))
            queue = delivery.queue + DEAD_SUFFIX
            await self._step(lambda holder: rows.dead_letter(holder, delivery.tag, queue, extra), [delivery.tag])

    async def flush(self) -> None:
        if self._acks or self._requeues or self._steps or self._window == 0:
            await self._step(lambda _: Statement(b"SELECT 1"))  # which comes behind the turn that settles

    @property
    def queues(self) -> list[Queue]:
        """See `umbel.brokers.base.Consumer`."""
        return list(self._queues.values())

    async def add_queue(self, queue: Queue) -> None:
        exchanges.check(queue)
        if not queue.no_declare:
            await self._step(lambda holder: topology.declare(queue, holder))
        if queue.name not in self._queues:
            self._order.append(queue.name)
        self._queues[queue.name] = queue
        self._waiting.forget()
        self._look()

    async def cancel_queue(self, name: str) -> None:
        if self._queues.pop(name, None) is not None:
            self._order.remove(name)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._rung.set()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=_CLOSE_TIMEOUT)
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        if self._link is not None:
            with contextlib.suppress(OperationalError, TimeoutError):  # the lease will run out
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self._hand_back(self._link)
            self._link.close()
        for _, _, done in self._steps:
            done.cancel()
        self._unsettled.clear()
        await self._vacuum.aclose()

    # settling

    def _settle(self, deliveries: Iterable[Delivery]) -> list[int]:
        unsettled = self._unsettled
        found = []
        for delivery in deliveries:
            if unsettled.get(delivery.tag) is delivery:
                del unsettled[delivery.tag]
                found.append(delivery.tag)
        return found

    async def _step(self, step: _Step, tags: Sequence[int] = ()) -> None:
        """Have a statement, which is about these messages, run behind the next turn; returns when that has been done."""
        if self._running is None or self._closed:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._steps.append((step, tags, done))
        self._rung.set()
        await done

    # the connection

    async def _connect(self) -> None:
        """Connect, hold what we had, and listen.

        Raises:
            OperationalError: the server cannot be reached or refuses.
        """
        self._link = link = await self._database.open_async(self._on_notify, max(30.0, self._options.lease))
        try:
            if self._waiting.listens:
                await link.listen()
            self._waiting.forget()
            await self._begin_anew(link)
            await self._declare_all(link)
        except BaseException:
            link.close()
            raise
        self._sink.on_connection(ConnectionState.CONNECTED, f"connected to {link.address.public()}")

    async def _begin_anew(self, link: AsyncLink) -> None:
        """Make a holder. It has what the one before had, if that has not been given up; what differs from what we know is put right."""
        old, new = self._holder, integer(rows.one_value(await link.run(leases.register(self._options.name, self._options.lease))))
        held: set[int] = set()
        if old and rows.one_value(await link.run(leases.adopt(old, new))) == b"\x01":
            held = leases.ids_in(await link.run(leases.held(new)))
        self._holder = new
        known = {*self._unsettled, *self._acks, *self._requeues, *(tag for _, tags, _ in self._steps for tag in tags)}
        self._requeues += held - known
        gone = [self._unsettled.pop(tag) for tag in list(self._unsettled) if tag not in held]
        if gone:
            self._sink.on_lost(gone)

    async def _declare_all(self, link: AsyncLink) -> None:
        for queue in list(self._queues.values()):
            if not queue.no_declare:
                await link.run(topology.declare(queue, self._holder))

    def _on_notify(self, queue: str | None) -> None:
        if queue is None or self._waiting.is_for_us(queue, self._queues):
            self._look()

    def _look(self) -> None:
        self._may_be_more = True
        self._rung.set()

    # turns

    async def _run(self) -> None:
        pauses: Iterator[float] | None = None
        while not self._closed:
            try:
                if self._link is None or self._link.is_closed:
                    self._restore_at = self._clock.monotonic() + _HOLD_OFF
                    await self._connect()
                pauses = None
                await self._work()
            except HolderGivenUp:
                await self._lose()
            except Exception as error:
                if not isinstance(error, OperationalError):  # not one that is known; without another turn, the worker would stand still
                    logger.exception("the queues in %s could not be worked on", self._database.public())
                if isinstance(error, TablesMissing):
                    self._database.forget()
                pauses = await self._fail(error, pauses)

    async def _lose(self) -> None:
        """Begin anew: others have what we had."""
        assert self._link is not None
        with contextlib.suppress(OperationalError):  # the next turn sees it
            await self._begin_anew(self._link)
            self._waiting.forget()
            await self._declare_all(self._link)

    async def _fail(self, error: Exception, pauses: Iterator[float] | None) -> Iterator[float]:
        if self._link is not None:
            self._link.close()
        if pauses is None:
            pauses = backoff.delays(0.1, most=5.0)
            self._sink.on_connection(ConnectionState.LOST, str(error))
        pause = next(pauses)
        self._sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                while not self._closed:
                    self._rung.clear()
                    await self._rung.wait()
        return pauses

    async def _work(self) -> None:
        """Have turns, until something fails or there is nothing more to do."""
        link = self._link
        assert link is not None
        while not self._closed:
            self._rung.clear()
            steps = len(self._steps)
            now = self._clock.monotonic()
            if now >= self._upkeep_at:
                await self._keep_up(link, now)
            wanted = self._room()
            if self._acks or self._requeues or (wanted > 0 and self._may_be_more):
                await self._turn(link, wanted)
            await self._run_steps(link, steps)
            if not self._rung.is_set():
                await self._rest(link)

    def _room(self) -> int:
        return max(0, min(BATCH, self._window - len(self._unsettled))) if self._order else 0

    async def _keep_up(self, link: AsyncLink, now: float) -> None:
        if now > self._upkeep_at + self._upkeep_every and self._upkeep_at:
            self._restore_at = now + _HOLD_OFF
        self._waiting.on_upkeep()
        self._upkeep_at = now + (min(_QUIET_UPKEEP, self._options.lease / 3) if self._waiting.is_quiet else self._upkeep_every)
        found = leases.Upkeep.of(await link.run(leases.upkeep(self._holder, self._order, may_restore=now >= self._restore_at)))
        if not found.is_alive:
            raise HolderGivenUp
        if found.next_due is not None:
            self._upkeep_at = min(self._upkeep_at, self._clock.monotonic() + max(0.0, found.next_due))
        if found.is_ready:
            self._may_be_more = True
            if self._room() > 0:
                self._waiting.on_missed()

    async def _turn(self, link: AsyncLink, count: int) -> None:
        """Settle and claim."""
        acks, self._acks = self._acks, []
        requeues, self._requeues = self._requeues, []
        holder, may_be_more = self._holder, self._may_be_more
        self._may_be_more = may_be_more and count == 0
        statement = rows.turn(
            holder, acks, requeues, self._order, count=count, limit=self._options.limits.body, is_awake=self._waiting.is_busy(count)
        )
        try:
            result = await link.run(statement)
        except OperationalError:
            self._acks = acks + self._acks
            self._requeues = requeues + self._requeues
            self._may_be_more = True
            raise
        found = rows.deliveries(result, self._options.limits, holder)
        self._waiting.on_turn(len(found), count)
        self._vacuum.count(len(acks))
        if found:
            for delivery in found:
                self._unsettled[delivery.tag] = delivery
            if len(self._order) > 1:
                self._let_others_come_first(found[-1].queue)
            self._sink.on_deliveries(found)
        if len(found) >= count > 0:
            self._look()

    def _let_others_come_first(self, served: str) -> None:
        """Begin the next turn behind the queue that was served last."""
        if served in self._queues:
            after = self._order.index(served) + 1
            self._order = self._order[after:] + self._order[:after]

    async def _run_steps(self, link: AsyncLink, count: int) -> None:
        """Run steps that were wanted before the turn."""
        for _ in range(count):
            step, _, done = self._steps[0]
            try:
                await link.run(step(self._holder))
            except OperationalError as error:
                if link.is_closed or isinstance(error, TablesMissing) or not error.is_permanent:
                    raise  # and is run over the next connection
                logger.error("a message could not be moved, and stays where it is until the worker ends: %s", error)
            self._steps.pop(0)
            if not done.done():
                done.set_result(None)

    async def _rest(self, link: AsyncLink) -> None:
        """Wait until there is something to do."""
        if self._room() > 0 and self._waiting.must_tell():
            await link.run(leases.sleep(self._holder, self._order))
            self._waiting.on_told()
            self._look()  # once more: something may have come before the note was there
            return
        seconds = self._waiting.at_most(self._upkeep_at - self._clock.monotonic(), has_room=self._room() > 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._rung.wait()
        if self._waiting.is_deaf:
            self._may_be_more = True

    async def _hand_back(self, link: AsyncLink) -> None:
        """Settle what is buffered, and end the holder."""
        if self._acks or self._requeues:
            await self._turn(link, 0)
        await self._run_steps(link, len(self._steps))
        if self._holder:
            await link.run(leases.release(self._holder))
