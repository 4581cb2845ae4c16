"""Makes the services of events out of an app and the other parts of a worker."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from umbel.app.app import Umbel
from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.fanout.private_queues import event_exchange, event_queue
from umbel.events.rendering import EventRenderer, count_of
from umbel.execution.policy import TaskPolicy
from umbel.wire.serializers import content_types
from umbel.worker.events.emitting import TaskEventEmitter
from umbel.worker.events.gossip import Gossip
from umbel.worker.events.reporting import WAITING, Reporting
from umbel.worker.settings import WorkerSettings
from umbel.worker.task_index import TaskIndex
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.events import TaskEvents

logger: logging.Logger = logging.getLogger("umbel.worker")


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


def make_gossip(app: Umbel, settings: WorkerSettings, reporting: Reporting, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> Gossip:
    """Make the service that listens to other workers.

    Args:
        app: whose broker and clock.
        settings: of the worker.
        reporting: sends the worker's own events.
        spawn: runs a coroutine beside the loop's other work.
    """
    conf = app.conf
    queue = event_queue(
        str(uuid.uuid4()),
        ["worker.#"],
        exchange=conf.event_exchange,
        prefix=conf.event_queue_prefix,
        expires=conf.event_queue_expires,
        message_ttl=conf.event_queue_ttl,
    )

    def act(topic: str, action: Any) -> None:
        spawn(asyncio.to_thread(_do, app, topic, action))

    return Gossip(
        app.broker.subscriber(queue),
        settings.hostname,
        app.clock,
        content_types({"json", conf.event_serializer}),
        reporting.send,
        act,
        enabled=settings.gossip and not app.broker.capabilities.embedded,
    )


def _do(app: Umbel, topic: str, action: Any) -> None:
    """Do what this worker was elected for. As in Celery there is one topic, ``task``: a signature is sent."""
    try:
        if topic != "task":
            raise ValueError(f"there is no topic {topic!r}: there is 'task'")
        app.signature(action).apply_async()
    except Exception as error:  # it comes from whoever held the election
        logger.error("This worker was elected, and cannot act: %s: %s", type(error).__name__, error)
