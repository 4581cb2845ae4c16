"""The figures of queues for the command line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel.brokers.base import DEAD_SUFFIX, QueueClient
from umbel.cli.output import ago
from umbel.errors import OperationalError
from umbel.messages.ids import waits_since
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.cli")

TITLES: Final = ("QUEUE", "READY", "DELAYED", "DEAD", "OLDEST", "STATE")
#: Columns of numbers.
RIGHT: Final = frozenset({1, 2, 3, 4})


@dataclass(frozen=True, slots=True)
class QueueRow:
    """The figures of one queue; ``None`` is what cannot be told."""

    queue: str
    ready: int | None
    delayed: int | None
    dead: int
    #: Seconds for which the message has waited that is the next one.
    oldest: float | None
    paused: bool | None

    def document(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "queue": self.queue,
            "ready": self.ready,
            "delayed": self.delayed,
            "dead": self.dead,
            "oldest": None if self.oldest is None else round(self.oldest, 3),
            "paused": self.paused,
        }

    def cells(self) -> tuple[str | None, ...]:
        """Return it as a row under `TITLES`."""
        oldest = None if self.oldest is None else ago(self.oldest)
        state = None if self.paused is None else "paused" if self.paused else ""
        return self.queue, number(self.ready), number(self.delayed), number(self.dead), oldest, state


def read(client: QueueClient, names: Sequence[str], *, oldest: bool) -> list[QueueRow]:
    """Read the figures of some queues.

    Args:
        client: to ask the broker.
        names: of the queues.
        oldest: look at the first message of each.
    """
    paused = _paused(client, names)
    return [
        QueueRow(
            name,
            client.length(name),
            client.delayed(name),
            client.length(name + DEAD_SUFFIX) or 0,
            _age(client, name) if oldest else None,
            None if paused is None else name in paused,
        )
        for name in names
    ]


def _paused(client: QueueClient, names: Sequence[str]) -> set[str] | None:
    """The paused ones of some queues; ``None`` for a user of the broker who may not see that."""
    try:
        return client.paused(names)
    except OperationalError as error:
        client.close()
        client.length(names[0] if names else "")  # where the broker is away, that is told
        logger.debug("which queues are paused cannot be read: %s", error)
        return None


def number(value: int | None) -> str | None:
    """Write a count; ``None`` stays ``None``.

    Args:
        value: the count.
    """
    return None if value is None else f"{value:,}"


def _age(client: QueueClient, name: str) -> float | None:
    since = next((waits_since(found) for found in client.peek(name, 1)), None)
    return None if since is None else max(0.0, SYSTEM.now() - since)
