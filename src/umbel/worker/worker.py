"""The worker: one consumer process, its children, and the list of services that it consists of."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel import hooks
from umbel.app.app import Umbel
from umbel.app.connections import mailbox_options
from umbel.app.sending.queues import worker_direct
from umbel.beat.runs.reporting import reports_of
from umbel.brokers.topology import Queue
from umbel.errors import ImproperlyConfigured
from umbel.execution.policy import TaskPolicy, policy_of
from umbel.pools.base import Pool, PoolOptions
from umbel.pools.template.process import Template
from umbel.runtime import child_import
from umbel.runtime.service import ServiceGroup
from umbel.worker.consuming import Consuming
from umbel.worker.monitoring.making import make_monitoring
from umbel.worker.options import WorkerOptions
from umbel.worker.orphans import make_orphans
from umbel.worker.parts import WorkerParts
from umbel.worker.pool_service import NoChildStarts, PoolService
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.remote.service import RemoteControl
from umbel.worker.revoking.mingling import Mingling
from umbel.worker.settings import WorkerSettings, configured
from umbel.worker.slots.autoscaling import autoscalers_of
from umbel.worker.slots.limits import MemoryLimits
from umbel.worker.slots.prefetch import Prefetch, Rebalancing
from umbel.worker.starts import Starts
from umbel.worker.stopping import StopRequest

logger: logging.Logger = logging.getLogger("umbel.worker")


class Worker:
    """Consumes from an app's queues and runs its tasks. One use: make a new one to run again.

    Args:
        app: its modules are imported, and it is finalized.
        options: see `WorkerOptions`.
        on_ready: called once, on the event loop, when the worker consumes and a child takes jobs.
        template: the process that children are forked of, if it was started already.

    Raises:
        ImproperlyConfigured: the options or the app's settings make no sense.
    """

    settings: WorkerSettings
    parts: WorkerParts
    services: ServiceGroup
    stopping: StopRequest
    options: WorkerOptions
    is_ready: threading.Event

    def __init__(
        self,
        app: Umbel,
        options: WorkerOptions | None = None,
        *,
        on_ready: Callable[[Worker], None] | None = None,
        template: Template | None = None,
    ) -> None:
        self.app = app
        self.options = configured(app, options or WorkerOptions(), self)
        self.settings = settings = WorkerSettings.of(app, self.options)
        self.is_ready = threading.Event()
        self._on_ready = on_ready
        self.stopping = StopRequest()
        app.import_modules()
        app.finalize()
        hooks.worker_init.send(self)
        hooks.celeryd_after_setup.send(self.hostname, instance=self, conf=app.conf)
        self._policies: dict[str, TaskPolicy] = {}
        self._queues = self._choose_queues()
        self.parts = parts = WorkerParts(app, settings, self._queues, self._make_pool(template), self._policies)
        dispatcher, consumer = parts.dispatcher, parts.consumer
        self._pool = PoolService(parts, self.stopping, settings.grace)
        prefetch = self._make_prefetch()
        state = WorkerFacade(app, settings, parts, self._policies, prefetch, self.stopping, self.request_stop)
        state.events, state.gossip = parts.reporting, parts.gossip
        monitoring, has_started = make_monitoring(app, settings, parts, self.stopping)
        listens = app.conf.worker_enable_remote_control
        #: In the order of their start. They stop in reverse order: limits hold, and settlements arrive, until the pool has ended.
        self.services = ServiceGroup(
            [
                monitoring,
                parts.signals,
                parts.revoking,
                Mingling(app, settings.hostname, parts.revoking, enabled=listens and not self.options.without_mingle),
                parts.keeper,
                parts.pausing,
                Consuming(consumer, parts.intake, self.learn_tasks),
                parts.reporting,
                parts.gossip,
                parts.background,
                *parts.leases.held,
                RemoteControl(state, app.broker, mailbox_options(app.conf, app.connections.key_ring), enabled=listens),
                parts.limits,
                parts.endings,
                self._pool,
                MemoryLimits(dispatcher, settings.max_memory),
                prefetch,
                Rebalancing(dispatcher, prefetch),
                *autoscalers_of(self, state),
                Starts(dispatcher, parts.events),
                parts.received_signal(self),
                *reports_of(self),
                *make_orphans(),
                has_started,
                *[make(self) for make in app.worker_services],
            ],
            self._end_in_order,
        )

    @property
    def hostname(self) -> str:
        """The node name."""
        return self.settings.hostname

    @property
    def pool(self) -> str:
        """The name of the pool."""
        return self.settings.pool

    @property
    def concurrency(self) -> int:
        """Jobs at a time."""
        return self.parts.pool.slots

    @property
    def handed_back(self) -> int:
        """Messages that the stop gave back to their queues."""
        return self._pool.handed_back

    def queues(self) -> list[Queue]:
        """The queues that this worker reads."""
        return list(self._queues)

    def _choose_queues(self) -> list[Queue]:
        chosen = [queue.for_one_worker() for queue in self.app.queues.select(self.options.queues, self.options.exclude)]
        return [*chosen, worker_direct(self.hostname)] if self.app.conf.worker_direct else chosen

    def run(self) -> int:
        """Work until stopped; returns the exit code: 1 when a service has failed or no child can be started, which the log says.

        Raises:
            ImproperlyConfigured: children could not find the app.
            OperationalError: the broker cannot be reached, or does not let us in.
        """
        return 0 if child_import.is_for_child() else self.parts.pool.run(self.main)

    start = run

    def request_stop(self, *, warm: bool = True, within: float | None = None, again: bool = False) -> None:
        """Begin to stop; from any thread or signal handler. A second request makes a warm stop cold.

        Args:
            warm: wait for what runs.
            within: seconds for which it is waited for, also by a second request; ``None`` is as the worker's options say.
            again: another worker takes this one's place in the same process; a service manager need not think that it ends.
        """
        self.parts.dispatcher.is_open = False  # what is on its way to us now must not start any more
        self.stopping.request(warm=warm, within=within, again=again)

    def revoke(self, task_ids: str | Iterable[str], *, terminate: bool = False) -> None:
        """Do not run these tasks in this worker: each becomes REVOKED when its message is here. From any thread.

        Ids are remembered for a while (`worker_revoke_expires`, `worker_revokes_max`), so they may come later, and be retries.

        Args:
            task_ids: one id, or several.
            terminate: also end those that run; how, the pool decides. The solo pool cannot.

        Raises:
            TypeError: an id is no text.
        """
        ids: set[Any] = {task_ids} if isinstance(task_ids, str) else set(task_ids)
        wrong = [task_id for task_id in ids if not isinstance(task_id, str)]
        if wrong:
            raise TypeError(f"task ids are text, got {wrong[0]!r}; of a result, pass its id")
        self.parts.revoking.revoke(ids, terminate=terminate)

    def _end_in_order(self) -> None:
        """A service has died. Where a stop is under way, that is no second request for one."""
        if not self.stopping.is_requested:
            self.request_stop()

    async def main(self) -> int:
        """The worker's life, on the running loop; returns the exit code."""
        self.stopping.listen()
        try:
            if await self.stopping.unless_requested(asyncio.ensure_future(self.services.start())):
                self._say_ready()
                await self.stopping.wait()
        except NoChildStarts as error:
            logger.critical("No child can be started: %s", error)
            return 1
        finally:
            await self._stop()
        return 0 if self.services.error is None else 1  # the log has said why

    async def _stop(self) -> None:
        self.parts.dispatcher.is_open = False
        sig, how = ("SIGQUIT", "Cold") if self.stopping.is_cold else ("SIGTERM", "Warm")
        self.parts.background.spawn(_send(hooks.worker_shutting_down, self.hostname, sig=sig, how=how, exitcode=0))
        await self.services.stop()
        await _send(hooks.worker_shutdown, self)

    def _say_ready(self) -> None:
        self.is_ready.set()
        if self._on_ready is not None:
            self._on_ready(self)
        if hooks.worker_ready.receivers:
            self.parts.background.spawn(_send(hooks.worker_ready, self))

    def learn_tasks(self) -> None:
        """Read the options of all tasks there are: some may have been registered since the worker was made. From any thread."""
        self._policies.update({name: policy_of(task, self.app.conf) for name, task in self.app.tasks.items()})
        for name in self.parts.resources.learn(self._policies.values()):
            logger.warning(
                "Task %s asks for more than this worker has (%s), and never runs here; --resources says what there is",
                name,
                self._asked(name),
            )
        if limited := next((policy for policy in self._policies.values() if policy.needs_leases), None):
            try:
                _ = self.app.leases
            except ImproperlyConfigured as error:
                what = "a concurrency_limit" if limited.concurrency_limit else "a rate_limit_scope of 'global'"
                raise ImproperlyConfigured(f"task {limited.name} has {what}: {error}") from None

    def _asked(self, name: str) -> str:
        return ", ".join(f"{resource}={amount:g}" for resource, amount in self._policies[name].resources)

    def _make_prefetch(self) -> Prefetch:
        settings, parts = self.settings, self.parts
        return Prefetch(
            parts.pool, settings.prefetch_multiplier, parts.dispatcher, parts.consumer, parts.intake.holding, parts.acknowledger,
            one_per_slot=settings.one_per_slot, reduces=self.app.conf.worker_enable_prefetch_count_reduction,
        )  # fmt: skip

    def _make_pool(self, template: Template | None) -> Pool:
        options = PoolOptions(
            app=self.app,
            app_path=self.options.app_path or "",
            hostname=self.hostname,
            slots=self.settings.concurrency,
            processes=self.settings.processes,
            changes=self.options.changes,
            template=template,
            initializer=self.options.child_initializer,
            start_timeout=self.settings.start_timeout,
            on_failure=self.stopping.request,
        )
        return self.settings.kind.make(options)


async def _send(signal: hooks.Signal, sender: object, **named: Any) -> None:
    """Signal on a thread: the loop must not wait for listeners."""
    if signal.receivers:
        await asyncio.to_thread(signal.send, sender, **named)


def make_worker(app: Umbel, options: Mapping[str, Any]) -> Worker:
    """A worker whose options are those of `WorkerOptions.parse`."""
    return Worker(app, WorkerOptions.parse(options))
