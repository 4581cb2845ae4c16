"""Ends of messages: acknowledged, handed back, dead-lettered, failed. Counts them, and tells the listeners of task events.

Children store the results of what they ran. What never reached a child, or whose child died, is stored here, off the event loop, and settled
only when it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from umbel import hooks, states
from umbel.brokers.base import Consumer, Delivery
from umbel.errors import InvalidTaskError, MessageError, NotRegistered, OperationalError, TaskRevokedError
from umbel.execution.completion import is_ignored, unexecuted_record
from umbel.execution.exception_info import ExceptionInfo
from umbel.execution.model import Verdict
from umbel.execution.preparing.decoding import task_id_of
from umbel.execution.request import Request
from umbel.messages.task_keys import KEYS
from umbel.pools.base import Outcome
from umbel.reasons import DeadReason
from umbel.results.base import ResultStore
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.runtime.signal_thread import SignalThread
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.queue_rules import QueueRules
from umbel.worker.tasks.reserved import ReservedTask, run_of

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds after which a message that cannot be moved goes back to its queue: where that may pass, and where the broker refuses it for good.
_PAUSE, _LONG_PAUSE = 5.0, 60.0
#: Messages that may wait so beside the window. Beyond that they take room in it.
_MOST_ASIDE = 1000


class Aside:
    """Deliveries that the broker refuses to move to another place. They wait beside the window: other messages need its room."""

    def __init__(self) -> None:
        self._waiting: dict[Delivery, asyncio.TimerHandle] = {}
        self._told: dict[str, str] = {}
        self._is_closed = False

    @property
    def room(self) -> int:
        """Number of messages that the window has to be wider by."""
        return min(_MOST_ASIDE, len(self._waiting))

    def put(self, deliveries: Sequence[Delivery], error: Exception, requeue: Callable[[Sequence[Delivery]], None]) -> None:
        """Keep these for a while, then hand them back. The same refusal is told once for each queue."""
        if self._is_closed:
            requeue(deliveries)
            return
        pause = _LONG_PAUSE if isinstance(error, OperationalError) and error.is_permanent else _PAUSE
        queue, text = deliveries[0].queue, f"{type(error).__name__}: {error}"
        if self._told.get(queue) != text:
            self._told[queue] = text
            logger.error(
                "messages of queue %r cannot be moved; they go back to it every %g s: %s", queue, pause, text,
                exc_info=None if isinstance(error, OperationalError) else error,
            )  # fmt: skip

        def back() -> None:
            for delivery in deliveries:
                self._waiting.pop(delivery, None)
            requeue(deliveries)

        timer = asyncio.get_running_loop().call_later(pause, back)
        self._waiting.update(dict.fromkeys(deliveries, timer))

    def let_go(self) -> list[Delivery]:
        """Keep nothing any more; what was kept."""
        self._is_closed = True
        for timer in self._waiting.values():
            timer.cancel()
        kept, self._waiting = list(self._waiting), {}
        return kept


class Consequences(NamedTuple):
    """The rest of an end of which no child can tell: the task never reached one, or its child has died."""

    #: Does what follows the task: (delivery, error, state); see `worker.tasks.following`.
    follow: Callable[[Delivery, BaseException, str], Awaitable[None]]
    #: Frees the unique key of a message that has one; see `worker.leases.held_keys`.
    free: Callable[[Delivery], Awaitable[None]]


class Acknowledger:
    """Ends messages.

    Args:
        consumer: settles the deliveries.
        store: for results of what did not run; ``None`` when there is none.
        consequences: of what did not run, or not to its end.
        events: whose listeners are told.
        signals: calls listeners.
        spawn: runs a coroutine beside the loop's other work.
        leases: whether messages are held by leases; else by a connection, and what was on its way when it was lost may not have arrived.
        rules: of the queues.
    """

    def __init__(
        self,
        consumer: Consumer,
        store: ResultStore | None,
        consequences: Consequences,
        events: TaskEvents,
        signals: SignalThread,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        leases: bool,
        rules: QueueRules | None = None,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._follow, self._free = consequences
        self._events = events
        self._signals = signals
        self._spawn = spawn
        self._leases = leases
        self.rules: QueueRules = QueueRules() if rules is None else rules
        #: How often the connection was lost.
        self.losses: int = 0
        self.aside: Aside = Aside()
        #: Tasks that have ended in children.
        self.completed: int = 0
        #: The same by task.
        self.totals: defaultdict[str, int] = defaultdict(int)
        #: Seconds that they took together.
        self.worked: float = 0.0
        #: Runs that ended after their delivery was lost, so that they are not repeated when it comes back.
        self.done_but_unsettled: dict[tuple[str, Any], None] = {}

    @property
    def room_aside(self) -> int:
        """Number of messages that cannot be moved, by which the window has to be wider."""
        return self.aside.room

    def connection_lost(self) -> None:
        """Note that what was on its way to the broker may not have arrived."""
        self.losses += 1

    async def before_run(self, entry: ReservedTask) -> None:
        """Settle what must be settled before an entry runs: it is acknowledged early, or was out before under a lease."""
        if not entry.early:
            if entry.delivery.redelivered:
                await self._consumer.begin(entry.delivery)
            return
        losses = self.losses
        self._consumer.ack([entry.delivery])
        await self._consumer.flush()
        if losses != self.losses and not self._leases:
            entry.lost = True  # nobody can say whether the acknowledgement has arrived, and it must never run twice
            self._events.unsure(entry)
        else:
            entry.acked = True

    def settle(self, ended: Iterable[tuple[ReservedTask, Outcome]]) -> None:
        """Settle what children have reported."""
        done: list[Delivery] = []
        totals = self.totals
        endings, begins = self._events.endings, self._events.started.tell
        for entry, outcome in ended:
            self.completed += 1
            self.worked += outcome.runtime
            totals[entry.task] += 1
            if outcome.verdict == Verdict.ACK:
                if entry.lost:
                    self._remember(entry)
                elif not entry.early:
                    done.append(entry.delivery)
            elif not entry.lost:
                self._settle_otherwise(entry, outcome)
            if begins is not None and outcome.started and entry.number not in self._events.begun:
                begins(entry, outcome.started)
            event = endings.get(outcome.state)
            if event is not None and event.tell is not None:
                event.tell(entry, outcome)
        if done:
            if ARMED:
                hit("after_report_before_ack")
            self._consumer.ack(done)

    def _settle_otherwise(self, entry: ReservedTask, outcome: Outcome) -> None:
        if entry.early:
            return
        if outcome.verdict == Verdict.REQUEUE:
            # A task that rejects for ever must not spin for ever: each time counts.
            self.redeliver(entry)
        else:
            self._spawn(self._dead_letter(entry.delivery, outcome.reason or DeadReason.REJECTED, outcome.detail))

    def _remember(self, entry: ReservedTask) -> None:
        self.done_but_unsettled[run_of(entry.delivery)] = None
        while len(self.done_but_unsettled) > 10_000:
            del self.done_but_unsettled[next(iter(self.done_but_unsettled))]

    def was_done(self, delivery: Delivery) -> bool:
        """Report whether this is a message that was run to its end here, but whose acknowledgement was lost."""
        if not self.done_but_unsettled:
            return False
        key = run_of(delivery)
        if key not in self.done_but_unsettled:
            return False
        del self.done_but_unsettled[key]
        return True

    # what did not run

    def dead_letter(self, delivery: Delivery, reason: str, detail: str, error: BaseException | None = None) -> None:
        """Dead-letter a message; store a failure first where it has an id."""
        self._spawn(self._fail_and_dead_letter(delivery, reason, detail, error))

    def fail(self, entry: ReservedTask, error: BaseException, *, state: str = states.FAILURE, ack: bool = True) -> None:
        """Store a failure for a message that is not run (again), then acknowledge it."""
        self._spawn(
            self._fail(entry.delivery, error, state, ignore=entry.policy.ignore_result, ack=ack and not entry.early and not entry.lost)
        )

    def expire(self, delivery: Delivery, *, ignore_result: bool) -> None:
        """A message whose time has passed: REVOKED."""
        self._events.expired(delivery)
        self._spawn(self._fail(delivery, TaskRevokedError("expired"), states.REVOKED, ignore=ignore_result, ack=True))

    def revoke(self, entry: ReservedTask, signum: int | None = None, why: str = "revoked") -> None:
        """A task was revoked: REVOKED.

        Args:
            entry: no slot has it.
            signum: of the signal that ended it; ``None`` when it did not run.
            why: what its result says, when it did not run.
        """
        self._events.revoked(entry.delivery, signum)
        error = TaskRevokedError(why if signum is None else "terminated")
        ack = not entry.acked and not entry.lost
        self._spawn(self._fail(entry.delivery, error, states.REVOKED, ignore=entry.policy.ignore_result, ack=ack, signum=signum))

    def expire_waiting(self, entry: ReservedTask) -> None:
        """An entry's time passed while it waited for a slot."""
        if not entry.lost:
            self.expire(entry.delivery, ignore_result=entry.policy.ignore_result)

    def redeliver(self, entry: ReservedTask) -> None:
        """Put a message back, counted: whoever ran it died."""
        self._spawn(self.moved(self._consumer.blame(entry.delivery), [entry.delivery]))

    async def moved(self, move: Awaitable[None], deliveries: Sequence[Delivery]) -> None:
        """Wait for deliveries to be moved to another place. What the broker refuses to move goes back to its queue, after a pause."""
        try:
            await move
        except Exception as error:
            self.aside.put(deliveries, error, self._consumer.requeue)

    async def _fail_and_dead_letter(self, delivery: Delivery, reason: str, detail: str, error: BaseException | None) -> None:
        if error is not None:
            await self._free_key(delivery)
            await self._keep(delivery, error, states.FAILURE)
            await self._follow(delivery, error, states.FAILURE)
        await self._dead_letter(delivery, reason, detail)
        if error is not None:
            await self._tell(delivery, error, states.FAILURE)

    async def _free_key(self, delivery: Delivery) -> None:
        if KEYS in delivery.headers:
            await self._free(delivery)

    async def _dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        await self._free_key(delivery)
        if delivery.queue in self.rules.broadcasts:  # sent again, it would come to all workers
            self._events.dropped(delivery, reason, detail)
            self._consumer.ack([delivery])
            return
        self._events.dead_lettered(delivery, reason, detail)
        await self.moved(self._consumer.dead_letter(delivery, reason, detail), [delivery])

    async def _fail(
        self, delivery: Delivery, error: BaseException, state: str, *, ignore: bool, ack: bool, signum: int | None = None
    ) -> None:
        await self._free_key(delivery)
        if not is_ignored(delivery.headers, ignore):
            await self._keep(delivery, error, state)
        await self._follow(delivery, error, state)
        if ack:
            self._consumer.ack([delivery])
        await self._tell(delivery, error, state, signum)

    async def _keep(self, delivery: Delivery, error: BaseException, state: str) -> None:
        """Store a failure; waits out a store that cannot be reached. Where the store refuses it for good it is lost, and the log says so."""
        task_id = task_id_of(delivery.headers, delivery.properties)
        if self._store is None or not task_id:
            return
        record = unexecuted_record(task_id, delivery.headers, delivery.properties, error, SYSTEM.now(), state)
        for delay in delays(first=0.5, most=10.0):
            try:
                await asyncio.to_thread(self._store.store, [record])
            except OperationalError as problem:
                if problem.is_permanent:
                    logger.critical("the state of task %s (%s) is lost: %s", task_id, state, problem)
                    return
                logger.error("the state of task %s waits for the store: %s", task_id, problem)
                await asyncio.sleep(delay)
            else:
                return

    async def _tell(self, delivery: Delivery, error: BaseException, state: str, signum: int | None = None) -> None:
        """Tell of the end of a task that no child can tell of."""
        if state == states.FAILURE:
            self._events.failed_unreported(delivery, error)
        signal, named = _signal(delivery, error, state, signum)
        if not signal.receivers:
            return
        if signal is hooks.task_failure:
            einfo = ExceptionInfo(error)
            named.update(traceback=einfo.traceback, einfo=einfo)
        await self._signals.call(partial(signal.send, delivery.headers.get("task"), **named))


def _signal(delivery: Delivery, error: BaseException, state: str, signum: int | None) -> tuple[hooks.Signal, dict[str, Any]]:
    """The signal of the end of a task that no child can tell of, and what its listeners get."""
    headers = delivery.headers
    name, task_id = headers.get("task"), headers.get("id")
    signal = hooks.task_failure
    named: dict[str, Any] = {"task_id": task_id, "exception": error, "args": (), "kwargs": {}}
    if state == states.REVOKED:
        request = Request(None, task_id, (), {}, headers, None, delivery.properties)
        expired = str(error) == "expired"
        named = {"request": request, "terminated": signum is not None, "signum": signum, "expired": expired}
        signal = hooks.task_revoked
    elif isinstance(error, NotRegistered):
        signal, named = hooks.task_unknown, {"message": delivery, "exc": error, "name": name, "id": task_id}
    elif isinstance(error, (MessageError, InvalidTaskError)):
        signal, named = hooks.task_rejected, {"message": delivery, "exc": error}
    return signal, named
