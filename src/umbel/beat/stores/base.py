"""The contract of a store of schedules. Every store passes the tests of `umbel.testing.schedule_stores`.

A store keeps four things: the entries, each with a revision that rises when it is changed; the lease (`umbel.beat.lease`); for each entry the last slot that
was claimed; and the runs. It decides nothing: what it does in one step is to compare and to write.

Blocking and thread-safe. It forgets its connections after a fork.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from umbel.beat.entries.model import Entry, Report, Run
from umbel.errors import ImproperlyConfigured

#: The version of what stores keep.
VERSION: Final = 1


class NewerVersion(ImproperlyConfigured):
    """An error: the store was written by a newer Umbel.

    Args:
        where: it is.
        version: of what is there.
    """

    def __init__(self, where: str, version: object) -> None:
        super().__init__(f"{where} has version {version} of schedules, this Umbel knows {VERSION}: upgrade Umbel")


@dataclass(frozen=True, slots=True)
class Changes:
    """Entries that were changed in a store."""

    #: That of the store, at the moment at which it was read.
    revision: int
    #: In no order; removed ones included.
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One slot that a scheduler wants for itself."""

    #: The entry's, and the revision of it that the scheduler knows.
    name: str
    revision: int
    slot: float
    #: What is recorded with it: one run for each worker that gets a message. None: the slot is left out in silence.
    runs: tuple[Run, ...]


class ScheduleStore(Protocol):
    """Keeps schedules."""

    #: Others may use it while this process cannot.
    shared: bool

    def namespace(self) -> str:
        """Return a text that no other store has; made when the store is first used.

        Raises:
            NewerVersion: a newer Umbel has written here.
            OperationalError: it cannot be reached, opened or read.
        """

    def revision(self) -> int:
        """Return the revision of the last change; 0 where there was none. As cheap as can be: it is asked every second."""

    def changes(self, since: int = 0) -> Changes:
        """Return the entries that were changed after a revision.

        Args:
            since: the revision; 0 returns all entries.
        """

    def entry(self, name: str) -> Entry | None:
        """Return one entry, also one that was removed; ``None`` where there is none.

        Args:
            name: of it.
        """

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        """Write entries, each only if its revision is still the one that it has here (0: it is not there yet). Returns for each whether it was.

        All but what runs change: those are ``last_fired``, ``last_id`` and ``total_runs``. ``after`` never goes back.

        Args:
            entries: with different names.
            rewind: ``after`` does go back, if it is earlier.
        """

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        """Claim slots, each if this holder has the lease, the entry is active and has this revision, and the slot is later than all claimed before.

        The entry's ``after`` becomes the slot, and the runs are recorded, in the same step. A claim that was granted to this holder, and whose answer was lost, is granted again.

        Args:
            token: of the holder.
            claims: several of one entry in the order of their slots.
        """

    def record(self, runs: Sequence[Run]) -> None:
        """Write runs that are not there yet; of those that are, nothing is changed.

        Args:
            runs: with different ids.
        """

    def report(self, reports: Sequence[Report]) -> None:
        """Change runs as `umbel.beat.entries.model.reported` says; those that are not there are passed over.

        Args:
            reports: several of one run in their order.
        """

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        """List runs, the latest first.

        Args:
            name: of one entry; of all when not given.
            limit: how many at most.
        """

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        """List runs that are not over, the earliest first.

        Args:
            since: seconds since the epoch: fired after this.
            limit: how many at most.
        """

    def trim(self, keep: int, before: float) -> int:
        """Drop the runs of each entry but the latest, those that are older, and entries that were removed before that and are in no code; returns how many runs.

        In small steps: claims go on in between.

        Args:
            keep: how many of each entry stay.
            before: seconds since the epoch.
        """

    def acquire(self, token: str, seconds: float) -> bool:
        """Take the lease or renew it; returns whether this holder has it.

        Args:
            token: of the holder; no two have the same.
            seconds: from now, by the store's clock, until it ends.
        """

    def release(self, token: str) -> None:
        """Give the lease back, if this holder has it.

        Args:
            token: of the holder.
        """

    def holder(self) -> str | None:
        """Return the token of the one who has the lease; ``None`` where nobody has."""

    def public_url(self) -> str:
        """Return where it is, without a password."""

    def close(self) -> None:
        """Disconnect. The store may be used again."""
