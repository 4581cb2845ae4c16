"""The keys by which limits count messages: as they were sent, or made of arguments here."""

from __future__ import annotations

from typing import Final, Literal

from umbel.execution.keys import Arguments, KeyTemplate
from umbel.messages.task_keys import KEYS, bounded, parse
from umbel.wire import serializers
from umbel.worker.tasks.reserved import ReservedTask

#: Bytes of a body that is read on the event loop, for a key that was not sent.
_SMALL: Final = 64 * 1024
_JSON: Final = serializers.content_types(frozenset({"json"}))


def key_of(task: ReservedTask, kind: Literal["concurrency", "rate"], template: KeyTemplate | None) -> str:
    """Find the key of a message; empty where it counts with all that have none.

    A message without a key, of another program's, gets the key that a template makes of its arguments, where these are plain JSON.

    Args:
        task: admitted.
        kind: of the limit.
        template: of the task's keys, where it has one.
    """
    headers = task.delivery.headers
    keys = parse(headers[KEYS]) if KEYS in headers else None
    key: str = getattr(keys, kind) if keys is not None else ""
    return key if key or template is None else _key_from_body(task, template)


def _key_from_body(task: ReservedTask, template: KeyTemplate) -> str:
    delivery = task.delivery
    if len(delivery.body) > _SMALL or delivery.headers.get("compression"):
        return ""
    try:
        args, kwargs, _ = serializers.loads(delivery.body, delivery.content_type, delivery.content_encoding, _JSON)
        return bounded(template.fill(Arguments(args, kwargs, task.policy.signature)))
    except Exception:  # whatever it is, its task will tell
        return ""
