"""`Book`: the entries as a leading scheduler knows them, and when each is to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from umbel.beat.agenda import Agenda
from umbel.beat.entries import model
from umbel.beat.entries.documents import IN_CODE
from umbel.beat.entries.model import Entry, Spec
from umbel.beat.planning import spread
from umbel.beat.stores.base import Changes
from umbel.schedules.base import is_asked


class Book:
    """Entries by name, in step with a store up to a revision."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.agenda: Agenda = Agenda()
        #: Of the store, up to which the entries are known.
        self.revision: int = 0
        self._code: Mapping[str, Spec | str] = {}

    def open(self, code: Mapping[str, Spec | str]) -> None:
        """Begin anew.

        Args:
            code: the specs that the code has, by name.
        """
        self.entries, self.revision, self._code = {}, 0, code
        self.agenda.clear()

    def take(self, changes: Changes, now: float) -> list[str]:
        """Take over what was changed in the store; returns the names of the entries that changed.

        Args:
            changes: since the revision that was known.
            now: seconds since the epoch.
        """
        for entry in changes.entries:
            known = self.entries.get(entry.name)
            # What was fired while the store was away is not there yet.
            after = entry.after if known is None else max(entry.after, known.after)
            self.put(self._completed(replace(entry, after=after)), now)
        self.revision = changes.revision
        return [entry.name for entry in changes.entries]

    def put(self, entry: Entry, now: float) -> None:
        """Keep an entry as it is now, and look at it when it is due next.

        Args:
            entry: to be kept.
            now: seconds since the epoch.
        """
        self.entries[entry.name] = entry
        self.agenda.put(entry.name, _first_look(entry, now) if entry.is_active else None)

    def look_again(self, now: float) -> None:
        """Find out anew when each entry is to be looked at: the clock was set.

        Args:
            now: seconds since the epoch.
        """
        for entry in self.entries.values():
            if entry.is_active:
                self.agenda.put(entry.name, _first_look(entry, now))

    def _completed(self, entry: Entry) -> Entry:
        """Give an entry of the code what JSON cannot hold of it."""
        if entry.spec is not None or not entry.document.get(IN_CODE):
            return entry
        spec = self._code.get(entry.name)
        if isinstance(spec, Spec):
            return replace(entry, spec=spec)
        reason = "its schedule or arguments are in the code of another program"
        return replace(entry, reason=reason) if entry.status == model.ACTIVE else entry

    def listed(self) -> Iterable[Entry]:
        """Return the entries that there are, without those that were removed."""
        return (entry for entry in self.entries.values() if entry.status != model.REMOVED)


def _first_look(entry: Entry, now: float) -> float | None:
    spec = entry.spec
    assert spec is not None
    if is_asked(spec.schedule):
        return now
    slot = spec.schedule.next_after(entry.after, entry.anchor)
    if slot is None:
        return None
    wait = spec.schedule.longest_wait
    if wait is not None and slot - now > wait:
        return now  # the clock was set back, perhaps: a plan decides
    return slot + spread(entry, slot)
