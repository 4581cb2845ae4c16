"""``celery.worker``, ``celery.concurrency`` and ``celery.events``."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable

_SERVICES: Final = "app.worker_services (docs/guide/worker-services.md)"
_GATES: Final = "a gate of the worker (umbel.worker.gates), or the task's own code"
_REMOTE: Final = "umbel.worker.remote"

TABLES: Final = {
    "celery.worker": AliasTable({"umbel.compat.worker.controller": "WorkController"}),
    "celery.worker.worker": AliasTable({"umbel.compat.worker.controller": "WorkController"}, values={"SHUTDOWN_SOCKET_TIMEOUT": 5.0}),
    "celery.worker.state": AliasTable(live="umbel.compat.worker.state"),
    "celery.worker.control": AliasTable(
        {
            "umbel.control.commands": "control_command inspect_command",
            f"{_REMOTE}.about": "clock conf ping registered report stats",
            f"{_REMOTE}.events": "disable_events election enable_events heartbeat",
            f"{_REMOTE}.limits": "rate_limit time_limit",
            f"{_REMOTE}.memory": "memdump memsample objgraph",
            f"{_REMOTE}.pool": "autoscale pool_grow pool_restart pool_shrink shutdown",
            f"{_REMOTE}.queues": "active_queues add_consumer cancel_consumer",
            f"{_REMOTE}.revocations": "hello revoke revoke_by_stamped_headers revoked terminate",
            f"{_REMOTE}.tasks": "active query_task reserved scheduled",
        },
        elsewhere={"Panel": "the decorators control_command and inspect_command"},
    ),
    "celery.worker.request": AliasTable({"umbel.execution.request": "Request"}),
    "celery.worker.strategy": AliasTable(elsewhere={"default": _GATES}),
    "celery.worker.autoscale": AliasTable({"umbel.worker.slots.autoscaling": "Autoscaler"}),
    "celery.worker.components": AliasTable({"umbel.compat.steps": "Beat=Step Consumer=Step Hub=Step Pool=Step StateDB=Step Timer=Step"}),
    "celery.worker.consumer": AliasTable(
        {"umbel.compat.steps": "Agent=Step Connection=Step Control=Step Events=Step Gossip=Step Heart=Step Mingle=Step Tasks=Step"},
        elsewhere={"Consumer": _SERVICES},
    ),
    **{
        f"celery.worker.consumer.{name}": AliasTable({"umbel.compat.steps": f"{step}=Step"})
        for name, step in (
            ("agent", "Agent"),
            ("connection", "Connection"),
            ("control", "Control"),
            ("delayed_delivery", "DelayedDelivery"),
            ("events", "Events"),
            ("gossip", "Gossip"),
            ("heart", "Heart"),
            ("mingle", "Mingle"),
            ("tasks", "Tasks"),
        )
    },
    "celery.worker.consumer.consumer": AliasTable({"umbel.compat.steps": "Evloop=Step"}, elsewhere={"Consumer": _SERVICES}),
    "celery.worker.heartbeat": AliasTable(elsewhere={"Heart": "the events of workers, which they send by themselves"}),
    "celery.concurrency": AliasTable({"umbel.compat.parts": "get_available_pool_names get_implementation"}),
    "celery.concurrency.base": AliasTable(elsewhere={"BasePool": "a kind of pool (umbel.pools.kinds)"}),
    "celery.concurrency.prefork": AliasTable(elsewhere={"TaskPool": "-P prefork"}),
    "celery.concurrency.solo": AliasTable(elsewhere={"TaskPool": "-P solo"}),
    "celery.concurrency.thread": AliasTable(elsewhere={"TaskPool": "-P threads"}),
    "celery.concurrency.gevent": AliasTable(elsewhere={"TaskPool": "-P gevent"}),
    "celery.concurrency.eventlet": AliasTable(elsewhere={"TaskPool": "-P eventlet"}),
    "celery.events": AliasTable({"umbel.events.receiver": "EventReceiver", "umbel.events.dispatcher": "EventDispatcher"}),
    "celery.events.receiver": AliasTable({"umbel.events.receiver": "EventReceiver"}),
    "celery.events.dispatcher": AliasTable({"umbel.events.dispatcher": "EventDispatcher"}),
    "celery.events.state": AliasTable(
        {"umbel.events.state": "State", "umbel.events.task_state": "Task", "umbel.events.worker_state": "Worker"}
    ),
    "celery.events.snapshot": AliasTable({"umbel.events.snapshot": "Polaroid"}, elsewhere={"evcam": "the command umbel events --camera"}),
}
