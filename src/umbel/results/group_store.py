"""The contract of what a result store keeps of groups. Every store that keeps them passes ``tests/contracts/group_contract.py``.

A group may be *saved*: the tree of its results, to be restored by its id.

A chord is *opened* with its size before its members are published. Whoever ran a member *counts* it, once the member's own record is stored. A member counts
once, however often it is delivered. The one that makes the header complete gets a *claim*: its holder publishes the body, or fails it, and *closes* the
chord. A claim whose holder dies ends by itself, and the redelivery of that member's message gets it; nobody else has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

#: Seconds that a claim is held unless it is extended, and for which a closed chord is remembered, so that late duplicates do not open it anew.
CLAIM, CLOSED = 6.0, 300.0


#: Header of a body's message: the claim under which it was sent (`ChordClaim.mark`).
CHORD_CLAIM: Final = "x-umbel-chord-claim"


class ChordPart(NamedTuple):
    """The end of one member of a header."""

    group_id: str
    task_id: str
    #: Its place in the header; ``None`` where the sender gave it none: after the others.
    place: int | None
    #: A state in which a task ends.
    status: str
    #: The return value, or a rendered exception (`umbel.wire.failures`).
    result: Any


class ChordClaim(NamedTuple):
    """The right to start a chord's body, or to fail it."""

    group_id: str
    token: str
    #: All members, in the order of the header.
    parts: tuple[ChordPart, ...]
    #: The tree of results that was saved of the header (`GroupResult.as_tuple`); ``None`` where none was.
    header: Any

    @property
    def mark(self) -> str:
        """Name the claim in a message: the header's id, and the token."""
        return f"{self.group_id} {self.token}"


class ClaimedElsewhere(NamedTuple):
    """The header is complete and somebody else has the claim. Ask again later: that one may have died."""

    #: Until the claim ends, unless its holder extends it.
    seconds: float


class GroupStore(Protocol):
    """Keeps the trees of groups and counts the members of chords. Blocking and thread-safe, like the store that it belongs to."""

    def save(self, group_id: str, tree: Any) -> None:
        """Keep the tree of a group's results as long as results are kept.

        Args:
            group_id: of the group.
            tree: `GroupResult.as_tuple`.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def tree(self, group_id: str) -> Any:
        """Read the tree that was saved of a group; ``None`` when there is none.

        Args:
            group_id: of the group.
        """

    def forget(self, group_id: str) -> None:
        """Drop the tree of a group.

        Args:
            group_id: of the group.
        """

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        """Begin to count a chord, before its members are published. A chord that was closed may be opened again.

        Args:
            group_id: of the header.
            size: its members.
            header: the tree of its results, where it holds groups, so that the body gets them in that form; saved as `save` does.
            anew: what `begin_body` knows of it is of an earlier run, and forgotten. Not so when whoever opens it may have done so before, and died.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def grow(self, group_id: str, task_id: str) -> None:
        """Expect one more member (`Task.add_to_chord`), once however often it is told: whoever adds it may be delivered again.

        Args:
            group_id: of the header.
            task_id: of the member.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def count(self, parts: Sequence[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        """Count members that have ended, in one round trip.

        Args:
            parts: of any chords.

        Returns:
            For each: a claim when the header is complete and this caller is to go on with it; `ClaimedElsewhere`; ``None`` when others are missing, or the
            chord has been closed.

        Raises:
            EncodeError: a result cannot be written; names the task.
            OperationalError: the store cannot be reached after its retries.
        """

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        """Hold a claim longer, before work that may take its time.

        Args:
            claim: got by `count`.
            seconds: from now.

        Returns:
            Whether it is still this caller's; the body must not be started otherwise.
        """

    def begin_body(self, group_id: str, token: str) -> bool:
        """Report whether a task of a chord's body is to run, which is about to.

        A body was sent twice when whoever sent it died before it could close the chord. The message that comes first runs, however often it is delivered; one
        that was sent under another claim does not.

        Args:
            group_id: of the chord's header.
            token: of the claim under which this message was sent (`CHORD_CLAIM`).

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def close(self, claim: ChordClaim) -> bool:
        """Forget a chord whose body has been published, or failed.

        Args:
            claim: got by `count`.

        Returns:
            Whether the claim was still this caller's.
        """
