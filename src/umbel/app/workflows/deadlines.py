"""The end of a chord's patience: a task that is sent with the chord, and that fails its body if the header has not ended by then.

A member may be lost for good: its queue was purged, or its worker acknowledges early and died. Nobody counts it then, and nothing else would end the body.

Who may end the body is asked of the result store in the words that all have: the claim says that it is not being started now, and `begin_body` is an arbiter between this
task and a body that comes after all, because a member was late: that one is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from umbel import states
from umbel.canvas import kept_parts
from umbel.errors import ChordError
from umbel.results.group_store import CLAIM, ChordClaim

#: Members that the error names.
_NAMED: Final = 3


def fail_late(task: Any, group_id: str, body: Mapping[str, Any], after: float, result: Any = None) -> None:
    """Fail the body of a chord whose header has not ended.

    Args:
        task: that asks; what follows it is the body then.
        group_id: of the header.
        body: a signature, or what stands for one that is kept.
        after: seconds that the header had.
        result: the members' results, as tuples.

    Raises:
        ChordError: the header has not ended; names what is missing.
    """
    app = task.app
    groups = app.store.groups if app.store is not None else None
    token = f"deadline-{group_id}"
    if groups is None or not groups.extend(ChordClaim(group_id, token, (), None), CLAIM) or not groups.begin_body(group_id, token):
        return
    from umbel.app.workflows.unlocking import let_follow, members_of

    leaves = list(members_of(app, group_id, result).leaves())
    missing = [leaf.id for leaf in leaves if leaf.state not in states.READY_STATES]
    key = kept_parts.kept_key(body)
    let_follow(task.request, groups.tree(key) if key else body)
    named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
    raise ChordError(f"{len(missing)} of {len(leaves)} members of chord {group_id} have not ended within {after:g} s: {named}")
