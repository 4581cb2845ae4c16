"""`Links`: tasks and groups and how they hang together, gathered from handles and from what records say of children and parents.

Each is placed once, under something that has its place: there are no circles, whatever records say (a task that was retried is its own child). Only
what has been found above may move, from under the task that sent it into the group or behind the step that its record names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from umbel.results.meta import is_terminal
from umbel.results.model import Record


class Step(NamedTuple):
    """One result in a row of those that follow one another.

    Args:
        id: the task's or the group's.
        members: of a group: handles, or result tuples.
        name: of the task, where the handle knows it.
        ignored: the task keeps no result.
        record: its terminal record, where the handle has it.
    """

    id: str
    members: Sequence[Any] | None = None
    name: str | None = None
    ignored: bool = False
    record: Record | None = None


def steps_of(result: Any) -> list[Step]:
    """List a result and those before it, the first one first; empty for what is no result.

    Args:
        result: a handle of a task or a group, or the form of one in records: ``((id, parent), members)``, or an id.
    """
    found: list[Step] = []
    node = result
    while node:
        if isinstance(node, str):
            found.append(Step(node))
            break
        if isinstance(node, (list, tuple)):
            if len(node) != 2:
                break
            head, members = node
            task_id, node = head if isinstance(head, (list, tuple)) and len(head) == 2 else (head, None)
            found.append(Step(str(task_id), members if isinstance(members, (list, tuple)) else None))
        elif hasattr(node, "results"):
            found.append(Step(node.id, node.results))
            node = node.parent
        elif hasattr(node, "known_record"):
            found.append(Step(node.id, None, node.known_name, node.ignored, node.known_record))
            node = node.parent
        else:
            break
    return found[::-1]


@dataclass(slots=True)
class Entry:
    """One task or group, as far as it is known."""

    id: str
    name: str | None = None
    ignored: bool = False
    record: Record | None = None
    #: It has been looked up in the store.
    is_read: bool = False
    #: Of a group.
    members: list[str] | None = None
    parent: str | None = None
    follows: bool = False
    #: It hangs under its sender only because nothing better is known yet.
    is_loose: bool = False
    children: dict[str, None] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """It is a task whose record does not change any more."""
        return self.record is not None and is_terminal(self.record)


class Links:
    """Entries by id, and the one that all hang under.

    Args:
        first: handles or tuples of what is looked at: see `steps_of`.
        most: entries that are kept.
    """

    def __init__(self, first: Any, most: int) -> None:
        self.entries: dict[str, Entry] = {}
        self.most = most
        #: There are more.
        self.is_full: bool = False
        #: Entries that were added since somebody last looked, and took them.
        self.fresh: list[Entry] = []
        self.top: str = steps_of(first)[0].id
        self.add(first, None)

    def to_rows(self) -> list[list[Any]]:
        """Render what can be kept: ``[id, name, ignored, number of the row above, follows, members]`` for each, below what it hangs under."""
        number = {id: place for place, id in enumerate(self.entries)}
        return [
            [entry.id, entry.name, entry.ignored, number.get(entry.parent or "", -1), entry.follows, entry.members]
            for entry in self.entries.values()
        ]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Any]], most: int) -> Links:
        """Build what `to_rows` rendered.

        Args:
            rows: one at least.
            most: entries that are kept.

        Raises:
            ValueError: these are none.
        """
        try:
            links = cls(rows[0][0], most)
            entries: list[Entry] = []
            for place, (id, name, ignored, above, follows, members) in enumerate(rows[:most]):
                entry = links.entries[id] if place == 0 else Entry(id)
                entry.name, entry.ignored, entry.follows, entry.members = name, ignored, follows, members
                if place > 0:
                    if not 0 <= above < place:
                        raise ValueError(f"row {place} is not below what it hangs under")
                    entry.parent = entries[above].id
                    entries[above].children[id] = None
                    links.entries[id] = entry
                entries.append(entry)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"what was kept of a workflow cannot be understood: {error}") from error
        links.is_full = len(rows) > most
        return links

    def add(self, result: Any, sender: str | None) -> None:
        """Place a result, those before it, and the members of groups among them.

        Args:
            result: see `steps_of`.
            sender: id of the task that sent it; ``None`` for what is looked at.
        """
        rows: deque[tuple[Any, str | None]] = deque([(result, sender)])
        while rows:
            row, under = rows.popleft()
            for place, step in enumerate(steps_of(row)):
                entry = self._entry(step, under, follows=place > 0)
                if entry is None:
                    break
                under = entry.id
                if step.members is not None and entry.members is None:
                    entry.members = []
                    for member in _flat(step.members):
                        row_of_member = steps_of(member)
                        if row_of_member:
                            entry.members.append(row_of_member[-1].id)
                            rows.append((member, entry.id))

    def climb(self) -> None:
        """Put what sent the top above it, if a record names it."""
        top = self.entries[self.top]
        records = [top.record] if top.members is None else [self.entries[child].record for child in top.children]
        sender = next((record.parent_id for record in records if record is not None and record.parent_id), None)
        if sender is None or sender in self.entries:
            return
        if len(self.entries) >= self.most:
            self.is_full = True
            return
        self.entries[sender] = Entry(sender, children={top.id: None})
        self.fresh.append(self.entries[sender])
        top.parent, top.is_loose, self.top = sender, True, sender

    def _entry(self, step: Step, under: str | None, *, follows: bool) -> Entry | None:
        entry = self.entries.get(step.id)
        if entry is None:
            if len(self.entries) >= self.most:
                self.is_full = True
                return None
            entry = self.entries[step.id] = Entry(step.id)
            self.fresh.append(entry)
            self._place(entry, under, follows=follows)
        elif entry.is_loose and under is not None and not self._is_below(under, entry.id):
            self._place(entry, under, follows=follows)
        elif follows and entry.parent == under:  # its sender's record did not tell that it is the next step
            entry.follows = True
        entry.name = entry.name or step.name
        entry.ignored = entry.ignored or step.ignored
        entry.record = entry.record or step.record
        return entry

    def _place(self, entry: Entry, under: str | None, *, follows: bool) -> None:
        if entry.parent is not None:
            del self.entries[entry.parent].children[entry.id]
        entry.is_loose, entry.follows, entry.parent = False, follows, under
        if under is not None:
            self.entries[under].children[entry.id] = None

    def _is_below(self, id: str, above: str) -> bool:
        node: str | None = id
        while node is not None and node != above:
            node = self.entries[node].parent
        return node is not None


def _flat(members: Iterable[Any]) -> Iterable[Any]:
    """Members, those of sets without an id in their places."""
    left = list(members)[::-1]
    while left:
        member = left.pop()
        if hasattr(member, "results") and not hasattr(member, "id"):
            left += list(member.results)[::-1]
        else:
            yield member
