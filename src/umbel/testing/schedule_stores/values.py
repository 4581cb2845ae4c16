"""Entries and runs for the tests of the contract."""

from __future__ import annotations

from typing import Any

from umbel.beat.entries.documents import document_of
from umbel.beat.entries.model import Entry, Run, Spec
from umbel.beat.stores.base import Claim
from umbel.schedules import schedule

#: A moment with all the digits that a float may have: none may be lost.
NOW = 1_893_456_000.123456


def entry(name: str, **changes: Any) -> Entry:
    """Make an entry.

    Args:
        name: of it.
        **changes: fields in place of the usual ones.
    """
    spec = Spec(task="tasks.add", schedule=schedule(30), args=(1, "é"), kwargs={"x": None})
    given: dict[str, Any] = {"spec": spec, "document": document_of(spec), "anchor": NOW, "after": NOW, "code": "abc", **changes}
    return Entry(name=name, **given)


def run(task_id: str, name: str = "one", slot: float = NOW + 30, **changes: Any) -> Run:
    """Make a run.

    Args:
        task_id: of it.
        name: of its entry.
        slot: seconds since the epoch.
        **changes: fields in place of the usual ones.
    """
    return Run(**{"task_id": task_id, "entry": name, "slot": slot, "fired": slot + 0.25, "holder": "a", **changes})


def claim(entry: Entry, slot: float, *runs: Run) -> Claim:
    """Make a claim.

    Args:
        entry: as the claimer knows it.
        slot: seconds since the epoch.
        *runs: one when none are given.
    """
    return Claim(entry.name, entry.revision, slot, runs or (run(f"{entry.name}-{slot}", entry.name, slot),))
