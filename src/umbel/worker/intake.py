"""What comes in: deliveries are admitted, held for their time, sent back to wait, or moved to the dead letters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from umbel.brokers.base import ConnectionState, Consumer, Delivery
from umbel.errors import MessageError, NotRegistered, WorkerLostError
from umbel.reasons import DeadReason
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Message
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.admission import NEAR, AdmissionPolicy, DeadLetter, Decision, Expire, Hold, Postpone, Run, admit
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask, run_of
from umbel.worker.tasks.waiting_room import WaitingRoom

logger = logging.getLogger("umbel.worker")

#: Messages held in memory for their time; more than that go back to the broker's delayed store however near they are due.
MOST_HELD = 1000


class Intake:
    """The worker's side of a consumer (`brokers.base.DeliverySink`).

    Args:
        policy: what admission goes by.
        careful: whether a redelivered message's start must be recorded (brokers that outlive this process).
        upgrade: brings a message of protocol 1 to protocol 2 (`protocols.upgrade`); its body must be opened to be understood.
    """

    def __init__(
        self,
        policy: AdmissionPolicy,
        dispatcher: Dispatcher,
        acknowledger: Acknowledger,
        events: TaskEvents,
        consumer: Consumer,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        careful: bool,
        upgrade: Callable[[Message], Message],
    ) -> None:
        self._consumer = consumer
        self._policy = policy
        self._dispatcher = dispatcher
        self._acknowledger = acknowledger
        self._events = events
        self._spawn = spawn
        self._has_limits = bool(policy.time_limit or policy.soft_time_limit)
        self._careful = careful
        self._to_protocol_2 = upgrade
        self._waiting = WaitingRoom()
        self._timer: asyncio.TimerHandle | None = None
        #: Messages that go to the broker's delayed store with the next turn of the loop, and when they are due.
        self._far: list[tuple[Delivery, float]] = []
        #: Messages on their way there. They need no slot, so they must not use up the window.
        self.moving = 0
        #: Messages whose way there has ended; those that did not arrive come again.
        self.postponed = 0
        #: Runs whose delivery was lost, by (id, retries): when the message comes again, the run takes it over.
        self._adrift: dict[tuple[Any, Any], ReservedTask] = {}

    @property
    def held(self) -> int:
        """Messages that wait in memory for their time."""
        return len(self._waiting)

    # brokers.base.DeliverySink

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """New unsettled deliveries. The plain case is decided right here; `admit` decides the rest."""
        policies, has_limits, ready = self._policy.policies, self._has_limits, []
        now = SYSTEM.now()
        if ARMED:
            hit("after_fetch_before_register")
        for delivery in deliveries:
            headers = delivery.headers
            name = headers.get("task")
            task_policy = policies.get(name) if type(name) is str else None
            if (
                task_policy is None
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
                or not task_policy.is_plain
                or has_limits
            ):
                entry = self._safely(self._admit, delivery, now)
                if entry is None:
                    continue
            else:
                entry = ReservedTask(delivery, task_policy.name, headers["id"], task_policy, None, None)
            ready.append(entry)
        tell = self._events.received.tell
        if tell is not None:
            for entry in ready:
                tell(entry)
        if ready:
            self._dispatcher.offer(ready)

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        """These are no longer ours."""
        lost = set(deliveries)
        self._waiting.forget(lost)
        withdrawn, running = self._dispatcher.withdraw(lost), set(self._dispatcher.running())
        self._adrift = {key: entry for key, entry in self._adrift.items() if entry in running}
        for entry in withdrawn:
            self._adrift[run_of(entry.delivery)] = entry

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """The connection changed."""
        if state is not ConnectionState.CONNECTED:
            self._acknowledger.connection_lost()
        if state is ConnectionState.CONNECTED:
            logger.info("%s", detail[:1].upper() + detail[1:])
        elif state is ConnectionState.LOST:
            logger.warning("Connection lost: %s; running tasks go on, trying to reconnect", detail)
        else:
            logger.warning("%s", detail[:1].upper() + detail[1:])

    # one delivery

    def _safely(self, admit: Callable[[Delivery, float], ReservedTask | None], delivery: Delivery, now: float) -> ReservedTask | None:
        """Admit one delivery. What a message contains may not hurt the others or stay here unsettled: an error counts as a failed attempt."""
        try:
            return admit(delivery, now)
        except Exception:
            logger.exception("a message of queue %r could not be admitted", delivery.queue)
            self._spawn(self._acknowledger.moved(self._consumer.blame(delivery), [delivery]))
            return None

    def _admit(self, delivery: Delivery, now: float) -> ReservedTask | None:
        """Admit one delivery on the slow path; returns the reserved task if it is to run now."""
        if delivery.redelivered and self._is_known(delivery):
            return None
        if delivery.flaw is None and "task" not in delivery.headers and not self._upgrade(delivery):
            return None
        decision = admit(
            delivery,
            attempts=delivery.attempts,
            flaw=delivery.flaw,
            policy=self._policy,
            now=now,
            near=NEAR if len(self._waiting) < MOST_HELD else 1.0,
        )
        return self._act(delivery, decision)

    def _act(self, delivery: Delivery, decision: Decision) -> ReservedTask | None:
        match decision:
            case Run(hard, soft, expires):
                headers = delivery.headers
                entry = ReservedTask(delivery, headers["task"], headers["id"], self._policy.policies[headers["task"]], hard, soft)
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
                self._acknowledger.expire(delivery, ignore_result=self._policy.policies[delivery.headers["task"]].ignore_result)
            case DeadLetter(reason, detail):
                self._acknowledger.dead_letter(delivery, reason, detail, _error_for(delivery, reason, detail))
        return None

    async def _postpone(self) -> None:
        """Move what is far off by the time that this begins to run: all that came together."""
        moves, self._far = self._far, []
        self.moving += len(moves)
        try:
            await self._acknowledger.moved(self._consumer.delay(moves), [delivery for delivery, _ in moves])
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
        if self._acknowledger.was_done(delivery):
            self._consumer.ack([delivery])
            return True
        return False

    def _upgrade(self, delivery: Delivery) -> bool:
        """Turn a message of protocol 1 into one of protocol 2."""
        try:
            message = self._to_protocol_2(delivery)
        except MessageError as error:
            self._acknowledger.dead_letter(delivery, error.reason, str(error))
            return False
        delivery.body, delivery.headers = message.body, message.headers
        delivery.content_type, delivery.content_encoding = message.content_type, message.content_encoding
        return True

    # waiting for their time

    def _hold(self, delivery: Delivery, until: float) -> None:
        if self._waiting.put(delivery, until):
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._waiting.next_due
        self._timer = None if due is None else asyncio.get_running_loop().call_later(max(0.0, due - SYSTEM.now()), self._release)

    def _release(self) -> None:
        now = SYSTEM.now()
        admitted = [self._safely(self._admit_held, delivery, now) for delivery in self._waiting.take_due(now)]
        self._arm()
        due = [task for task in admitted if task is not None]
        if due:
            self._dispatcher.offer(due)

    def _admit_held(self, delivery: Delivery, now: float) -> ReservedTask | None:
        decision = admit(delivery, attempts=delivery.attempts, flaw=None, policy=self._policy, now=now)
        return self._act(delivery, decision)

    def let_go(self) -> list[Delivery]:
        """Stop holding; what was held."""
        if self._timer is not None:
            self._timer.cancel()
        return self._waiting.release_all()


def _error_for(delivery: Delivery, reason: str, detail: str) -> BaseException | None:
    """What the result of a dead letter says; ``None`` when it names no task."""
    if reason == DeadReason.UNREGISTERED:
        near = detail.partition("; ")[2]
        return NotRegistered(str(delivery.headers.get("task"))[:200], *([near] if near else []))
    if reason == DeadReason.WORKER_LOST:
        return WorkerLostError(detail)
    return MessageError(detail) if "id" in delivery.headers else None
