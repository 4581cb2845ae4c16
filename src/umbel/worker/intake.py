"""Intake: deliveries are admitted, held for their time, sent back to wait, or moved to the dead letters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from umbel.brokers.base import ConnectionState, Consumer, Delivery
from umbel.errors import MessageError, NotRegistered, WorkerLostError
from umbel.messages.task_keys import KEYS
from umbel.reasons import DeadReason
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Message
from umbel.worker.gates.base import REVOKE, Answer, Asked, Gates, Later, Pass, Revoke, Wait
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.admission import AdmissionPolicy, DeadLetter, Decision, Expire, Hold, Postpone, Run, admit
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.holding import Holding
from umbel.worker.tasks.reserved import ReservedTask, run_of

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Reasons for which nothing that a message says of itself is believed.
_OF_NOBODY = frozenset({DeadReason.UNSIGNED, DeadReason.BAD_SIGNATURE, DeadReason.REPLAYED})


class Intake:
    """The worker's side of a consumer (`brokers.base.DeliverySink`).

    Args:
        policy: what admission goes by.
        gates: what may keep a message from running now.
        upgrade: brings a message of protocol 1 to protocol 2 (`protocols.upgrade`); its body must be opened to be understood.
    """

    def __init__(
        self,
        policy: AdmissionPolicy,
        dispatcher: Dispatcher,
        acknowledger: Acknowledger,
        events: TaskEvents,
        gates: Gates,
        consumer: Consumer,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        upgrade: Callable[[Message], Message],
    ) -> None:
        self._consumer = consumer
        self._policy = policy
        self._dispatcher = dispatcher
        self._acknowledger = acknowledger
        self._events = events
        self._gates = gates
        self._spawn = spawn
        self._has_limits = bool(policy.time_limit or policy.soft_time_limit)
        self._to_protocol_2 = upgrade
        self.holding: Holding = Holding(consumer, acknowledger, spawn, self._release)
        #: Runs whose delivery was lost, by (id, retries): when the message comes again, the run takes it over.
        self._adrift: dict[tuple[Any, Any], ReservedTask] = {}
        #: The connection to the broker stands.
        self.is_connected: bool = False

    # brokers.base.DeliverySink

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """New unsettled deliveries. The plain case is decided right here; `admit` decides the rest."""
        policies, ready = self._policy.policies, []
        concern_all, ids = self._has_limits or self._gates.concern_all, self._gates.ids
        concern_some = bool(ids)
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
                or concern_all
                or (concern_some and headers["id"] in ids)
                or KEYS in headers
            ):
                entry = self._safely(self._admit, delivery, now)
                if entry is None:
                    continue
            else:
                entry = ReservedTask(delivery, task_policy.name, headers["id"], task_policy, None, None)
            ready.append(entry)
        if ready:
            self._offer(ready)

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        """These are no longer ours."""
        lost = set(deliveries)
        self.holding.forget(lost)
        withdrawn, running = self._dispatcher.withdraw(lost), set(self._dispatcher.running())
        self._adrift = {key: entry for key, entry in self._adrift.items() if entry in running}
        for entry in withdrawn:
            self._adrift[run_of(entry.delivery)] = entry

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """The connection changed."""
        self.is_connected = state is ConnectionState.CONNECTED
        if state is not ConnectionState.CONNECTED:
            self._acknowledger.connection_lost()
        if state is ConnectionState.CONNECTED:
            logger.info("%s", detail[:1].upper() + detail[1:])
        elif state is ConnectionState.LOST:
            logger.warning("Connection lost: %s; running tasks go on, trying to reconnect", detail)
        else:
            logger.warning("%s", detail[:1].upper() + detail[1:])

    # one delivery

    def _offer(self, tasks: list[ReservedTask]) -> None:
        if rules := self._acknowledger.rules:
            rules.apply(tasks)
        tell = self._events.received.tell
        if tell is not None:
            for task in tasks:
                tell(task)
        self._dispatcher.offer(tasks)

    def _safely(self, admit: Callable[..., ReservedTask | None], delivery: Delivery, *told: Any) -> ReservedTask | None:
        """Admit one delivery. What a message contains may not hurt the others or stay here unsettled: an error counts as a failed attempt."""
        try:
            return admit(delivery, *told)
        except Exception:
            logger.exception("a message of queue %r could not be admitted", delivery.queue)
            self._spawn(self._acknowledger.moved(self._consumer.blame(delivery), [delivery]))
            return None

    def _admit(self, delivery: Delivery, now: float) -> ReservedTask | None:
        """Admit one delivery on the slow path; returns the reserved task if it is to run now."""
        if delivery.redelivered and delivery.flaw is None and self._is_known(delivery):
            return None
        if delivery.flaw is None and "task" not in delivery.headers and not self._upgrade(delivery):
            return None
        decision = admit(
            delivery,
            attempts=delivery.attempts,
            flaw=delivery.flaw,
            policy=self._policy,
            now=now,
            near=self.holding.near,
        )
        return self._act(delivery, decision, now)

    def _act(self, delivery: Delivery, decision: Decision, now: float, line: str | None = None) -> ReservedTask | None:
        match decision:
            case Run(hard, soft, expires):
                task = self.reserve(delivery, hard, soft)
                task.expires = expires
                task.careful = self._policy.careful and delivery.redelivered
                return self._at_gates(task, now, line)
            case (Hold(until) | Postpone(until)) as wait:
                task = self.reserve(delivery)
                if self._gates.concern(task.id) and self._ask(task, line, is_due=False) is REVOKE:
                    self._acknowledger.revoke(task)
                elif isinstance(wait, Hold):
                    self.holding.hold(delivery, until)
                else:
                    self.holding.postpone(delivery, until)
            case Expire():
                self._acknowledger.expire(delivery, ignore_result=self._policy.policies[delivery.headers["task"]].ignore_result)
            case DeadLetter(reason, detail):
                self._acknowledger.dead_letter(delivery, reason, detail, _error_for(delivery, reason, detail))
        return None

    def reserve(self, delivery: Delivery, hard: float | None = None, soft: float | None = None) -> ReservedTask:
        """The reserved task of an admitted message.

        Args:
            delivery: its headers have been checked.
            hard: time limit, seconds.
            soft: soft time limit, seconds.
        """
        headers = delivery.headers
        return ReservedTask(delivery, headers["task"], headers["id"], self._policy.policies[headers["task"]], hard, soft)

    # gates

    def _at_gates(self, task: ReservedTask, now: float, line: str | None) -> ReservedTask | None:
        """Have the gates decide on a task that would run now.

        Args:
            line: the one whose first it was.
        """
        is_gated = self._gates.are_told(task)
        if not is_gated and not self._gates.concern(task.id):
            return task
        match self._ask(task, line):
            case Wait(name, reason, together):
                opens_in = self._gates.opens_in(name, SYSTEM.monotonic())
                self.holding.line_up(task.delivery, name, reason, first=name == line, opens_in=opens_in, together=together)
            case Later(seconds):
                self.holding.postpone(task.delivery, now + seconds)
            case Revoke(why):
                self._acknowledger.revoke(task, why=why)
            case Pass():
                task.careful = task.careful or is_gated  # with nothing queued around it, it starts when it is sent
                return task
        return None

    def _ask(self, task: ReservedTask, line: str | None, *, is_due: bool = True) -> Answer:
        holding = self.holding
        return self._gates.ask(
            Asked(
                task=task,
                now=SYSTEM.monotonic(),
                is_due=is_due,
                ahead=lambda name: 0 if name == line else holding.room.ahead(name),
                near=holding.near,
                has_waited=line is not None,
            )
        )

    def _is_known(self, delivery: Delivery) -> bool:
        """Report whether a redelivered message is one that runs here, or has run here: then only its acknowledgement was lost."""
        running = self._adrift.pop(run_of(delivery), None)
        if running is not None and running.slot is not None and running in self._dispatcher.running():
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

    # what has waited

    def starts(self, task: ReservedTask) -> None:
        """A task of which gates are told is about to be sent to its slot."""
        now = SYSTEM.monotonic()
        self._gates.started(task, now)
        self.holding.open_in({line: self._gates.opens_in(line, now) for line in self.holding.room.lines})

    def reopen(self, line: str) -> None:
        """Ask about the first of a line again, at once.

        Args:
            line: that may have gone.
        """
        self.holding.open_in({line: 0.0})

    def _release(self, waited: Sequence[tuple[str | None, Delivery]]) -> None:
        """Admit what has waited long enough."""
        now = SYSTEM.now()
        admitted = [self._safely(self._admit_held, delivery, now, line) for line, delivery in waited]
        self.holding.open_in({line: self._gates.opens_in(line, SYSTEM.monotonic()) for line, _ in waited if line is not None})
        due = [task for task in admitted if task is not None]
        if due:
            self._offer(due)

    def _admit_held(self, delivery: Delivery, now: float, line: str | None) -> ReservedTask | None:
        decision = admit(delivery, attempts=delivery.attempts, flaw=None, policy=self._policy, now=now)
        return self._act(delivery, decision, now, line)

    def let_go(self) -> list[Delivery]:
        """Stop holding; what was held."""
        return self.holding.let_go()


def _error_for(delivery: Delivery, reason: str, detail: str) -> BaseException | None:
    """Make the error that the result of a dead letter says; ``None`` when it names no task."""
    if reason == DeadReason.UNREGISTERED:
        near = detail.partition("; ")[2]
        return NotRegistered(str(delivery.headers.get("task"))[:200], *([near] if near else []))
    if reason == DeadReason.WORKER_LOST:
        return WorkerLostError(detail)
    if reason in _OF_NOBODY:  # whose ids may be those of tasks that are well
        return None
    return MessageError(detail) if "id" in delivery.headers else None
