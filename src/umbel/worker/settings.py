"""Settings of a worker: its options, over the app's settings, over what both leave open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from umbel import hooks
from umbel.app.app import Umbel
from umbel.app.connections import seconds
from umbel.errors import ImproperlyConfigured
from umbel.execution.policy import resources_of
from umbel.pools.kinds import DEFAULT, KINDS, PoolKind, kind_of
from umbel.runtime.host.machine import processors
from umbel.worker.options import WorkerOptions, node_name
from umbel.worker.slots.autoscaling import parse_bounds

logger: logging.Logger = logging.getLogger("umbel.worker")

#: As many jobs at a time as there are processors, said by a word.
AUTO: Final = "auto"

#: Seconds that a child may take to load the app, where nothing else is said.
START_TIMEOUT: Final = 60.0

#: Seconds between two heartbeats, where nothing else is said (Celery's).
HEARTBEAT_INTERVAL: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The decided values. Times are in seconds; 0 and ``None`` are no limit."""

    hostname: str
    #: The pool as it was named, and what is known of it.
    pool: str
    kind: PoolKind
    #: Jobs at a time, in all processes together.
    concurrency: int
    #: Most and fewest slots, in all processes together; ``None``: their number stays as it is.
    autoscale: tuple[int, int] | None
    #: Child processes, where one runs several jobs at once.
    processes: int
    #: Unsettled messages per slot; ``None`` follows the measured rate, 0 is no limit.
    prefetch_multiplier: int | None
    #: No message without a free slot, acknowledged early or not.
    one_per_slot: bool
    #: Jobs after which a child is replaced.
    max_tasks: int | None
    #: KiB after which a child is replaced.
    max_memory: int | None
    time_limit: float | None
    soft_time_limit: float | None
    #: Deaths after which a message is dead-lettered.
    max_deliveries: int
    #: For how long a warm stop waits for what runs.
    grace: float | None
    #: Ids of revoked tasks to remember, and for how long.
    revokes_max: int
    revoke_expires: float
    #: Events of tasks are sent from the beginning.
    task_events: bool
    #: Seconds that a child may take to load the app.
    start_timeout: float
    #: Seconds between two heartbeats; ``None`` sends none.
    heartbeat: float | None
    #: Other workers are listened to.
    gossip: bool
    #: File that keeps them; ``None`` is none.
    state_db: str | None = None
    #: For which what is held in the lease store stays so after the last sign of life.
    lease_duration: float
    #: What tasks may ask for, and how much of it there is.
    resources: Mapping[str, float] = field(default_factory=dict)
    #: Where probes are answered, and metrics served; ``None`` is nowhere.
    health_port: str | None = None
    metrics_port: str | None = None
    #: File that is touched each second.
    heartbeat_file: str | None = None

    @classmethod
    def of(cls, app: Umbel, options: WorkerOptions) -> WorkerSettings:
        """Decide each value.

        Raises:
            ImproperlyConfigured: there is no such pool, or fewer than one slot, or processes for a pool that has as many as tasks.
        """
        conf = app.conf
        pool = options.pool or conf.worker_pool or DEFAULT.name
        kind = kind_of(pool)
        chosen = options.concurrency or conf.worker_concurrency or kind.slots_by_default or processors()
        processes = _processes(kind, options.processes or conf.worker_processes or 1)
        bounds = _bounds(kind, options.autoscale)
        concurrency = 1 if kind.in_worker else bounds[1] if bounds else _concurrency(chosen, pool)
        one_per_slot = options.disable_prefetch or conf.worker_disable_prefetch
        fixed = options.prefetch_multiplier
        return cls(
            hostname=node_name(options.hostname),
            pool=pool,
            kind=kind,
            concurrency=concurrency * processes,
            autoscale=(bounds[0] * processes, bounds[1] * processes) if bounds else None,
            processes=processes,
            prefetch_multiplier=1 if one_per_slot else conf.worker_prefetch_multiplier if fixed is None else fixed,
            one_per_slot=one_per_slot,
            max_tasks=options.max_tasks_per_child or conf.worker_max_tasks_per_child if kind.recycles else None,
            max_memory=options.max_memory_per_child or conf.worker_max_memory_per_child if kind.recycles else None,
            time_limit=options.time_limit or conf.task_time_limit,
            soft_time_limit=options.soft_time_limit or conf.task_soft_time_limit,
            max_deliveries=conf.task_max_deliveries or 0,
            grace=seconds(conf.worker_grace) if options.grace is None else options.grace,
            revokes_max=conf.worker_revokes_max,
            revoke_expires=seconds(conf.worker_revoke_expires) or 0.0,
            lease_duration=seconds(conf.lease_duration) or 30.0,
            task_events=conf.worker_send_task_events if options.task_events is None else options.task_events,
            gossip=not options.without_gossip,
            start_timeout=seconds(conf.worker_proc_alive_timeout) or START_TIMEOUT,
            heartbeat=None if options.without_heartbeat else options.heartbeat_interval or HEARTBEAT_INTERVAL,
            resources=_resources(conf.worker_resources if options.resources is None else options.resources),
            health_port=_port(options.health_port, conf.worker_health_port),
            metrics_port=_port(options.metrics_port, conf.worker_metrics_port),
            heartbeat_file=options.heartbeat_file or conf.worker_heartbeat_file or None,
            state_db=options.state_db or conf.worker_state_db or None,
        )


def _resources(given: Any) -> Mapping[str, float]:
    try:
        return dict(resources_of({name: amount for name, amount in (given or {}).items() if amount}))
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"worker_resources (--resources): {error}") from None


def _port(given: str | None, configured: Any) -> str | None:
    chosen = configured if given is None else given
    return None if chosen is None or chosen == "" else str(chosen)


def _concurrency(wanted: Any, pool: str) -> int:
    if wanted == AUTO:
        found = processors()
        logger.info("worker_concurrency=%r resolved to %d (pool=%s)", AUTO, found, pool)
        return found
    if not isinstance(wanted, int) or wanted < 1:
        raise ImproperlyConfigured(f"a worker's concurrency must be at least 1, or {AUTO!r}, got {wanted!r}")
    return wanted


def _bounds(kind: PoolKind, given: Any) -> tuple[int, int] | None:
    bounds = parse_bounds(given)
    if bounds is not None and kind.in_worker:
        raise ImproperlyConfigured(f"the pool {kind.name} runs one task at a time: autoscaling needs another one")
    return bounds


def _processes(kind: PoolKind, wanted: int) -> int:
    if wanted < 1:
        raise ImproperlyConfigured(f"a worker must have at least 1 process for its tasks, got {wanted}")
    if wanted > 1 and not kind.is_shared:
        shared = ", ".join(each.name for each in KINDS if each.is_shared)
        raise ImproperlyConfigured(
            f"the pool {kind.name} runs one task in a process: give their number as concurrency (-c), not as processes, or use one of {shared}"
        )
    return wanted


def configured(app: Umbel, options: WorkerOptions, worker: Any) -> WorkerOptions:
    """Let listeners of ``celeryd_init`` change settings; returns the options with what they changed, which the children get too."""
    conf = app.conf
    before = dict(conf.changes)
    hooks.celeryd_init.send(node_name(options.hostname), instance=worker, conf=conf, options=asdict(options))
    changed = {name: value for name, value in conf.changes.items() if name not in before or before[name] is not value}
    for signal in hooks.UNSENT:
        if signal.receivers:
            logger.warning("The signal %s has listeners, but is not sent by this version.", signal.name)
    return replace(options, changes={**options.changes, **changed}) if changed else options
