"""Makes the services of probes and metrics out of the other parts of a worker."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from umbel.app.app import Umbel
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins
from umbel.runtime.host.service_manager import ServiceManager
from umbel.worker.monitoring.health import Health
from umbel.worker.monitoring.http_server import Address, Route, parse_address
from umbel.worker.monitoring.metrics import TaskMetrics
from umbel.worker.monitoring.queue_figures import QueueFigures
from umbel.worker.monitoring.service import HasStarted, Monitoring
from umbel.worker.options import fill
from umbel.worker.parts import WorkerParts
from umbel.worker.settings import WorkerSettings
from umbel.worker.stopping import StopRequest


class MonitoringServices(NamedTuple):
    """The services of one worker."""

    #: The first of all.
    monitoring: Monitoring
    #: The last of the worker's own.
    has_started: HasStarted


def make_monitoring(app: Umbel, settings: WorkerSettings, parts: WorkerParts, stopping: StopRequest) -> MonitoringServices:
    """Make the services.

    Args:
        app: whose broker.
        settings: of the worker.
        parts: what it consists of.
        stopping: whether a stop is requested.

    Raises:
        ImproperlyConfigured: an address cannot be meant, or the library for metrics is not installed.
    """
    health = Health(lambda: parts.intake.is_connected, lambda: bool(parts.dispatcher.children), lambda: stopping.is_requested)
    served: defaultdict[Address, dict[str, Route]] = defaultdict(dict)
    if settings.health_port is not None:
        served[_address("health", settings.health_port)].update(health.routes())
    if settings.metrics_port is not None:
        served[_address("metrics", settings.metrics_port)]["/metrics"] = _metrics(app, parts, health)
    name, _, host = settings.hostname.partition("@")
    file = settings.heartbeat_file
    path = None if file is None else Path(fill(file, {"n": name, "h": host, "d": host.partition(".")[2]})).absolute()
    manager = ServiceManager()
    return MonitoringServices(Monitoring(health, served, manager, path), HasStarted(health, manager, stopping, settings.hostname))


def _address(what: str, given: str) -> Address:
    try:
        return parse_address(given)
    except ValueError as error:
        raise ImproperlyConfigured(f"worker_{what}_port (--{what}-port): {error}") from error


def _metrics(app: Umbel, parts: WorkerParts, health: Health) -> Route:
    exposition = plugins.load("umbel.worker.monitoring.exposition:Exposition", "metrics (--metrics-port)")
    snapshot = plugins.load("umbel.worker.monitoring.exposition:Snapshot", "metrics (--metrics-port)")
    dispatcher, index = parts.dispatcher, parts.index

    def take() -> object:
        return snapshot(
            running=sum(1 for _ in index.active()),
            reserved=sum(1 for _ in index.reserved()),
            waiting=sum(1 for _ in index.scheduled()),
            slots=parts.pool.slots,
            children=len(dispatcher.children),
            deaths=dict(parts.supervisor.deaths),
            losses=parts.acknowledger.losses,
            is_connected=parts.intake.is_connected,
        )

    figures = QueueFigures(app.broker, lambda: [queue.name for queue in parts.pausing.queues], lambda: list(parts.pausing.paused))
    made = exposition(TaskMetrics(parts.events), take, figures, lambda: health.loop)
    route: Route = made.answer
    return route
