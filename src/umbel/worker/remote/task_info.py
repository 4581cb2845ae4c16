"""The tasks of a worker as remote control shows them. Celery's fields (5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from umbel.brokers.base import Delivery
from umbel.errors import UmbelError
from umbel.runtime.clock import SYSTEM
from umbel.wire import compression, serializers
from umbel.worker.task_index import is_active
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import Waiting

#: Bytes of a body whose arguments are shown as they are; and of all bodies in one reply. Beyond that their sender's preview is shown.
_MOST_BODY: Final = 32 * 1024
_MOST_BODIES: Final = 1024 * 1024
#: Characters of a preview.
_MOST_PREVIEW: Final = 4096
#: Celery's timer runs what is due with this priority.
_TIMER_PRIORITY: Final = 6


class TaskInfos:
    """Makes infos for one reply.

    Args:
        hostname: of the worker.
        accept: content types that may be decoded.
        safe: show arguments as their sender's preview.
    """

    def __init__(self, hostname: str, accept: frozenset[str], *, safe: bool = False) -> None:
        self._hostname = hostname
        self._accept = accept
        self._left = 0 if safe else _MOST_BODIES

    def task(self, task: ReservedTask) -> dict[str, Any]:
        """An admitted ``task``."""
        started, pid = None, None
        if is_active(task) and task.slot is not None:
            started = SYSTEM.now() - (SYSTEM.monotonic() - task.slot.current()[1])
            pid = task.slot.child.pid
        return self._info(task.delivery, started, pid, acknowledged=task.acked)

    def waiting(self, waiting: Waiting) -> dict[str, Any]:
        """A message that waits, ``waiting``, as it would be once it is admitted."""
        return self._info(waiting.delivery, None, None, acknowledged=False)

    def scheduled(self, waiting: Waiting) -> dict[str, Any]:
        """A message that waits for its time, ``waiting``."""
        eta = None if waiting.until is None else datetime.fromtimestamp(waiting.until, UTC).isoformat()
        return {"eta": eta, "priority": _TIMER_PRIORITY, "request": self.waiting(waiting)}

    def _info(self, delivery: Delivery, started: float | None, pid: int | None, *, acknowledged: bool) -> dict[str, Any]:
        name = delivery.headers.get("task")
        args, kwargs = self._arguments(delivery)
        return {
            "id": delivery.headers.get("id"),
            "name": name,
            "args": args,
            "kwargs": kwargs,
            "type": name,
            "hostname": self._hostname,
            "time_start": started,
            "acknowledged": acknowledged,
            "delivery_info": {
                "exchange": delivery.exchange,
                "routing_key": delivery.routing_key,
                "priority": delivery.properties.get("priority"),
                "redelivered": delivery.redelivered,
            },
            "worker_pid": pid,
        }

    def _arguments(self, delivery: Delivery) -> tuple[Any, Any]:
        """The arguments, where they are few and can be read without running anybody's code; else their sender's preview."""
        body = delivery.body
        if len(body) <= min(_MOST_BODY, self._left):
            try:
                args, kwargs = _decoded(delivery, self._accept)
            except (UmbelError, ValueError, TypeError):
                pass
            else:
                self._left -= len(body)
                return args, kwargs
        return _preview(delivery.headers, "argsrepr"), _preview(delivery.headers, "kwargsrepr")


def _decoded(delivery: Delivery, accept: frozenset[str]) -> tuple[list[Any], dict[str, Any]]:
    data, method = delivery.body, delivery.headers.get("compression")
    if method:
        data = compression.decompress(data, str(method), _MOST_BODY)
    args, kwargs, _ = serializers.plain.loads(data, delivery.content_type, delivery.content_encoding, accept)
    serializers.dumps([args, kwargs])  # a reply is written as JSON: what that cannot hold is shown as text
    return list(args), dict(kwargs)


def _preview(headers: Mapping[str, Any], name: str) -> str:
    found = headers.get(name)
    return found[:_MOST_PREVIEW] if isinstance(found, str) else "?"
