"""The asyncio side: claims messages in batches under one lease.

Everything happens in *turns*. A turn is one transaction on the event loop's own thread: what was settled since the last turn, the upkeep
when it is due, and the claim of the next batch. It takes under a millisecond for 64 messages (``benchmarks/sqlite_broker.py``); in a thread of
its own, each row would have to take turns for the interpreter lock. A turn never waits for other writers: it comes again a millisecond
later. An idle consumer is woken by the doorbell, by the next delayed message, and for its upkeep: renewing the lease,
restoring what dead holders left behind, promoting what is due.

Copying the journal into the file waits for the disk. The consumer does it in a thread, and makes no turns meanwhile: a journal that is
written to while it is copied never gets empty.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from umbel.brokers import exchanges
from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.envelope import dead_headers
from umbel.brokers.sqlite import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.sqlite.database import BUSY_TIMEOUT, Busy, Database
from umbel.clients.sqlite.doorbell import MESSAGES, Bell, Listener
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.runtime import backoff
from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire import kombu_json

logger: logging.Logger = logging.getLogger("umbel.brokers.sqlite")

#: Messages in one claim: what keeps a turn under a millisecond.
BATCH: Final = 64
#: Seconds between upkeeps, at most.
_UPKEEP: Final = 1.0
#: Seconds without restoring after an upkeep that came too late: what kept us from the file kept others from renewing their leases, too,
#: and they try again within five seconds.
_HOLD_OFF: Final = 6.0
#: Seconds between looks into the file where there is no doorbell.
_POLL: Final = 0.05
#: A turn that finds another writer at work comes again so many times at once, other callbacks of the loop in between: most transactions
#: are over by then. After that it comes again after so many seconds.
_TRIES, _PAUSE = 3, 0.001
#: Pages of journal after which it is copied into the file, and what a commit and a changed row are reckoned to write.
_CHECKPOINT, _PAGES_PER_COMMIT, _PAGES_PER_ROW = 4000.0, 4.0, 0.4
#: Seconds that `aclose` tries to hand back.
_CLOSE_TIMEOUT: Final = 10.0

_Step = Callable[[sqlite3.Connection, int], None]


@dataclass(slots=True)
class _Done:
    """Findings of a committed turn."""

    holder: int
    deliveries: list[Delivery]
    #: The old holder was given up, or the file is another one.
    lost: bool


class SqliteConsumer:
    """`Consumer` over a connection of its own."""

    def __init__(
        self,
        database: Database,
        options: BrokerOptions,
        queues: Sequence[Queue],
        *,
        window: int,
        clock: Clock = SYSTEM,
    ) -> None:
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
        self._steps: list[tuple[_Step, asyncio.Future[None]]] = []
        self._holder = 0
        self._generation = -1
        self._upkeep_every = min(_UPKEEP, options.lease / 3)
        self._upkeep_at = self._restore_at = 0.0
        self._listener = Listener(database.path, MESSAGES)
        self._listening = False
        self._bell = Bell(database.path, MESSAGES)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None
        self._next_is_soon = False
        self._retries: Iterator[float] | None = None
        self._busy_since: float | None = None
        self._tries = 0
        self._journal = 0.0
        self._checkpoint: asyncio.Future[None] | None = None
        self._closed = False

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        try:
            for queue in self._queues.values():
                exchanges.check(queue)
            await asyncio.to_thread(self._database.write, lambda _: None)
        except (ImproperlyConfigured, OperationalError):
            self._database.close()
            self._closed = True
            raise
        self._listener.open()
        self._sink.on_connection(ConnectionState.CONNECTED, f"opened {self._database.path}")
        await self._step(lambda _connection, _holder: None)  # what is sent from now on finds the queues

    def set_window(self, size: int) -> None:
        self._window = size
        self._soon()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._acks += self._settle(deliveries)
        self._soon()

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._requeues += self._settle(deliveries)
        self._soon()

    async def begin(self, delivery: Delivery) -> None:
        if self._unsettled.get(delivery.tag) is delivery:
            await self._step(lambda connection, holder: connection.execute(rows.BEGIN, (delivery.tag, holder)))

    async def blame(self, delivery: Delivery) -> None:
        if self._settle([delivery]):
            await self._step(lambda connection, holder: connection.execute(rows.BLAME, (delivery.tag, holder)))
            self._bell.ring()

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        due = [(float(until), delivery.tag) for delivery, until in moves if self._settle([delivery])]
        if due:
            for _ in due:
                if ARMED:
                    hit("before_delay_settle")
            await self._step(lambda connection, holder: connection.executemany(rows.DELAY, [(*each, holder) for each in due]))
            self._bell.ring()

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        if not self._settle([delivery]):
            return
        if ARMED:
            hit("before_dead_letter_settle")
        extra = kombu_json.dumps(dead_headers(delivery.queue, reason, detail, self._clock.now()))
        dead_queue = delivery.queue + DEAD_SUFFIX

        def move(connection: sqlite3.Connection, holder: int) -> None:
            topology.declare(connection, Queue(dead_queue))
            connection.execute(rows.DEAD_LETTER, (dead_queue, extra, delivery.tag, holder))

        await self._step(move)

    async def flush(self) -> None:
        if self._loop is not None and not self._closed and (self._acks or self._requeues or self._steps):
            await self._step(lambda _connection, _holder: None)

    @property
    def queues(self) -> list[Queue]:
        """See `umbel.brokers.base.Consumer`."""
        return list(self._queues.values())

    async def add_queue(self, queue: Queue) -> None:
        exchanges.check(queue)
        await self._step(lambda connection, holder: topology.declare(connection, queue, holder))
        if queue.name not in self._queues:
            self._order.append(queue.name)
        self._queues[queue.name] = queue
        self._soon()

    async def cancel_queue(self, name: str) -> None:
        if self._queues.pop(name, None) is not None:
            self._order.remove(name)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._next is not None:
            self._next.cancel()
        self._listen(False)
        self._listener.close()
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        if self._holder or self._steps:
            await self._hand_back()
        self._unsettled.clear()
        self._bell.close()
        self._database.close()

    # Settling

    def _settle(self, deliveries: Iterable[Delivery]) -> list[int]:
        unsettled = self._unsettled
        found = []
        for delivery in deliveries:
            if unsettled.get(delivery.tag) is delivery:
                del unsettled[delivery.tag]
                found.append(delivery.tag)
        return found

    async def _step(self, step: Callable[[sqlite3.Connection, int], object]) -> None:
        if self._loop is None or self._closed:
            return
        done: asyncio.Future[None] = self._loop.create_future()
        self._steps.append((lambda connection, holder: void(step(connection, holder)), done))
        self._soon()
        await done

    def _write_settled(self, connection: sqlite3.Connection) -> None:
        holder = self._holder
        if self._acks:
            connection.execute(rows.ACK, (json.dumps(self._acks), holder))
        if self._requeues:
            connection.execute(rows.REQUEUE, (json.dumps(self._requeues), holder))
        for step, _ in self._steps:
            step(connection, holder)

    def _forget_settled(self) -> None:
        if self._requeues:
            self._bell.ring()
        self._acks.clear()
        self._requeues.clear()
        if self._steps:
            steps, self._steps = self._steps, []
            for _, done in steps:
                if not done.done():
                    done.set_result(None)

    # Turns

    def _soon(self) -> None:
        if self._retries is not None and self._next is not None:
            return  # after an error the pause is kept, whatever else comes up meanwhile
        if not self._next_is_soon and self._loop is not None and not self._closed:
            if self._next is not None:
                self._next.cancel()
            self._next = self._loop.call_soon(self._turn)
            self._next_is_soon = True

    def _later(self, seconds: float) -> None:
        assert self._loop is not None
        if not self._next_is_soon and not self._closed:
            if self._next is not None:
                self._next.cancel()
            self._next = self._loop.call_later(seconds, self._turn)

    def _turn(self) -> None:
        self._next, self._next_is_soon = None, False
        if self._closed or self._checkpoint is not None:
            return
        try:
            if self._needs_writing():
                self._attempt()
            else:
                self._rest()
        except OperationalError as error:
            self._fail(error)
        except Exception as error:  # not one that is known; without another turn, the worker would stand still
            logger.exception("the queues in %s could not be worked on", self._database.path)
            self._fail(OperationalError(f"{type(error).__name__}: {error}"))

    def _attempt(self) -> None:
        try:
            done = self._database.attempt(self._work)
        except Busy:
            self._wait_for_others()
        else:
            self._busy_since, self._tries = None, 0
            self._finish(done)

    def _wait_for_others(self) -> None:
        now = self._clock.monotonic()
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since > BUSY_TIMEOUT:
            raise Busy(f"SQLite database {self._database.path} has been locked by another process for {BUSY_TIMEOUT:.0f} s")
        self._tries += 1
        if self._tries % _TRIES:
            self._soon()
        else:
            self._later(_PAUSE)

    def _needs_writing(self) -> bool:
        if self._acks or self._requeues or self._steps or self._clock.monotonic() >= self._upkeep_at:
            return True
        return self._room() > 0 and self._database.read(self._any_ready)

    def _room(self) -> int:
        return self._window - len(self._unsettled)

    def _any_ready(self, connection: sqlite3.Connection) -> bool:
        return bool(rows.ready(connection, self._order, 1))

    def _work(self, connection: sqlite3.Connection) -> _Done:
        holder, lost = self._holder, self._generation != self._database.generation
        if not lost:
            self._write_settled(connection)
        now = self._clock.monotonic()
        if lost or now >= self._upkeep_at:
            lost = lost or not leases.renew(connection, holder, now)
            if lost:
                holder = leases.register(connection, self._options.name, self._options.lease, now)
                for queue in self._queues.values():
                    if not queue.no_declare:
                        topology.declare(connection, queue, holder)
            if self._holder and now > self._upkeep_at + self._upkeep_every:
                self._restore_at = now + _HOLD_OFF
            if now >= self._restore_at:
                leases.restore_expired(connection, now)
            connection.execute(rows.PROMOTE, (self._clock.now(),))
        room = min(BATCH, self._window if lost else self._room())
        found = rows.claim(connection, holder, self._order, room, self._options.limits) if room > 0 else []
        return _Done(holder, found, lost)

    def _finish(self, done: _Done) -> None:
        gone: list[Delivery] = []
        if done.lost:
            gone = [*self._unsettled.values()]
            self._unsettled.clear()
            self._holder, self._generation = done.holder, self._database.generation
        now = self._clock.monotonic()
        if done.lost or now >= self._upkeep_at:
            self._upkeep_at = now + self._upkeep_every
        rows_written = len(done.deliveries) + len(self._acks) + len(self._requeues) + len(self._steps)
        self._journal += _PAGES_PER_COMMIT + rows_written * _PAGES_PER_ROW
        self._forget_settled()
        if self._retries is not None:
            self._retries = None
            self._sink.on_connection(ConnectionState.CONNECTED, f"opened {self._database.path}")
        if gone:
            self._sink.on_lost(gone)
        if done.deliveries:
            for delivery in done.deliveries:
                self._unsettled[delivery.tag] = delivery
            if len(self._order) > 1:
                self._let_others_come_first(done.deliveries[-1].queue)
            self._sink.on_deliveries(done.deliveries)
        if self._journal >= _CHECKPOINT:
            self._start_checkpoint()
        elif len(done.deliveries) >= BATCH and self._room() > 0:
            self._soon()
        else:
            self._rest()

    def _let_others_come_first(self, served: str) -> None:
        """Begin the next turn behind the queue that was served last."""
        if served in self._queues:
            after = self._order.index(served) + 1
            self._order = self._order[after:] + self._order[:after]

    def _start_checkpoint(self) -> None:
        assert self._loop is not None
        self._journal = 0.0
        self._checkpoint = self._loop.run_in_executor(None, self._database.checkpoint)
        self._checkpoint.add_done_callback(self._end_checkpoint)

    def _end_checkpoint(self, _: asyncio.Future[None]) -> None:
        self._checkpoint = None
        self._soon()

    def _rest(self) -> None:
        if self._next_is_soon:
            return
        seconds = self._upkeep_at - self._clock.monotonic()
        if self._room() > 0:
            self._listen(True)
            due = self._database.read(lambda connection: connection.execute(rows.NEXT_DUE).fetchone()[0])
            if due is not None and (wait := due - self._clock.now()) < seconds:
                seconds = wait
                self._upkeep_at = self._clock.monotonic() + wait
            if not self._listening:
                seconds = min(seconds, _POLL)
        else:
            self._listen(False)
        self._later(max(0.0, seconds))

    def _fail(self, error: OperationalError) -> None:
        if self._retries is None:
            self._retries = backoff.delays(0.1, most=5.0)
            self._sink.on_connection(ConnectionState.LOST, str(error))
        pause = next(self._retries)
        self._sink.on_connection(ConnectionState.RETRYING, f"trying {self._database.path} again in {pause:.1f} s")
        self._listen(False)
        self._later(pause)

    def _listen(self, on: bool) -> None:
        ear = self._listener.socket
        if ear is None or on == self._listening or self._loop is None:
            return
        self._listening = on
        if on:
            self._loop.add_reader(ear, self._on_ring)
        else:
            self._loop.remove_reader(ear)

    def _on_ring(self) -> None:
        self._listener.drain()
        self._soon()

    async def _hand_back(self) -> None:
        def leave(connection: sqlite3.Connection) -> int:
            if self._generation != self._database.generation:
                return 0
            self._write_settled(connection)
            return leases.release(connection, self._holder)

        deadline = self._clock.monotonic() + _CLOSE_TIMEOUT
        while True:
            try:
                returned = self._database.attempt(leave)
                break
            except OperationalError as error:
                if not isinstance(error, Busy) or self._clock.monotonic() > deadline:
                    returned = 0  # the lease will run out
                    break
                await asyncio.sleep(_PAUSE)
        self._forget_settled()
        if returned:
            self._bell.ring()


def void(_: object) -> None:
    """Drop a value."""
