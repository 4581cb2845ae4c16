"""`WorkflowReader`: reads a workflow from a result store, a level with each look, and reads again only what has not ended."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from umbel import states
from umbel.errors import ImproperlyConfigured, TimeoutError
from umbel.results.base import ResultStore
from umbel.results.meta import absent_state
from umbel.results.workflow.links import Entry, Links, steps_of
from umbel.results.workflow.model import Workflow
from umbel.results.workflow.standing import workflow_of

#: Ids that one round trip asks for.
_MANY: Final = 1000
#: Levels and nodes that are read at most, unless the caller says otherwise. A worker takes chains of 20,000 steps at most.
DEPTH, NODES = 1_000, 20_000
#: The key of what is kept of a workflow; a group's tree is a list.
_KEPT: Final = "workflow"


class WorkflowReader:
    """Reads one workflow, as often as it is asked to.

    Args:
        result: the handle of a task or of a group in it.
        store: where the records are; ``None`` where the handle has them all.
        records_sent: the app keeps a record of everything it sends (``task_store_queued``).
        depth: how often children and senders are followed: each is one look at the store for each thousand of them.
        nodes: tasks and groups that are kept.

    Raises:
        ValueError: ``depth`` or ``nodes`` is less than 1, or what was kept of the workflow cannot be understood.
    """

    def __init__(
        self, result: Any, store: ResultStore | None, *, records_sent: bool = False, depth: int | None = None, nodes: int | None = None
    ) -> None:
        self._store = store
        self._records_sent = records_sent
        self._depth = DEPTH if depth is None else depth
        most = NODES if nodes is None else nodes
        for name, value in (("depth", self._depth), ("nodes", most)):
            if value < 1:
                raise ValueError(f"a workflow is read with {name} of at least 1, not {value!r}")
        self._links = _links_of(result, store, most)
        named = self._links.entries.get(result.id)
        if named is not None and not hasattr(result, "results"):
            named.name = named.name or result.known_name

    def read(self) -> Workflow:
        """Look at all that had not ended the last time, and follow what is new.

        Raises:
            OperationalError: the store cannot be reached.
        """
        links = self._links
        wanted = [entry for entry in links.entries.values() if entry.members is None and not entry.has_ended and not entry.ignored]
        links.fresh.clear()
        rounds = 0
        while wanted and rounds < self._depth:
            self._look(wanted)
            links.climb()
            for entry in wanted:
                for child in (entry.record.children if entry.record is not None else None) or ():
                    links.add(child, entry.id)
            wanted = [entry for entry in links.fresh if entry.members is None and not entry.ignored]
            links.fresh.clear()
            rounds += 1
        return workflow_of(links, self._absent, self._cut(wanted))

    def wait(self, workflow: Workflow, seconds: float) -> None:
        """Wait until the first task that is waited for has ended, for so long at most.

        Args:
            workflow: as it was read the last time.
            seconds: at most.
        """
        waited_for = workflow.waited_for
        if waited_for and self._store is not None:
            with contextlib.suppress(TimeoutError):
                self._store.wait(waited_for[0].id, seconds)

    def _look(self, wanted: Sequence[Entry]) -> None:
        for first in range(0, len(wanted), _MANY):
            part = wanted[first : first + _MANY]
            missing = [entry.id for entry in part if not entry.has_ended]
            records = self._store.fetch(missing) if missing and self._store is not None else {}
            for entry in part:
                entry.is_read = True
                entry.record = records.get(entry.id) or entry.record

    def _absent(self, task_id: str) -> str:
        return states.PENDING if self._store is None else absent_state(task_id, self._store, records_sent=self._records_sent)

    def _cut(self, unread: Sequence[Entry]) -> str | None:
        if self._links.is_full:
            return f"it has more than {self._links.most:,} tasks and groups"
        return f"it has more than {self._depth:,} levels" if unread else None


def reader_of(result: Any, depth: int | None = None, nodes: int | None = None) -> WorkflowReader:
    """Make the reader of a handle's workflow.

    Args:
        result: the handle of a task or of a group.
        depth: levels at most, see `WorkflowReader`.
        nodes: tasks and groups at most.

    Raises:
        ImproperlyConfigured: there is no result store.
    """
    store: ResultStore | None = None
    try:
        store = result.backend
    except ImproperlyConfigured:
        if not all(leaf.is_known for leaf in (result.leaves() if hasattr(result, "results") else [result])):
            raise
    app = result.app
    records_sent = app is not None and bool(getattr(app.conf, "task_store_queued", False))
    return WorkflowReader(result, store, records_sent=records_sent, depth=depth, nodes=nodes)


def save(result: Any, store: ResultStore) -> None:
    """Keep how a result hangs together, under its id: what is before it, the members of groups, and the names of tasks.

    Args:
        result: the handle of a task.
        store: that has its record.

    Raises:
        ImproperlyConfigured: the store keeps no groups (rpc://).
    """
    if store.groups is None:
        raise ImproperlyConfigured(
            f"the result store {store.public_url()} cannot keep workflows: use redis://, sqlite:// or another shared store"
        )
    store.groups.save(result.id, {_KEPT: Links(result, NODES).to_rows()})


def _links_of(result: Any, store: ResultStore | None, most: int) -> Links:
    """Link the parts of a result: as its handle knows, or else as was kept (`save`, or `GroupResult.save`)."""
    if result.parent is not None or hasattr(result, "results") or store is None or store.groups is None:
        return Links(result, most)
    kept = store.groups.tree(result.id)
    if isinstance(kept, Mapping) and kept.get(_KEPT):
        return Links.from_rows(kept[_KEPT], most)
    return Links(kept if steps_of(kept) else result, most)
