"""Options of a worker: one frozen value, made from the command line or by hand."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Options of one worker.

    What is ``None`` falls back to the app's settings, then to the default named here.
    """

    #: ``module:attribute`` of the app, for children to import; ``None``: the app knows it itself.
    app_path: str | None = None
    #: Node name, see `node_name`.
    hostname: str | None = None
    #: Names of the queues to consume from; empty: all configured ones.
    queues: tuple[str, ...] = ()
    #: Names of configured queues to leave out.
    exclude: tuple[str, ...] = ()
    #: Jobs at a time, in each process; when not given, and for ``auto``, what the kind of pool says, or the number of processors.
    concurrency: int | str | None = None
    #: Most and fewest slots, between which their number follows the work: a pair, or ``10,3``; ``None``: it does not. Goes before ``concurrency``.
    autoscale: tuple[int, int] | str | int | None = None
    #: Child processes, where one runs several jobs at once; one when not given.
    processes: int | None = None
    #: A name of `umbel.pools.kinds`.
    pool: str | None = None
    #: Unsettled messages per slot; ``None`` follows the measured rate, 0 is no limit.
    prefetch_multiplier: int | None = None
    #: Fetch a message only for a free slot, whatever the multiplier.
    disable_prefetch: bool = False
    #: Seconds.
    time_limit: float | None = None
    #: Seconds.
    soft_time_limit: float | None = None
    max_tasks_per_child: int | None = None
    #: KiB of resident memory.
    max_memory_per_child: int | None = None
    #: File that keeps revoked tasks; ``%n`` and ``%h`` stand for the worker's name and host.
    state_db: str | None = None
    #: Seconds that a warm stop waits for running tasks before it becomes cold; ``None`` waits for them.
    grace: float | None = None
    #: What tasks may ask for (`resources`), and how much of it there is; ``None`` is as ``worker_resources`` says.
    resources: Mapping[str, float] | None = None
    #: Tell whoever watches what happens to tasks; ``None`` is as ``worker_send_task_events`` says.
    task_events: bool | None = None
    #: Seconds between two heartbeats; 0 or ``None``: two.
    heartbeat_interval: float | None = None
    #: Tell nobody that this worker is there.
    without_heartbeat: bool = False
    #: Do not listen to other workers.
    without_gossip: bool = False
    #: Do not ask other workers at the start which tasks are revoked.
    without_mingle: bool = False
    #: Where probes are answered, and metrics served: ``PORT`` or ``HOST:PORT``; ``None`` is as the settings say.
    health_port: str | None = None
    metrics_port: str | None = None
    #: File that is touched each second while the event loop turns.
    heartbeat_file: str | None = None
    #: Settings given on the command line; children apply them too.
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: ``module:function`` and arguments that every child calls first: logging.
    child_initializer: tuple[str, tuple[Any, ...]] | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> WorkerOptions:
        """Options as a person writes them: ``queues`` and ``exclude`` may be lists or texts with commas.

        Raises:
            TypeError: there is no such option.
        """
        chosen = dict(given)
        for name in {"queues", "exclude"} & chosen.keys():
            value = chosen[name] or ()
            chosen[name] = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
        return cls(**chosen)


def node_name(given: str | None, host: str | None = None) -> str:
    """The name of a worker: ``%h`` host, ``%n`` its first part, ``%d`` its domain; without an ``@`` it is the host part, as in Celery."""
    host = host or socket.gethostname()
    short, _, domain = host.partition(".")
    name = given or host
    name = name if "@" in name else f"celery@{name}"
    return fill(name, {"h": host, "n": short, "d": domain, "i": "%i", "I": "%I"})


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with ``%x`` replaced by the value of ``x``; ``%%`` is a percent sign, an unknown letter stays."""
    filled, rest = "", template
    while rest:
        before, percent, rest = rest.partition("%")
        filled += before
        if percent:
            letter, rest = rest[:1], rest[1:]
            filled += "%" if letter == "%" else values.get(letter, f"%{letter}")
    return filled
