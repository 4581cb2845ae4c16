"""Chords whose header is a generator that takes its time: members are sent while it is read, so that the first run before the last are made.

One that is quick is sent as a list would be, many at a time. The last member is sent when the store knows how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from umbel.canvas import shapes
from umbel.canvas.freezing import freeze, task_ids
from umbel.canvas.handles import Handle, handle_of
from umbel.canvas.planning import Lineage, PlannedCall, start
from umbel.runtime.clock import SYSTEM

#: Seconds of reading after which what has been read is sent.
_SLOW: Final = 0.1


def can_stream(app: Any) -> bool:
    """Report whether an app's result store counts members of a header whose size is not known yet.

    Args:
        app: whose.
    """
    naming = app.workflows.naming()
    groups = None if app.store is None else app.store.groups
    planned = naming.polled_every is not None or naming.chord_timeout is not None
    return not planned and not app.conf.task_always_eager and getattr(groups, "counts_before_opened", False)


def publish(app: Any, members: Iterator[Any], body: shapes.Shape, lineage: Lineage) -> Any:
    """Send a chord. What its generator raises is raised when members are under way already: these run, and the body does not.

    Args:
        app: whose.
        members: yields the header's signatures.
        body: of the chord.
        lineage: whom it comes from.

    Returns:
        Its result.

    Raises:
        OperationalError: the broker or the store cannot be reached.
        TypeError: a member takes other arguments.
    """
    workflows = app.workflows
    naming = replace(workflows.naming(), most_copied=0)
    group_id, body = naming.new_id(), freeze(body, naming)
    frozen: list[Any] = []
    others: dict[str, str] = {}
    waiting: list[PlannedCall] = []
    size, sent_at = 0, SYSTEM.monotonic()
    app.outbox.expect(tuple(task_ids(body)))
    for member in members:
        one = freeze(_chord([member], group_id, body), naming)
        calls, (own, *nested) = start(one, lineage=lineage, naming=naming, first=size)
        if (now := SYSTEM.monotonic()) - sent_at >= _SLOW:
            others.update(workflows.send(waiting))
            waiting, sent_at = [], now
        if nested:
            workflows.open_chords(nested, calls)
        size += own.size
        waiting += calls
        frozen += shapes.header(one)
    whole = _chord(frozen, group_id, body)
    header = Handle(group_id, None, None, tuple(frozen))
    app.store.groups.open(group_id, size, header.as_tuple() if header.holds_groups else None)
    others.update(workflows.send(waiting))
    handle = handle_of(whole)
    assert handle is not None
    found = workflows.result(handle, others)
    workflows.remember(found.as_tuple(), {})
    return found


def _chord(members: list[Any], group_id: str, body: shapes.Shape) -> shapes.Draft:
    return shapes.chord_of(shapes.group_of(members, {"task_id": group_id}), body, {"task_id": group_id})
