"""The state of a workflow: states of its tasks, times, and what is waited for, concluded from entries and their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from umbel import states
from umbel.messages import ids
from umbel.results.model import Record
from umbel.results.progress import progress_of
from umbel.results.workflow.links import Entry, Links
from umbel.results.workflow.model import SETTLED, Workflow, WorkflowNode

#: Ids that were made within so many seconds were made together: the later task is the next step of a chain, which began when the former ended.
_TOGETHER: Final = 0.005
#: Characters of an error.
_LONGEST: Final = 200


def workflow_of(links: Links, absent: Callable[[str], str], cut: str | None = None) -> Workflow:
    """Draw the conclusions.

    Args:
        links: entries with their records.
        absent: the state of a task without a record, by its id.
        cut: what was left out and why.
    """
    standing = _Standing(links, absent)
    standing.conclude()
    return Workflow(nodes=tuple(standing.node(entry) for entry in standing.order), cut=cut)


@dataclass(slots=True)
class _Standing:
    links: Links
    absent: Callable[[str], str]
    #: Each before what hangs under it.
    order: list[Entry] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    #: It, or something below it, has a record.
    ran: set[str] = field(default_factory=set)
    #: It has ended without leaving a record: what follows it, or its group, has run.
    over: set[str] = field(default_factory=set)
    #: It is over because its group is.
    over_as_member: set[str] = field(default_factory=set)
    #: Something before it failed.
    blocked: set[str] = field(default_factory=set)
    #: It may still run.
    open: set[str] = field(default_factory=set)
    #: It waits for something before it.
    later: set[str] = field(default_factory=set)

    def conclude(self) -> None:
        """Fill the sets: each pass goes up or down the tree once."""
        self.order = _preorder(self.links)
        for entry in self.order:
            if entry.members is None:
                self.state[entry.id] = self._state_of_task(entry)
        for entry in reversed(self.order):
            self._look_below(entry)
        for entry in self.order:
            self._look_ahead(entry)
            if self._is_blocked(entry):
                self.blocked.add(entry.id)
        for entry in reversed(self.order):
            if self._is_open(entry):
                self.open.add(entry.id)
        for entry in self.order:
            if entry.id in self.open and entry.parent is not None:
                waits = entry.parent in self.later or (entry.follows and entry.parent in self.open)
                if waits:
                    self.later.add(entry.id)

    def _state_of_task(self, entry: Entry) -> str:
        if entry.record is not None:
            return entry.record.status
        if entry.ignored:
            return states.IGNORED
        above = self.links.entries[entry.parent] if entry.parent is not None else None
        if above is not None and not above.has_ended:
            return states.PENDING  # the time in its id says nothing: it has not been sent
        found = self.absent(entry.id)
        return states.PENDING if found == states.UNKNOWN and above is not None else found

    def _look_below(self, entry: Entry) -> None:
        if entry.members is not None:
            found = [self.state.get(member, states.PENDING) for member in entry.members]
            # a step that failed before the last one of its row has ended the row
            found += [
                state for head in self._heads(entry) for step in self._row(head) if (state := self.state[step]) in states.PROPAGATE_STATES
            ]
            self.state[entry.id] = _state_of_group(found)
        if entry.record is not None or any(child in self.ran for child in entry.children):
            self.ran.add(entry.id)

    def _look_ahead(self, entry: Entry) -> None:
        above = self.links.entries[entry.parent] if entry.parent is not None else None
        if above is not None:
            is_member = above.members is not None and not entry.follows and above.id in self.over
            if is_member or (entry.follows and above.id in self.over_as_member):
                self.over_as_member.add(entry.id)
                self.over.add(entry.id)
        after = [child for child in entry.children if self.links.entries[child].follows and child in self.ran]
        # the body of a chord is failed as soon as one member has failed, while others run
        if any(entry.members is None or self.state[child] not in states.PROPAGATE_STATES for child in after):
            self.over.add(entry.id)

    def _heads(self, group: Entry) -> Iterator[str]:
        """The first steps of a group's members."""
        return (child for child in group.children if child in self.state and not self.links.entries[child].follows)

    def _row(self, head: str) -> Iterator[str]:
        """A step and those that follow it."""
        entries, node = self.links.entries, head
        while node:
            yield node
            node = next((child for child in entries[node].children if entries[child].follows and child in self.state), "")

    def _is_blocked(self, entry: Entry) -> bool:
        if entry.parent is None or entry.id in self.ran:
            return False
        return entry.parent in self.blocked or (entry.follows and self.state[entry.parent] in states.PROPAGATE_STATES)

    def _is_open(self, entry: Entry) -> bool:
        if entry.members is not None:
            return any(step in self.open for head in self._heads(entry) for step in self._row(head))
        if entry.id in self.blocked or self.state[entry.id] in SETTLED:
            return False
        return entry.record is not None or entry.id not in self.over

    def node(self, entry: Entry) -> WorkflowNode:
        """The node of an entry."""
        record = entry.record
        ended = _time(record.date_done) if record is not None else self._end_of_group(entry)
        is_open = entry.id in self.open
        return WorkflowNode(
            id=entry.id,
            is_group=entry.members is not None,
            name=_name(entry),
            state=self.state[entry.id],
            parent_id=entry.parent if entry.parent in self.state else None,
            follows=entry.follows,
            children=tuple(child for child in _ordered(self.links, entry) if child in self.state),
            members=tuple(entry.members or ()),
            date_done=ended,
            seconds=self._seconds(entry, ended) if entry.has_ended else None,
            error=_error(record),
            progress=progress_of(record),
            is_open=is_open,
            is_waited_for=is_open and entry.id not in self.later,
        )

    def _end_of_group(self, entry: Entry) -> datetime | None:
        """Find when the last member ended, where all have."""
        if not entry.members or entry.id in self.open:
            return None
        entries = self.links.entries
        found = [entries[member].record for member in entry.members if member in entries]
        times = [_time(record.date_done) for record in found if record is not None]
        known = [time for time in times if time is not None]
        return max(known) if known and len(known) == len(entry.members) else None

    def _seconds(self, entry: Entry, ended: datetime | None) -> float | None:
        if ended is None:
            return None
        own = ids.begins_at(entry.id)
        if entry.parent is None:
            return None if own is None else max(0.0, ended.timestamp() - own)
        above = self.links.entries[entry.parent]
        sender = ids.begins_at(above.id)
        began = own
        if entry.follows or (above.members is None and own is not None and sender is not None and own - sender < _TOGETHER):
            before = _time(above.record.date_done) if above.record is not None else self._end_of_group(above)
            began = None if before is None else max(before.timestamp(), own or 0.0)
        return None if began is None else max(0.0, ended.timestamp() - began)


