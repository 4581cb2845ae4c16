"""The names of everything that is kept in Redis.

Lists, bindings and the ``unacked`` keys are those of kombu's Redis transport (5.7), so that its workers and clients stand beside ours.
What only Umbel knows is under ``umbel:``. A ``global_keyprefix`` stands before each key, ours too.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from umbel.errors import ImproperlyConfigured

SEPARATOR = "\x06\x16"
PRIORITY_STEPS = (0, 3, 6, 9)
#: Tags of our own claims begin like this: lease in milliseconds, consumer, number. A tag is used for one claim only, never again.
TAG_PREFIX = "umbel-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The key names under one set of transport options."""

    prefix: str = ""
    separator: str = SEPARATOR
    #: Ascending; the lowest step is served first.
    steps: tuple[int, ...] = PRIORITY_STEPS
    unacked: str = "unacked"
    unacked_index: str = "unacked_index"

    @classmethod
    def of(cls, transport: Mapping[str, Any]) -> Keys:
        """Make the keys for ``transport``, Celery's ``broker_transport_options``.

        Raises:
            ImproperlyConfigured: ``priority_steps`` is not a list of numbers.
        """
        prefix = str(transport.get("global_keyprefix") or "")
        steps = transport.get("priority_steps") or PRIORITY_STEPS
        try:
            numbers = tuple(sorted(int(step) for step in steps))
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"priority_steps is {steps!r}: expected a list of numbers such as [0, 3, 6, 9]") from error
        return cls(
            prefix=prefix,
            separator=str(transport.get("sep") or SEPARATOR),
            steps=numbers,
            unacked=prefix + str(transport.get("unacked_key") or "unacked"),
            unacked_index=prefix + str(transport.get("unacked_index_key") or "unacked_index"),
        )

    def step(self, priority: Any) -> int:
        """Find the step that serves a message's ``priority``; what is no number from 0 to 9 is brought there."""
        try:
            number = max(min(int(priority), 9), 0)
        except (TypeError, ValueError):
            number = 0
        return self.steps[max(bisect(self.steps, number) - 1, 0)]

    def list_at(self, queue: str, step: int) -> str:
        """Name the list of ``queue`` at one priority ``step``."""
        return f"{self.prefix}{queue}{self.separator}{step}" if step else f"{self.prefix}{queue}"

    def list_for(self, queue: str, priority: Any) -> str:
        """Name the list of ``queue`` that a message of this ``priority`` goes to."""
        return self.list_at(queue, self.step(priority))

    def lists(self, queue: str) -> tuple[str, ...]:
        """Name all lists of ``queue``, the one that is served first at the front."""
        return tuple(self.list_at(queue, step) for step in self.steps)

    def binding(self, exchange: str) -> str:
        """Name the set of the bindings of ``exchange``."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def binding_permanent(self, exchange: str) -> str:
        """Name the set of those bindings that keep the table of ``exchange`` from being swept."""
        return f"{self.prefix}_kombu.binding_permanent.{exchange}"

    @property
    def binding_deadlines(self) -> str:
        """Sorted set of exchanges whose bindings kombu may sweep, each at a time in milliseconds."""
        return f"{self.prefix}_kombu.binding_deadlines"

    @property
    def inboxes(self) -> str:
        """Sorted set of Umbel's reply inboxes, each with the time, in milliseconds, after which its client is taken for dead."""
        return f"{self.prefix}umbel:inboxes"

    @property
    def readers(self) -> str:
        """Sorted set of the readers of queues that go with their last one, each with the time, in milliseconds, after which it is taken for dead."""
        return f"{self.prefix}umbel:readers"

    def heard(self, queue: str, tag: str) -> str:
        """Name the mark that the message of a delivery ``tag`` came over a channel and is in the list of ``queue``."""
        return f"{self.prefix}umbel:heard:{queue}:{tag}"

    def member(self, routing_key: str, pattern: str, queue: str) -> str:
        """Render one binding as it stands in the set: ``routing_key`` (or what headers must be, as JSON), ``pattern`` (of a topic), ``queue``."""
        return self.separator.join((routing_key, pattern, queue))

    def delayed(self, queue: str) -> str:
        """Name the sorted set of the delayed messages of ``queue``, scored by the second at which they are due."""
        return f"{self.prefix}umbel:delayed:{queue}"

    @property
    def queues(self) -> str:
        """Set of the queues that Umbel has declared: an empty list does not exist in Redis, a declared queue does."""
        return f"{self.prefix}umbel:queues"

    @property
    def paused(self) -> str:
        """Set of the queues that workers are not to consume from."""
        return f"{self.prefix}umbel:paused"

    @property
    def exchanges(self) -> str:
        """Hash of the exchanges that Umbel has declared and that are not direct → their type, which kombu's bindings do not tell."""
        return f"{self.prefix}umbel:exchanges"


def topic_pattern(routing_key: str) -> str:
    """Render a topic's ``routing_key`` as the regular expression in the middle of a stored binding: ``*`` is one word, ``#`` is any text."""
    words = {"*": r"[^\.]+", "#": ".*?"}
    return "^" + r"\.".join(words.get(word, re.escape(word)) for word in routing_key.split(".")) + "$"


def result_prefix(transport: Mapping[str, Any]) -> str:
    """Return the prefix of result keys under ``transport``: as in Celery, an underscore is added unless it ends in one of ``: _ - .``."""
    prefix = str(transport.get("global_keyprefix") or "")
    return prefix if not prefix or prefix[-1] in ":_-." else f"{prefix}_"


def task_meta(prefix: str, task_id: str) -> str:
    """Name the key, and the channel, of the result of ``task_id`` under ``prefix``."""
    return f"{prefix}celery-task-meta-{task_id}"


def taskset_meta(prefix: str, group_id: str) -> str:
    """Name the key of the saved results of the group ``group_id`` under ``prefix``. What is counted of its chord has a suffix."""
    return f"{prefix}celery-taskset-meta-{group_id}"


def chord_body(prefix: str, group_id: str) -> str:
    """Build the key that says under which claim the body of a chord runs.

    Args:
        prefix: of the result keys.
        group_id: of the header.
    """
    return f"{prefix}umbel:chord-body:{group_id}"


def revoked(prefix: str) -> str:
    """Name the sorted set of revoked tasks under ``prefix``."""
    return f"{prefix}umbel:revoked"


def chord_added(prefix: str, group_id: str) -> str:
    """Build the key of the set of members that were added to a chord.

    Args:
        prefix: of the result keys.
        group_id: of its header.
    """
    return f"{prefix}umbel:chord-added:{group_id}"


def lease(prefix: str, name: str) -> str:
    """Build the key of the leases on a name.

    Args:
        prefix: of all keys.
        name: of the lease.
    """
    return f"{prefix}umbel:lease:{name}"


def turn(prefix: str, name: str) -> str:
    """Build the key of the next turn at a name.

    Args:
        prefix: of all keys.
        name: of the turn.
    """
    return f"{prefix}umbel:turn:{name}"
