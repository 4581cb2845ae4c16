"""``/metrics``: the fleet in Prometheus' text form. Names that begin with ``flower_`` are Flower's, for dashboards that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from umbel.dashboard.history.rollups import BOUNDS
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web.desk import desk_of

Sample = tuple[str, Mapping[str, str], float]


def metrics(request: Request) -> Response:
    """Answer a scrape."""
    monitor = desk_of(request).monitor
    lines = [line for family in families(monitor) for line in written(*family)]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")


def families(monitor: Monitor) -> Iterator[tuple[str, str, str, list[Sample]]]:
    """Give all metrics: name, kind, help and samples.

    Args:
        monitor: what is known.
    """
    counts = monitor.counters.events()
    by_task: dict[tuple[str, str], int] = {}
    for (task, kind, _), count in counts.items():
        by_task[task, kind.removeprefix("task-")] = by_task.get((task, kind.removeprefix("task-")), 0) + count
    yield (
        "umbel_fleet_task_events_total", "counter", "Events of tasks since the dashboard began.",
        [("", {"task": task, "event": kind}, count) for (task, kind), count in by_task.items()],
    )  # fmt: skip
    workers = monitor.workers()
    yield "umbel_fleet_worker_up", "gauge", "1 while a worker is heard.", [("", {"worker": row.name}, float(row.alive)) for row in workers]
    yield (
        "umbel_fleet_worker_active", "gauge", "Tasks that run now.",
        [("", {"worker": row.name}, row.active) for row in workers if row.active is not None],
    )  # fmt: skip
    yield (
        "umbel_fleet_worker_slots", "gauge", "Tasks that can run at a time.",
        [("", {"worker": row.name}, row.slots) for row in workers if row.slots is not None],
    )  # fmt: skip
    queues = monitor.asking.queues
    for name, text, attribute in (
        ("umbel_fleet_queue_ready", "Messages that a worker may take now.", "ready"),
        ("umbel_fleet_queue_scheduled", "Messages that wait for their time.", "delayed"),
        ("umbel_fleet_queue_dead", "Dead letters.", "dead"),
        ("umbel_fleet_queue_oldest_age_seconds", "Time for which the next message has waited; not on RabbitMQ.", "oldest"),
        ("umbel_fleet_queue_paused", "1 while no worker is to take messages.", "paused"),
    ):
        values = [(row.queue, getattr(row, attribute)) for row in queues]
        yield name, "gauge", text, [("", {"queue": queue}, float(value)) for queue, value in values if value is not None]
    yield "umbel_dashboard_events_total", "counter", "Events that the dashboard has received.", [("", {}, monitor.listening.events)]
    yield "umbel_dashboard_events_dropped_total", "counter", "Messages that came too fast.", [("", {}, monitor.listening.dropped)]
    yield "umbel_dashboard_history_bytes", "gauge", "Size of the history.", [("", {}, monitor.database.size())]
    yield "umbel_dashboard_pages", "gauge", "Pages that are open.", [("", {}, len(monitor.changes))]
    yield from of_flower(monitor, counts)


def of_flower(monitor: Monitor, counts: Mapping[tuple[str, str, str], int]) -> Iterator[tuple[str, str, str, list[Sample]]]:
    """Give the metrics that Flower has.

    Args:
        monitor: what is known.
        counts: (task, kind, worker) → how many events.
    """
    yield (
        "flower_events_total", "counter", "Number of events.",
        [("", {"task": task, "type": kind, "worker": worker}, count) for (task, kind, worker), count in counts.items()],
    )  # fmt: skip
    samples: list[Sample] = []
    for (task, worker), (classes, total) in monitor.counters.times().items():
        labels = {"task": task, "worker": worker}
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], accumulate(classes), strict=True):
            samples.append(("_bucket", {"le": bound, **labels}, count))
        samples += [("_count", labels, sum(classes)), ("_sum", labels, total)]
    yield "flower_task_runtime_seconds", "histogram", "Task runtime.", samples
    workers = monitor.workers()
    yield "flower_worker_online", "gauge", "Worker online status.", [("", {"worker": row.name}, float(row.alive)) for row in workers]
    yield (
        "flower_worker_number_of_currently_executing_tasks", "gauge", "Number of tasks currently executing at a worker.",
        [("", {"worker": row.name}, row.active) for row in workers if row.active is not None],
    )  # fmt: skip


def written(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Write one metric.

    Args:
        name: of it.
        kind: counter, gauge or histogram.
        text: its help.
        samples: end of the name, labels, value.
    """
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for end, labels, value in samples:
        inside = ",".join(f'{label}="{escaped(found)}"' for label, found in labels.items())
        yield f"{name}{end}{{{inside}}} {float(value)!r}" if inside else f"{name}{end} {float(value)!r}"


def escaped(value: str) -> str:
    """Write the ``value`` of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


ROUTES = [Route("/metrics", metrics)]
