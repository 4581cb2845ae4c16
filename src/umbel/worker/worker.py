"""The worker: one consumer process, its children, and what happens between start and stop.

A warm stop fetches nothing more, hands back what has not started and waits for what runs. A cold stop hands back what runs, too, and ends the children.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from umbel import hooks
from umbel.app.app import Umbel
from umbel.app.sending.queues import worker_direct
from umbel.brokers.base import Delivery
from umbel.brokers.topology import Queue
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.messages import dialects
from umbel.pools.template import warm_up
from umbel.runtime import importing
from umbel.runtime.allocation import return_large_blocks
from umbel.runtime.clock import SYSTEM
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.serializers import content_types
from umbel.worker.admission import House
from umbel.worker.dispatching import Dispatcher
from umbel.worker.intake import Intake
from umbel.worker.jobs import Entry, spec_of
from umbel.worker.limits import LOOK, Limits, MemoryWatch
from umbel.worker.narrating import Narrator
from umbel.worker.options import WorkerOptions, node_name, processors
from umbel.worker.seating import PreforkSeating, Seating
from umbel.worker.settling import Settlement
from umbel.worker.supervising import Supervisor
from umbel.worker.window import Rate, had_better_go, window

logger = logging.getLogger("umbel.worker")

#: Seconds between looks at the boards for jobs that hold others up.
_RELIEF = 0.01
#: Seconds with every seat busy or yet to come and nothing completed, after which what waits here is handed back for other workers.
_JAMMED = 0.25
#: Seconds that a stop waits for the broker to stop sending, so that what is handed back keeps its order.
_HURRY = 2.0
#: Seconds for which a warm stop waits for results that cannot be stored, once no task runs any more.
_COMMIT_PATIENCE = 30.0
#: Room that is given in the window for more messages that are not due, while such messages come.
_MOST_EARLY = 1000
#: Pool names that mean child processes.
_PREFORK = frozenset({"prefork", "processes"})


class Worker:
    """Consumes from an app's queues and runs its tasks. One use: make a new one to run again.

    Args:
        app: finalized by the worker.
        options: see `WorkerOptions`.
        on_ready: called once, on the event loop, when the worker consumes and a child takes jobs.
    """

    def __init__(self, app: Umbel, options: WorkerOptions | None = None, *, on_ready: Callable[[Worker], None] | None = None) -> None:
        self.app = app
        self.options = options or WorkerOptions()
        self.hostname = node_name(self.options.hostname)
        self._configure()
        options = self.options
        self.pool: str = options.pool or app.conf.worker_pool or "prefork"
        if self.pool != "solo" and self.pool not in _PREFORK:
            raise ImproperlyConfigured(f"there is no pool named {self.pool!r}: expected prefork or solo")
        self.concurrency: int = 1 if self.pool == "solo" else options.concurrency or app.conf.worker_concurrency or processors()
        if self.concurrency < 1:
            raise ImproperlyConfigured(f"a worker's concurrency must be at least 1, got {self.concurrency}")
        self.is_ready = threading.Event()
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._requests = 0
        self._is_cold = False
        #: Messages that the stop gave back to their queues.
        self.handed_back = 0
        #: How many messages were held, and how many had been postponed, at the last look.
        self._early_before = (0, 0)
        self._chores: set[asyncio.Task[None]] = set()

    def _configure(self) -> None:
        """Let listeners of ``celeryd_init`` change settings; what they change, the children get too."""
        conf = self.app.conf
        before = dict(conf.changes)
        hooks.celeryd_init.send(self.hostname, instance=self, conf=conf, options=asdict(self.options))
        changed = {name: value for name, value in conf.changes.items() if name not in before or before[name] is not value}
        if changed:
            self.options = replace(self.options, changes={**self.options.changes, **changed})
        for signal in hooks.UNSENT:
            if signal.receivers:
                logger.warning("The signal %s has listeners, but is not sent by this version.", signal.name)

    # from outside

    def run(self) -> int:
        """Work until stopped; returns the exit code.

        Raises:
            OperationalError: the broker cannot be reached, or does not let us in.
        """
        if importing.is_for_child():
            return 0
        if self.pool == "solo":
            from umbel.worker.solo import run_solo

            return run_solo(self)
        path = self.options.app_path or self.app.import_path
        if not path:
            raise ImproperlyConfigured(
                "children cannot find the app: bind it to a name in a module that can be imported, or use the pool solo"
            )
        warm_up(path)
        return_large_blocks()
        return asyncio.run(self.main(PreforkSeating(self.options, path, self.hostname)))

    start = run

    def request_stop(self, *, warm: bool = True) -> None:
        """Begin to stop; from any thread or signal handler. A second request makes a warm stop cold."""
        self._requests += 1
        self._is_cold = self._is_cold or not warm or self._requests > 1
        if self._loop is not None:  # what is on its way to us now must not start any more
            self.dispatcher.is_open = False
        if self._loop is not None and self._wake is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                self._loop.call_soon_threadsafe(self._wake.set)

    def queues(self) -> list[Queue]:
        """The queues that this worker reads."""
        chosen = self.app.queues.select(self.options.queues, self.options.exclude)
        return [*chosen, worker_direct(self.hostname)] if self.app.conf.worker_direct else chosen

    # inside

    async def main(self, seating: Seating) -> int:
        """The worker's life, on the running loop."""
        self._wake = asyncio.Event()
        self._assemble(seating)
        self._loop = asyncio.get_running_loop()
        try:
            seating.open(self.supervisor, self.concurrency)
            connecting = asyncio.ensure_future(self.consumer.start())
            await self._first_of(connecting)
            if not connecting.done():
                connecting.cancel()
                return 0
            connecting.result()
            await self._begin()
            if self.supervisor.hopeless:
                logger.critical("No child can be started: %s", self.supervisor.hopeless)
                return 1
            await self._serve()
            return 0
        finally:
            await self._end()

    def _assemble(self, seating: Seating) -> None:
        """Build the parts, in the order in which they know each other."""
        app, options, conf = self.app, self.options, self.app.conf
        app.import_modules()
        app.finalize()
        _tell_of_rate_limits(app)
        hooks.worker_init.send(self)
        hooks.celeryd_after_setup.send(self.hostname, instance=self, conf=conf)
        fixed = options.prefetch_multiplier
        #: No message without a free slot, acknowledged early or not.
        self._frugal: bool = options.disable_prefetch or conf.worker_disable_prefetch
        self._multiplier: int | None = 1 if self._frugal else conf.worker_prefetch_multiplier if fixed is None else fixed
        house = House(
            specs={name: spec_of(task, conf) for name, task in app.tasks.items()},
            max_deliveries=conf.task_max_deliveries or 0,
            time_limit=options.time_limit or conf.task_time_limit,
            soft_time_limit=options.soft_time_limit or conf.task_soft_time_limit,
        )
        broker, narrator = app.broker, Narrator()
        self.seating = seating
        self.settlement = Settlement(app.store, narrator, self._spawn)
        max_tasks = None if self.pool == "solo" else options.max_tasks_per_child or conf.worker_max_tasks_per_child
        self.dispatcher = Dispatcher(self._before_run, max_tasks, seating.replace, self._expire, self._spawn)
        self.memory = MemoryWatch(
            self.dispatcher, None if self.pool == "solo" else options.max_memory_per_child or conf.worker_max_memory_per_child
        )
        self.limits = Limits(self.dispatcher, narrator)
        self.supervisor = Supervisor(self.dispatcher, self.settlement, self.limits, narrator, seating, house.max_deliveries)
        self.intake = Intake(
            house,
            self.dispatcher,
            self.settlement,
            narrator,
            self._spawn,
            careful=not broker.capabilities.in_process,
            leases=broker.capabilities.leases,
            upgrade=partial(dialects.upgrade, accept=content_types(conf.accept_content), limit=conf.message_max_decompressed),
        )
        first = window(self.concurrency, 0.0, multiplier=self._multiplier, held=0)
        self.consumer = broker.consumer(self.queues(), self.intake, window=first)
        self.settlement.attach(self.consumer)
        self.intake.attach(self.consumer)

    async def _begin(self) -> None:
        await self._first_of(asyncio.ensure_future(self.supervisor.first_ready.wait()))
        if self.supervisor.first_ready.is_set() and not self.supervisor.hopeless:
            self.is_ready.set()
            if self._on_ready is not None:
                self._on_ready(self)
            if hooks.worker_ready.receivers:
                self._spawn(self._tell(hooks.worker_ready, self))

    @staticmethod
    async def _tell(signal: hooks.Signal, sender: object, **named: Any) -> None:
        """Signal on a thread: the loop must not wait for listeners."""
        if signal.receivers:
            await asyncio.to_thread(signal.send, sender, **named)

    async def _first_of(self, awaited: asyncio.Future[Any]) -> None:
        """Wait for something, or for a stop request."""
        assert self._wake is not None
        stop = asyncio.ensure_future(self._wake.wait())
        if not self._requests:
            await asyncio.wait([awaited, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()

    async def _serve(self) -> None:
        """Until a stop is requested: relieve, limit, adjust the window."""
        assert self._wake is not None
        rate, completed, worked, next_look = Rate(SYSTEM.monotonic()), 0, 0.0, 0.0
        last_progress = SYSTEM.monotonic()
        while not self._requests:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _RELIEF if self.dispatcher.outstanding else LOOK)
            now = SYSTEM.monotonic()
            jammed = self.dispatcher.relieve(now)
            is_jammed = self._multiplier is None and had_better_go(len(self.dispatcher.ready), jammed, rate.runtime)
            if is_jammed:
                self._hand_back()
            if now < next_look:
                continue
            next_look = now + LOOK
            self.limits.look(now)
            self.memory.look(now)
            done, took = self.settlement.completed - completed, self.settlement.worked - worked
            completed, worked = completed + done, worked + took
            rate.tick(done, took, now)
            if done or not self.dispatcher.is_full:
                last_progress = now
            if now - last_progress >= _JAMMED and self._multiplier is None:
                self._hand_back()
            elif not is_jammed:
                self.consumer.set_window(self._window(rate))

    def _window(self, rate: Rate) -> int:
        """Unsettled messages to allow now. What runs acknowledged already takes a slot without being unsettled."""
        waiting = self._waiting()
        wanted = window(self.concurrency, rate.value, runtime=rate.runtime, multiplier=self._multiplier, held=waiting)
        return max(waiting, wanted - self.dispatcher.early) if self._frugal or self._multiplier is None else wanted

    def _waiting(self) -> int:
        """Room for messages that are not due, and for those that cannot be moved."""
        held, postponed = self.intake.held, self.intake.postponed
        held_before, postponed_before = self._early_before
        self._early_before = held, postponed
        came = self.intake.moving + postponed - postponed_before + max(0, held - held_before)
        return held + min(_MOST_EARLY, 2 * came) + self.settlement.aside.room

    def _hand_back(self) -> None:
        """Every seat is busy with long tasks, or has yet to come: let other workers have what waits here, and fetch no more of it."""
        waiting = self.dispatcher.reclaim_waiting()
        self.consumer.set_window(self.dispatcher.outstanding - self.dispatcher.early + self._waiting())
        if waiting:
            self.consumer.requeue(entry.delivery for entry in waiting if not entry.lost)

    async def _before_run(self, entry: Entry) -> None:
        """Before an entry runs that is acknowledged early, or that was out before under a lease."""
        if entry.early:
            await self.intake.acknowledge_early(entry)
        else:
            await self.consumer.begin(entry.delivery)

    def _expire(self, entry: Entry) -> None:
        """An entry's time passed while it waited for a seat."""
        if not entry.lost:
            self.settlement.expire(entry.delivery, ignore_result=entry.spec.ignore_result)

    def _spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chore_done)

    def _chore_done(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A message is left as it is until its lease or connection ends", exc_info=task.exception())

    # stopping

    async def _end(self) -> None:
        """Hand back what has not started, wait for what runs (warm) or hand it back, too (cold), and leave."""
        assert self._wake is not None
        self.dispatcher.is_open = False
        self.consumer.set_window(0)
        sig, how = ("SIGQUIT", "Cold") if self._is_cold else ("SIGTERM", "Warm")
        self._spawn(self._tell(hooks.worker_shutting_down, self.hostname, sig=sig, how=how, exitcode=0))
        with contextlib.suppress(TimeoutError, OperationalError):
            await asyncio.wait_for(self.consumer.flush(), _HURRY)
        waiting = self.dispatcher.reclaim_all()
        if ARMED:
            hit("during_shutdown_handback")
        self._give_back([entry.delivery for entry in waiting if not entry.lost] + self.intake.let_go() + self.settlement.aside.let_go())
        await self._drain()
        self._give_back([entry.delivery for entry in self.dispatcher.reclaim_all() if not entry.lost])
        if self._is_cold:
            running = [entry for entry in self.dispatcher.running() if not entry.early and not entry.lost]
            for seat in list(self.dispatcher.stations):
                self.dispatcher.remove_seat(seat)
            self.seating.kill()
            self._give_back([entry.delivery for entry in running])
        else:
            self.seating.close()
        if self._chores:
            await asyncio.wait(set(self._chores), timeout=30.0)
        self.settlement.close()
        await self.consumer.aclose()
        if not self.seating.is_empty:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.supervisor.all_gone.wait(), 5.0)
        if not self.seating.is_empty:
            self.seating.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.supervisor.all_gone.wait(), 2.0)
        await self._tell(hooks.worker_shutdown, self)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        self.handed_back += len(deliveries)
        self.consumer.requeue(deliveries)

    async def _drain(self) -> None:
        """Wait for what runs; time limits still hold. A result store or broker that is away is waited for a while only."""
        assert self._wake is not None
        deadline = None if self.options.grace is None else SYSTEM.monotonic() + self.options.grace
        ran = SYSTEM.monotonic()
        while not self.dispatcher.is_done and not self._is_cold:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK)
            now = SYSTEM.monotonic()
            self.limits.look(now)
            if deadline is not None and now >= deadline:
                self._is_cold = True
            if self.dispatcher.is_running or not self.dispatcher.outstanding:
                ran = now
            elif now - ran >= _COMMIT_PATIENCE:
                logger.error("%d tasks have ended, and their results cannot be stored: they go back", self.dispatcher.outstanding)
                self._is_cold = True


def _tell_of_rate_limits(app: Umbel) -> None:
    """Warn once of limits that nobody keeps."""
    if app.conf.worker_disable_rate_limits:
        return
    limited = sorted(name for name, task in app.tasks.items() if task.rate_limit not in (None, ""))
    if limited:
        shown = ", ".join(limited[:10]) + (f" and {len(limited) - 10} more" if len(limited) > 10 else "")
        logger.warning(
            "Rate limits come with a later version; these tasks run without theirs (rate_limit, task_default_rate_limit): %s", shown
        )


def make_worker(app: Umbel, options: Mapping[str, Any]) -> Worker:
    """A worker whose options are those of `WorkerOptions.parse`."""
    return Worker(app, WorkerOptions.parse(options))