def _preorder(links: Links) -> list[Entry]:
    """Entries, each before what hangs under it; without what was not looked up because there are too many levels."""
    found: list[Entry] = []
    top = links.entries[links.top]
    if top.members is None and not top.is_read and not top.has_ended and top.children:
        top = links.entries[next(iter(top.children))]
    left = [top.id]
    while left:
        entry = links.entries[left.pop()]
        if entry.members is not None or entry.is_read or entry.has_ended or entry.ignored or entry is top:
            found.append(entry)
            left.extend(reversed(_ordered(links, entry)))
    return found


def _ordered(links: Links, entry: Entry) -> list[str]:
    """The ids of what hangs under an entry, what follows it last."""
    return sorted(entry.children, key=lambda child: links.entries[child].follows)


def _state_of_group(members: Iterable[str]) -> str:
    found = set(members)
    if found & states.PROPAGATE_STATES:
        return states.FAILURE
    if found <= {states.SUCCESS, states.IGNORED}:
        return states.SUCCESS
    return states.PENDING if found <= {states.PENDING, states.UNKNOWN, states.EXPIRED} else states.STARTED


def _name(entry: Entry) -> str | None:
    stored = entry.record.extended.get("name") if entry.record is not None else None
    return stored if isinstance(stored, str) and stored else entry.name


def _time(text: object) -> datetime | None:
    try:
        return text if isinstance(text, datetime) else datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def _error(record: Record | None) -> str | None:
    """The exception of a failure in one line."""
    if record is None or record.status not in states.EXCEPTION_STATES or not isinstance(record.result, Mapping):
        return None
    kind, said = record.result.get("exc_type"), record.result.get("exc_message")
    words = " ".join(str(part) for part in said) if isinstance(said, (list, tuple)) else str(said or "")
    text = f"{kind}: {words}" if words else str(kind)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
