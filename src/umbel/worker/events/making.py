"""Makes the services of events out of an app and the other parts of a worker."""

from __future__ import annotations

from collections.abc import Mapping

from umbel.app.app import Umbel
from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.fanout.private_queues import event_exchange
from umbel.events.rendering import EventRenderer, count_of
from umbel.execution.policy import TaskPolicy
from umbel.worker.events.emitting import TaskEventEmitter
from umbel.worker.events.reporting import WAITING, Reporting
from umbel.worker.settings import WorkerSettings
from umbel.worker.task_index import TaskIndex
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.events import TaskEvents


def make_reporting(
    app: Umbel,
    settings: WorkerSettings,
    policies: Mapping[str, TaskPolicy],
    events: TaskEvents,
    index: TaskIndex,
    acknowledger: Acknowledger,
) -> Reporting:
    """Make the service that sends events.

    Args:
        app: whose broker and clock.
        settings: of the worker.
        policies: of the app's tasks.
        events: what happens to tasks.
        index: knows which tasks run.
        acknowledger: knows how many have ended.
    """
    renderer = EventRenderer(settings.hostname, app.clock, serializer=app.conf.event_serializer)
    return Reporting(
        BroadcastBuffer(app.connections.write_broker.broadcaster(), WAITING, count_of),
        event_exchange(app.conf.event_exchange),
        renderer,
        lambda send: TaskEventEmitter(events, policies, renderer, send),
        lambda: {"active": sum(1 for _ in index.active()), "processed": acknowledger.completed},
        interval=settings.heartbeat,
        task_events=settings.task_events,
    )
