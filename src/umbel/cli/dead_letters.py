"""Dead letters for the command line: read from a queue, chosen, turned back into messages.

No worker reads ``<queue>.dead``: a dead letter stays there until somebody looks. Reading takes messages and hands them back
in their old order, so two readers at one time may each see a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from umbel.brokers.base import ATTEMPTS, DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, DEAD_SUFFIX, Delivery, QueueClient
from umbel.messages.v2 import BROKER_PREFIXES
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message

#: Headers that RabbitMQ gives what it dead-letters itself: why, and from which queue.
_BROKER_REASON, _BROKER_QUEUE = "x-first-death-reason", "x-first-death-queue"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue, and its place in it."""

    delivery: Delivery
    #: The queue whose dead letter it is.
    queue: str

    def _header(self, name: str) -> str:
        value = self.delivery.headers.get(name)
        return "" if value is None else str(value)

    @property
    def id(self) -> str:
        """The task id, empty when the message has none."""
        return self._header("id") or str(self.delivery.properties.get("correlation_id") or "")

    @property
    def task(self) -> str:
        """The task's name, empty when it cannot be told."""
        return self._header("task")

    @property
    def reason(self) -> str:
        """One word: ours, or RabbitMQ's own for what it moved here itself (``delivery_limit`` for one)."""
        return self._header(DEAD_REASON) or self._header(_BROKER_REASON) or "unknown"

    @property
    def detail(self) -> str:
        """One sentence."""
        return self._header(DEAD_DETAIL)

    @property
    def attempts(self) -> int:
        """The number of workers and children that died running it."""
        value = self.delivery.headers.get(ATTEMPTS, self.delivery.attempts)
        return value if isinstance(value, int) else 0

    @property
    def age(self) -> float | None:
        """The seconds since it became one."""
        try:
            return SYSTEM.now() - datetime.fromisoformat(self._header(DEAD_AT)).timestamp()
        except ValueError:
            return None

    def document(self, *, body: bool = False) -> dict[str, Any]:
        """Return it as a document for ``--json``; with ``body``, whole."""
        found: dict[str, Any] = {
            "id": self.id or None,
            "task": self.task or None,
            "queue": self.queue,
            "reason": self.reason,
            "detail": self.detail,
            "at": self._header(DEAD_AT) or None,
            "attempts": self.attempts,
        }
        if body:
            found["headers"] = self.delivery.headers
            found["content_type"] = self.delivery.content_type
            found["body"] = self.delivery.body.decode("utf-8", "backslashreplace")
        return found


def read(client: QueueClient, queue: str, *, most: int | None = None) -> Iterator[DeadLetter]:
    """Read the dead letters of a queue, oldest first, unsettled: closing the client hands back those that were not acknowledged.

    Args:
        client: to read with.
        queue: name of the queue that they were messages of.
        most: number of letters to read; ``None`` is no limit.
    """
    taken = 0
    while most is None or taken < most:
        delivery = client.get(queue + DEAD_SUFFIX)
        if delivery is None:
            return
        taken += 1
        origin = delivery.headers.get(DEAD_QUEUE) or delivery.headers.get(_BROKER_QUEUE)
        yield DeadLetter(delivery, str(origin or queue))


def replayed(letter: DeadLetter) -> Message:
    """Return the message of ``letter`` as it was before: no dead-letter headers, no attempts counted."""
    delivery = letter.delivery
    ours = {DEAD_REASON, DEAD_DETAIL, DEAD_QUEUE, DEAD_AT, ATTEMPTS}
    headers = {name: value for name, value in delivery.headers.items() if name not in ours and not name.startswith(BROKER_PREFIXES)}
    return Message(delivery.body, headers, delivery.content_type, delivery.content_encoding, dict(delivery.properties))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A choice of dead letters; nothing given means all."""

    queues: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    task: str | None = None
    reason: str | None = None
    limit: int | None = None

    @property
    def is_open(self) -> bool:
        """Report whether neither ids nor task nor reason narrow it down."""
        return not (self.ids or self.task or self.reason)

    def takes(self, letter: DeadLetter) -> bool:
        """Report whether ``letter`` is chosen."""
        return (
            (not self.ids or letter.id in self.ids)
            and (self.task is None or letter.task == self.task)
            and (self.reason is None or letter.reason == self.reason)
        )

    def among(self, client: QueueClient, names: Sequence[str]) -> Iterator[DeadLetter]:
        """Read with ``client`` the chosen letters in the queues ``names``.

        Only those that are there now: one that is sent again and dies again is not met twice.
        """
        left = self.limit
        for name in names:
            for letter in read(client, name, most=client.length(name + DEAD_SUFFIX) or 0):
                if left == 0:
                    return
                if self.takes(letter):
                    left = None if left is None else left - 1
                    yield letter
