"""What comes in: deliveries are admitted, held for their time, sent back to wait, or buried."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from umbel.brokers.base import ConnectionState, Consumer, Delivery
from umbel.errors import MessageError, NotRegistered, WorkerLostError
from umbel.messages.model import Message
from umbel.reasons import DeadReason
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.worker.admission import NEAR, Bury, Decision, Expire, Hold, House, Postpone, Run, admit
from umbel.worker.dispatching import Dispatcher
from umbel.worker.jobs import Entry, run_of
from umbel.worker.narrating import Narrator
from umbel.worker.settling import Settlement

logger = logging.getLogger("umbel.worker")

#: Messages held in memory for their time; more than that go back to the broker's delayed store however near they are due.
MOST_HELD = 1000


class Intake:
    """The worker's side of a consumer (`brokers.base.DeliverySink`).

    Args:
        house: what admission goes by.
        careful: whether a redelivered message's start must be recorded (brokers that outlive this process).
        leases: whether messages are held by leases; else by a connection, and what was on its way when it was lost may not have arrived.
        upgrade: brings a message of protocol 1 to protocol 2 (`dialects.upgrade`); its body must be opened to be understood.
    """

    def __init__(
        self,
        house: House,
        dispatcher: Dispatcher,
        settlement: Settlement,
        narrator: Narrator,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        careful: bool,
        leases: bool,
        upgrade: Callable[[Message], Message],
    ) -> None:
        self._consumer: Consumer
        self._house = house
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._narrator = narrator
        self._spawn = spawn
        self._careful = careful
        self._leases = leases
        #: How often the connection was lost.
        self._losses = 0
        self._to_protocol_2 = upgrade
        self._held: list[tuple[float, int, Delivery]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._order = 0
        #: Messages that go to the broker's delayed store with the next turn of the loop, and when they are due.
        self._far: list[tuple[Delivery, float]] = []
        #: Messages on their way there. They need no slot, so they must not use up the window.
        self.moving = 0
        #: Messages whose way there has ended; those that did not arrive come again.
        self.postponed = 0
        #: Runs whose delivery was lost, by (id, retries): when the message comes again, the run takes it over.
        self._adrift: dict[tuple[Any, Any], Entry] = {}

    def attach(self, consumer: Consumer) -> None:
        """Settle through this consumer."""
        self._consumer = consumer

    @property
    def held(self) -> int:
        """Messages that wait in memory for their time."""
        return len(self._held)

    # brokers.base.DeliverySink

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """New unsettled deliveries. The plain case is decided right here; `admit` decides the rest."""
        specs, ready = self._house.specs, []
        now = SYSTEM.now()
        if ARMED:
            hit("after_fetch_before_register")
        for delivery in deliveries:
            headers = delivery.headers
            name = headers.get("task")
            spec = specs.get(name) if type(name) is str else None
            if (
                spec is None
                or delivery.flaw is not None
                or delivery.redelivered
                or delivery.attempts
                or headers.get("eta") is not None
                or headers.get("expires") is not None
                or headers.get("retries") != 0
                or headers.get("timelimit") != [None, None]
                or type(headers.get("id")) is not str
                or not 0 < len(headers["id"]) < 256
                or not headers["id"].isprintable()
                or type(headers.get("root_id")) is not str
                or ((place := headers.get("group_index")) is not None and type(place) is not int)
                or spec.time_limit
                or spec.soft_time_limit
                or self._house.time_limit
                or self._house.soft_time_limit
            ):
                entry = self._judge(delivery, now)
                if entry is None:
                    continue
            else:
                entry = Entry(delivery, spec.name, headers["id"], spec, None, None)
            ready.append(entry)
        if self._narrator.tells_outcomes:
            for entry in ready:
                self._narrator.received(entry)
        if ready:
            self._dispatcher.offer(ready)

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        """These are no longer ours."""
        lost = set(deliveries)
        self._held = [item for item in self._held if item[2] not in lost]
        heapq.heapify(self._held)
        withdrawn, running = self._dispatcher.withdraw(lost), set(self._dispatcher.running())
        self._adrift = {key: entry for key, entry in self._adrift.items() if entry in running}
        for entry in withdrawn:
            self._adrift[run_of(entry.delivery)] = entry

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """The connection changed."""
        self._losses += state is not ConnectionState.CONNECTED
        if state is ConnectionState.CONNECTED:
            logger.info("%s", detail[:1].upper() + detail[1:])
        elif state is ConnectionState.LOST:
            logger.warning("Connection lost: %s; running tasks go on, trying to reconnect", detail)
        else:
            logger.warning("%s", detail[:1].upper() + detail[1:])

    async def acknowledge_early(self, entry: Entry) -> None:
        """Acknowledge an entry before it runs. When nobody can say whether that has arrived, it is lost: it must never run twice."""
        losses = self._losses
        self._consumer.ack([entry.delivery])
        await self._consumer.flush()
        if losses != self._losses and not self._leases:
            entry.lost = True
            self._narrator.unsure(entry)
        else:
            entry.acked = True

    # one delivery

    def _judge(self, delivery: Delivery, now: float) -> Entry | None:
        """`_consider`; nothing that a message contains may hurt the others or stay here unsettled: it counts as a failed attempt."""
        try:
            return self._consider(delivery, now)
        except Exception:
            logger.exception("a message of queue %r could not be judged", delivery.queue)
            self._spawn(self._settlement.moved(self._consumer.blame(delivery), [delivery]))
            return None

    def _consider(self, delivery: Delivery, now: float) -> Entry | None:
        """Decide on a delivery that is not plain; an entry when it is to run now."""
        if delivery.redelivered and self._is_known(delivery):
            return None
        if delivery.flaw is None and "task" not in delivery.headers and not self._upgrade(delivery):
            return None
        decision = admit(
            delivery,
            attempts=delivery.attempts,
            flaw=delivery.flaw,
            house=self._house,
            now=now,
            near=NEAR if len(self._held) < MOST_HELD else 1.0,
        )
        return self._act(delivery, decision)

    def _act(self, delivery: Delivery, decision: Decision) -> Entry | None:
        match decision:
            case Run(hard, soft, expires):
                headers = delivery.headers
                entry = Entry(delivery, headers["task"], headers["id"], self._house.specs[headers["task"]], hard, soft)
                entry.expires = expires
                entry.careful = self._careful and delivery.redelivered
                return entry
            case Hold(until):
                self._hold(delivery, until)
            case Postpone(until):
                if not self._far:
                    self._spawn(self._postpone())
                self._far.append((delivery, until))
            case Expire():
                self._settlement.expire(delivery, ignore_result=self._house.specs[delivery.headers["task"]].ignore_result)
            case Bury(reason, detail):
                self._settlement.bury(delivery, reason, detail, _error_for(delivery, reason, detail))
        return None

    async def _postpone(self) -> None:
        """Move what is far off by the time that this begins to run: all that came together."""
        moves, self._far = self._far, []
        self.moving += len(moves)
        try:
            await self._settlement.moved(self._consumer.delay(moves), [delivery for delivery, _ in moves])
        finally:
            self.moving -= len(moves)
            self.postponed += len(moves)

    def _is_known(self, delivery: Delivery) -> bool:
        """Whether a redelivered message is one that runs here, or has run here: then only its acknowledgement was lost."""
        running = self._adrift.pop(run_of(delivery), None)
        if running is not None and running.seat is not None and running in self._dispatcher.running():
            running.delivery = delivery
            running.lost = False
            if running.early:
                self._consumer.ack([delivery])
            return True
        if self._settlement.was_done(delivery):
            self._consumer.ack([delivery])
            return True
        return False

    def _upgrade(self, delivery: Delivery) -> bool:
        """Turn a message of protocol 1 into one of protocol 2."""
        try:
            message = self._to_protocol_2(delivery)
        except MessageError as error:
            self._settlement.bury(delivery, error.reason, str(error))
            return False
        delivery.body, delivery.headers = message.body, message.headers
        delivery.content_type, delivery.content_encoding = message.content_type, message.content_encoding
        return True

    # waiting for their time

    def _hold(self, delivery: Delivery, until: float) -> None:
        self._order += 1
        heapq.heappush(self._held, (until, self._order, delivery))
        if self._held[0][1] == self._order:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._held:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self._held[0][0] - SYSTEM.now()), self._release)

    def _release(self) -> None:
        now, due = SYSTEM.now(), []
        while self._held and self._held[0][0] <= now:
            entry = self._consider_held(heapq.heappop(self._held)[2], now)
            if entry is not None:
                due.append(entry)
        self._arm()
        if due:
            self._dispatcher.offer(due)

    def _consider_held(self, delivery: Delivery, now: float) -> Entry | None:
        decision = admit(delivery, attempts=delivery.attempts, flaw=None, house=self._house, now=now)
        return self._act(delivery, decision)

    def let_go(self) -> list[Delivery]:
        """Stop holding; what was held."""
        if self._timer is not None:
            self._timer.cancel()
        held, self._held = [item[2] for item in self._held], []
        return held


def _error_for(delivery: Delivery, reason: str, detail: str) -> BaseException | None:
    """What the result of a buried message says; ``None`` when it names no task."""
    if reason == DeadReason.UNREGISTERED:
        near = detail.partition("; ")[2]
        return NotRegistered(str(delivery.headers.get("task"))[:200], *([near] if near else []))
    if reason == DeadReason.WORKER_LOST:
        return WorkerLostError(detail)
    return MessageError(detail) if "id" in delivery.headers else None
