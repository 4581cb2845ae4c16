"""Metrics of a worker in Prometheus' text form, by its client library (`pip install 'umbel[metrics]'`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from umbel.worker.monitoring.http_server import Answer
from umbel.worker.monitoring.metrics import BOUNDS, TaskMetrics
from umbel.worker.monitoring.queue_figures import Figures

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds that a scrape waits for the event loop; without its answer, what only the loop knows is left out.
_PATIENCE: Final = 1.0
_LABELS: Final = [*map(str, BOUNDS), "+Inf"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures that only the event loop knows."""

    running: int
    reserved: int
    waiting: int
    slots: int
    children: int
    #: Unasked deaths of children since the start, by cause.
    deaths: Mapping[str, int]
    #: How often the broker's connection was lost.
    losses: int
    is_connected: bool


class Exposition:
    """Answers scrapes, from any thread.

    Args:
        tasks: figures of tasks.
        snapshot: takes the others; called on the event loop.
        queues: how many messages wait at the broker: queue → `umbel.worker.monitoring.queue_figures.Figures`; it may not raise.
        loop: the worker's, while it runs.
    """

    def __init__(
        self,
        tasks: TaskMetrics,
        snapshot: Callable[[], Snapshot],
        queues: Callable[[], Mapping[str, Figures]],
        loop: Callable[[], asyncio.AbstractEventLoop | None],
    ) -> None:
        self._tasks = tasks
        self._snapshot = snapshot
        self._queues = queues
        self._loop = loop
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def answer(self, accept: str) -> Answer:
        """Answer one scrape.

        Args:
            accept: forms that the client reads, as its header says.
        """
        encode, content_type = choose_encoder(accept)
        return Answer(200, content_type, encode(self._registry))

    def collect(self) -> Iterator[Any]:
        """Give all metrics, as the client library asks for them."""
        yield from self._of_tasks()
        snapshot = self._ask()
        if snapshot is not None:
            yield from _of_worker(snapshot)
        yield from _of_queues(self._queues())

    def _ask(self) -> Snapshot | None:
        loop = self._loop()
        if loop is None or loop.is_closed():
            return None
        found: Future[Snapshot] = Future()

        def take() -> None:
            try:
                found.set_result(self._snapshot())
            except Exception as error:  # the scrape is told
                found.set_exception(error)

        try:
            loop.call_soon_threadsafe(take)
            return found.result(_PATIENCE)
        except (TooLate, RuntimeError):  # it stands still, or has just ended
            logger.debug("The event loop does not answer a scrape")
            return None

    def _of_tasks(self) -> Iterator[Any]:
        tasks = self._tasks
        ended = CounterMetricFamily("umbel_tasks", "Ends of tasks.", labels=["task", "queue", "state"])
        for key, count in dict(tasks.ended).items():
            ended.add_metric(key, count)
        yield ended
        retries = CounterMetricFamily("umbel_task_retries", "Retries that tasks asked for.", labels=["task", "queue"])
        for (task, queue, state), count in dict(tasks.ended).items():
            if state == "RETRY":
                retries.add_metric((task, queue), count)
        yield retries
        times = HistogramMetricFamily("umbel_task_runtime_seconds", "Time in the task's own code.", labels=["task"])
        for task, measured in dict(tasks.run_times).items():
            times.add_metric((task,), list(zip(_LABELS, map(float, accumulate(measured.counts)), strict=True)), measured.total)
        yield times
        yield _counted("umbel_redeliveries", "Messages that had been delivered before.", "queue", dict(tasks.redelivered).items())
        yield _counted("umbel_dead_letters", "Messages moved to the dead letters.", "reason", dict(tasks.dead_lettered).items())


def _of_worker(found: Snapshot) -> Iterator[Any]:
    yield GaugeMetricFamily("umbel_tasks_running", "Tasks that run now.", found.running)
    yield GaugeMetricFamily("umbel_tasks_reserved", "Messages that the worker holds, and that do not run yet.", found.reserved)
    yield GaugeMetricFamily("umbel_tasks_waiting", "Messages that wait here for their time or for a limit.", found.waiting)
    yield GaugeMetricFamily("umbel_slots", "Tasks that can run at a time.", found.slots)
    yield GaugeMetricFamily("umbel_worker_utilization", "Part of the slots that are busy, 0 to 1.", found.running / max(1, found.slots))
    yield GaugeMetricFamily("umbel_children", "Children that take tasks.", found.children)
    yield _counted("umbel_child_deaths", "Children that died without being told to.", "cause", found.deaths.items())
    yield CounterMetricFamily("umbel_broker_connection_losses", "How often the connection to the broker was lost.", found.losses)
    yield GaugeMetricFamily("umbel_broker_connected", "1 while the connection to the broker stands.", found.is_connected)


def _of_queues(queues: Mapping[str, Figures]) -> Iterator[Any]:
    families = [
        GaugeMetricFamily("umbel_queue_ready", "Messages that a worker may take now.", labels=["queue"]),
        GaugeMetricFamily("umbel_queue_scheduled", "Messages that wait for their time.", labels=["queue"]),
        GaugeMetricFamily("umbel_queue_dead", "Dead letters.", labels=["queue"]),
        GaugeMetricFamily(
            "umbel_queue_oldest_age_seconds", "Time for which the next message has waited; not on RabbitMQ.", labels=["queue"]
        ),
        GaugeMetricFamily("umbel_queue_paused", "1 while no worker is to take messages.", labels=["queue"]),
    ]
    for name, figures in queues.items():
        for family, value in zip(families, figures, strict=True):
            if value is not None:
                family.add_metric((name,), value)
    yield from families


def _counted(name: str, text: str, label: str, counts: Iterable[tuple[str, int]]) -> Any:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts:
        family.add_metric((value,), count)
    return family
