"""The keys of values: Celery's for records and trees (5.7, ``KeyValueStoreBackend``), our own for chords and revocations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_RECORD, _TREE, _CHORD = "celery-task-meta-", "celery-taskset-meta-", "umbel-chord-"


@dataclass(frozen=True, slots=True)
class Names:
    """The keys of one store.

    Args:
        prefix: in front of all (``global_keyprefix``).
    """

    prefix: str = ""

    def record(self, task_id: str) -> str:
        """The key of a task's record."""
        return f"{self.prefix}{_RECORD}{task_id}"

    def tree(self, group_id: str) -> str:
        """The key of the tree of a group's results."""
        return f"{self.prefix}{_TREE}{group_id}"

    def chord(self, group_id: str) -> str:
        """The key of what is counted of a chord."""
        return f"{self.prefix}{_CHORD}{group_id}"

    def part(self, group_id: str, member: str) -> str:
        """The key of the end of a member, whose name is made by `member_name`."""
        return f"{self.prefix}{_CHORD}{group_id}.{member}"

    def body(self, group_id: str) -> str:
        """The key of the token of the body that runs."""
        return f"{self.prefix}{_CHORD}{group_id}.body"

    @property
    def revoked(self) -> str:
        """The key of the list of revoked tasks."""
        return f"{self.prefix}umbel-revoked"

    @property
    def records(self) -> str:
        """The beginning of the keys of records."""
        return f"{self.prefix}{_RECORD}"

    @property
    def trees(self) -> str:
        """The beginning of the keys of trees."""
        return f"{self.prefix}{_TREE}"

    @property
    def chords(self) -> str:
        """The beginning of the keys of chords."""
        return f"{self.prefix}{_CHORD}"


def member_name(task_id: str, place: int | None) -> str:
    """Name a member of a chord, briefly: a chord may have thousands.

    Args:
        task_id: of the member.
        place: in the header; ``None`` where it has none.
    """
    return hashlib.blake2b(f"{place} {task_id}".encode(errors="surrogatepass"), digest_size=12).hexdigest()
