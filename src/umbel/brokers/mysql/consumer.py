"""`Consumer`: turns of `ConsumerDefaults` in a thread of its own, which looks for messages more and more seldom while there are none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.engine import Connection

from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, Delivery, DeliverySink
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.mysql import leases, rows, topology
from umbel.brokers.mysql.publisher import MysqlPublisher
from umbel.brokers.topology import Queue
from umbel.clients.sql.addresses import public
from umbel.clients.sql.engine import Database
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.wire import kombu_json

R = TypeVar("R")

#: Seconds between two looks: after some messages, and after many looks at nothing.
_SOON, _LATE, _SLOWER = 0.005, 0.25, 1.4
#: Messages that are claimed in one transaction.
_BATCH: Final = 500
#: Seconds for which one step is tried; then it is told, and tried again.
_PATIENCE: Final = 2.0
#: Seconds between two looks after leases, at most.
_UPKEEP: Final = 5.0
#: Seconds between two looks for messages whose time has come.
_PROMOTE: Final = 0.25


class HolderGivenUp(Exception):
    """Others have taken this consumer for dead, and what it had."""


class MysqlConsumer(ConsumerDefaults):
    """See `umbel.brokers.base.Consumer`.

    Args:
        database: where the messages are.
        publisher: declares the queues.
        options: of the broker.
        queues: to consume from.
        window: unsettled deliveries to allow.
    """

    def __init__(
        self, database: Database, publisher: MysqlPublisher, options: BrokerOptions, queues: Sequence[Queue], *, window: int
    ) -> None:
        super().__init__(publisher, queues, window=window)
        self._database = database
        self._options = options
        self.where: str = f"connected to {public(database.url)}"
        self._thread: ThreadPoolExecutor | None = None
        self._holder = 0
        self._pause = _SOON
        #: Ids of what is acknowledged, to be dropped with the next claim.
        self._spent: list[int] = []
        self._upkeep_every = min(_UPKEEP, options.lease / 4)
        self._upkeep_at = self._promote_at = 0.0

    async def start(self, sink: DeliverySink) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="umbel-mysql")
        try:
            await self._run(self._begin_anew)
            await super().start(sink)
        except BaseException:
            self._thread.shutdown(wait=False)
            self._thread = None
            raise

    async def aclose(self) -> None:
        await super().aclose()
        if self._thread is None:
            return
        with contextlib.suppress(OperationalError):  # they come again
            await self._drop_spent([])
        thread, self._thread = self._thread, None
        holder, self._holder = self._holder, 0
        release = partial(self._database.run, lambda connection: leases.release(connection, holder), _PATIENCE)
        with contextlib.suppress(OperationalError):  # its lease will end
            await asyncio.get_running_loop().run_in_executor(thread, release)
        thread.shutdown(wait=False)

    async def _run(self, work: Callable[[Connection], R]) -> R:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._database.run(work, _PATIENCE))

    def _begin_anew(self, connection: Connection) -> None:
        self._holder = leases.register(connection, self._options.name, self._options.lease)
        for queue in self._queues.values():
            if not queue.no_declare:
                topology.declare(connection, queue, self._holder)

    # turns

    async def _turn(self) -> None:
        try:
            if SYSTEM.monotonic() >= self._upkeep_at:
                await self._keep_up()
            await super()._turn()
        except HolderGivenUp:
            gone = list(self._unsettled)
            self._unsettled.clear()
            self._acked.clear()
            self._returned.clear()
            self._spent.clear()
            await self._run(self._begin_anew)
            if gone:
                self._sink.on_lost(gone)
            self.ring()

    async def _keep_up(self) -> None:
        def work(connection: Connection) -> bool:
            is_alive = leases.renew(connection, self._holder)
            leases.restore_expired(connection)
            return is_alive

        is_alive = await self._run(work)
        self._upkeep_at = SYSTEM.monotonic() + self._upkeep_every
        if not is_alive:
            raise HolderGivenUp

    def next_look(self) -> float | None:
        """Seconds until the next turn, if nobody rings."""
        left = max(0.0, self._upkeep_at - SYSTEM.monotonic())
        return min(left, self._pause) if self._room() > 0 else left

    def _room(self) -> int:
        return self._window - len(self._unsettled) if self._queues and not self._is_closed else 0

    async def take(self, queues: Sequence[str], count: int) -> list[Delivery]:
        promotes = SYSTEM.monotonic() >= self._promote_at
        if promotes:
            self._promote_at = SYSTEM.monotonic() + _PROMOTE

        spent = self._spent

        def work(connection: Connection) -> list[Delivery]:
            if not leases.is_alive(connection, self._holder):
                raise HolderGivenUp
            if spent:
                rows.settle(connection, self._holder, spent)
            if promotes:
                rows.promote(connection)
            return rows.claim(connection, self._holder, queues, min(count, _BATCH), self._options.limits)

        found = await self._run(work)
        self._spent = []
        self._pause = 0.0 if len(found) == _BATCH else _SOON if found else min(self._pause * _SLOWER or _SOON, _LATE)
        return found

    # settling

    async def drop(self, deliveries: Sequence[Delivery]) -> None:
        ids = self._mine(deliveries)
        if self._room() > 0:
            self._spent += ids  # the claim that follows drops them in its transaction: one wait for the disk, not two
        else:
            await self._drop_spent(ids)

    async def flush(self) -> None:
        await super().flush()
        async with self._one_turn:
            await self._drop_spent([])

    async def _drop_spent(self, more: Sequence[int]) -> None:
        spent = [*self._spent, *more]
        if spent:
            await self._run(lambda connection: rows.settle(connection, self._holder, spent))
            self._spent = []

    async def put_back(self, deliveries: Sequence[Delivery], *, attempts: int = 0) -> None:
        ids = self._mine(deliveries)
        await self._run(lambda connection: rows.put_back(connection, self._holder, ids, attempts))

    async def put_delayed(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        until = dict(moves)
        mine = [(delivery.tag, until[delivery]) for delivery in until if delivery.epoch == self._holder]
        if mine:
            await self._run(lambda connection: rows.delay(connection, self._holder, mine))
        self._pause = _SOON

    async def put_dead(self, delivery: Delivery, headers: dict[str, str]) -> None:
        name = delivery.queue + DEAD_SUFFIX

        def work(connection: Connection) -> None:
            topology.declare(connection, Queue(name))
            rows.put_dead(connection, delivery.epoch, delivery.tag, name, kombu_json.dumps(headers))

        await self._run(work)

    async def begin(self, delivery: Delivery) -> None:
        await self._run(lambda connection: rows.begin(connection, delivery.epoch, delivery.tag))

    def _mine(self, deliveries: Sequence[Delivery]) -> list[int]:
        return [delivery.tag for delivery in deliveries if delivery.epoch == self._holder]
