"""``task-sent``: tells whoever watches of each message that leaves an app (`task_send_sent_event`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from umbel.app.sending import announcing
from umbel.brokers.topology import Destination
from umbel.events.model import SENT
from umbel.messages.preview import preview
from umbel.wire.message import Message


class Dispatcher(Protocol):
    """The part of a dispatcher that is needed; see `umbel.events.dispatcher`."""

    def send(self, type: str, **fields: Any) -> None: ...


class SentEvents:
    """Sends an event for each message.

    Args:
        dispatcher: sends events, and never blocks.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def send(self, message: Message, to: Destination) -> None:
        """Tell of a message that has been published.

        Args:
            message: of a task.
            to: its address.
        """
        headers = message.headers
        told = headers if "task" in headers else _of_protocol_1(announcing.content_of(message))
        queue = to.routing_key if to.queue is None else to.queue.name
        values = (
            told.get("id"), told.get("root_id"), told.get("parent_id"), told.get("task"), told.get("argsrepr"), told.get("kwargsrepr"),
            told.get("retries"), told.get("eta"), told.get("expires"), queue, to.exchange, to.routing_key,
        )  # fmt: skip
        self._dispatcher.send(SENT.name, **dict(zip(_FIELDS, values, strict=True)))


_FIELDS = SENT.fields


def _of_protocol_1(content: Any) -> Mapping[str, Any]:
    """Make headers of a body of protocol 1, which has none."""
    return {**content, "argsrepr": preview(tuple(content.get("args") or ())), "kwargsrepr": preview(content.get("kwargs") or {})}
