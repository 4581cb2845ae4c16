"""The objects that a worker consists of, built in the order in which they know each other. The services among them are listed in `Worker`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from umbel.app.app import Umbel
from umbel.brokers.topology import Queue
from umbel.execution.policy import TaskPolicy
from umbel.messages import protocols
from umbel.messages.task_keys import KEYS
from umbel.pools.base import Pool
from umbel.runtime.signal_thread import SignalThread
from umbel.wire.serializers import content_types
from umbel.worker.background import BackgroundTasks
from umbel.worker.events.making import make_gossip, make_reporting
from umbel.worker.gates.base import Gates
from umbel.worker.gates.batches import Batches
from umbel.worker.gates.rate_limits import RateLimits
from umbel.worker.gates.resources import Resources
from umbel.worker.gates.revoked import Revoked
from umbel.worker.intake import Intake
from umbel.worker.leases.held_keys import free_key
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.leases.task_leases import TaskLeases
from umbel.worker.queues.pausing import Pausing
from umbel.worker.revoking.keeping import Keeping
from umbel.worker.revoking.service import Revoking
from umbel.worker.revoking.state_file import stores_of
from umbel.worker.seals.guard import guarded
from umbel.worker.settings import WorkerSettings
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.ending import Endings
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.slots.prefetch import window
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.task_index import TaskIndex
from umbel.worker.tasks.acknowledging import Acknowledger, Consequences
from umbel.worker.tasks.admission import AdmissionPolicy
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.following import Following
from umbel.worker.tasks.queue_rules import QueueRules
from umbel.worker.tasks.received_signal import ReceivedRequest, ReceivedSignal
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.task_log import TaskLog

if TYPE_CHECKING:
    from umbel.brokers.base import Consumer
    from umbel.worker.events.gossip import Gossip
    from umbel.worker.events.reporting import Reporting


class WorkerParts:
    """The objects of a worker, before any of them runs.

    Args:
        app: finalized.
        settings: of the worker.
        queues: to consume from.
        pool: its children run the tasks.
        policies: of the app's tasks; filled when the worker starts.
    """

    acknowledger: Acknowledger
    background: BackgroundTasks
    consumer: Consumer
    dispatcher: Dispatcher
    endings: Endings
    events: TaskEvents
    gates: Gates
    gossip: Gossip
    index: TaskIndex
    intake: Intake
    keeper: LeaseKeeper
    leases: TaskLeases
    limits: TimeLimits
    pausing: Pausing
    rate_limits: RateLimits
    reporting: Reporting
    resources: Resources
    revoking: Revoking
    signals: SignalThread
    supervisor: Supervisor

    def __init__(self, app: Umbel, settings: WorkerSettings, queues: Sequence[Queue], pool: Pool, policies: dict[str, TaskPolicy]) -> None:
        broker, task_log, rules = app.broker, TaskLog(), QueueRules(queues)
        self._hostname, self._accept = settings.hostname, content_types(app.conf.accept_content)
        self._max_decompressed, self._ring = app.conf.message_max_decompressed, app.connections.key_ring
        self.events = TaskEvents()
        task_log.subscribe(self.events)
        self.pool = pool
        self.signals = SignalThread()
        self.background = BackgroundTasks()
        first = window(settings.concurrency, 0.0, multiplier=settings.prefetch_multiplier, held=0)
        self.keeper = LeaseKeeper(lambda: app.leases)
        self.consumer = guarded(app, broker.consumer(queues, window=first), self.keeper, settings.lease_duration)
        spawn = self.background.spawn
        follow = Following(app, settings.hostname).follow
        self.acknowledger = Acknowledger(
            self.consumer, app.store, Consequences(follow, partial(free_key, self.keeper)), self.events, self.signals, spawn,
            leases=broker.capabilities.leases, rules=rules,
        )  # fmt: skip
        self.dispatcher = Dispatcher(self._before_run, settings.max_tasks, pool.recycle, self.acknowledger.expire_waiting, spawn)
        revoked = Revoked.remembering(settings.revokes_max, settings.revoke_expires)
        self.rate_limits = RateLimits(self.dispatcher.holds)
        pace = self.dispatcher.pace
        self.leases = TaskLeases(self.keeper, self.dispatcher, pace.usual, self._reopen, settings.lease_duration)
        batches = Batches(self._waiting_in)
        self.resources = Resources(settings.resources, self.dispatcher.holds, self._reopen)
        self.gates = Gates(
            revoked.ids,
            revoked.stamps,
            batches,
            self.leases.unique,
            self.rate_limits,
            self.leases.rates,
            self.leases.concurrency,
            self.resources,
        )
        policy = AdmissionPolicy(
            policies=policies,
            max_deliveries=settings.max_deliveries,
            time_limit=settings.time_limit,
            soft_time_limit=settings.soft_time_limit,
            careful=not broker.capabilities.in_process,
        )
        self.intake = Intake(
            policy, self.dispatcher, self.acknowledger, self.events, self.gates, self.consumer, spawn,
            upgrade=partial(protocols.upgrade, accept=self._accept, limit=self._max_decompressed),
        )  # fmt: skip
        self.pausing = Pausing(broker, self.consumer, self.dispatcher, self.intake.holding, spawn)
        self.index = TaskIndex(self.dispatcher, self.intake.holding.room)
        self.reporting = make_reporting(app, settings, policies, self.events, self.index, self.acknowledger)
        self.gossip = make_gossip(app, settings, self.reporting, spawn)
        keeping = Keeping(stores_of(app, settings), settings.revokes_max, settings.revoke_expires, spawn)
        self.endings = Endings(self.dispatcher, task_log)
        self.revoking = Revoking(
            revoked, self.gates, self.index, self.dispatcher, self.intake, self.acknowledger, keeping, self.endings, kills=settings.kind.kills,
        )  # fmt: skip
        self.limits = TimeLimits(self.dispatcher, self.endings.end_task, task_log)
        self.supervisor = Supervisor(
            self.dispatcher, self.acknowledger, self.limits, self.events, (*self.leases.held, self.resources), pool, settings.max_deliveries
        )

    def _reopen(self, line: str) -> None:
        """Ask about the first of a line again: a gate has its answer."""
        self.intake.reopen(line)

    def _waiting_in(self, line: str) -> int:
        """Count those that wait in a line."""
        return self.intake.holding.room.ahead(line)

    def totals(self) -> dict[str, int]:
        """Tasks that have been begun here, by name."""
        counts = Counter(self.acknowledger.totals)
        counts.update(task.task for task in self.index.active())
        return dict(counts)

    def received_signal(self, worker: Any) -> ReceivedSignal:
        """Make what tells the receivers of ``task_received``; ``worker`` is the sender."""
        request = partial(ReceivedRequest, hostname=self._hostname, accept=self._accept, limit=self._max_decompressed, ring=self._ring)
        return ReceivedSignal(self.events, self.signals, self.background.spawn, request, worker)

    async def _before_run(self, task: ReservedTask) -> None:
        """Do what comes before a task that runs with nothing queued around it."""
        await self.acknowledger.before_run(task)
        if task.lost or not self.gates.are_told(task):
            return
        if KEYS in task.delivery.headers:
            await self.leases.keys.before_start(task)
        self.intake.starts(task)
