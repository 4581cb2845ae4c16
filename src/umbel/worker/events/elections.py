"""Elections among workers: each that is asked to hold one stands in it, all acknowledge who stands, and the one with the lowest clock has won.

As Celery's workers hold them (5.7), so that both elect the same one. Pure: what it returns is to be sent or done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

#: Elections that are open at a time; the oldest gives way.
MOST_OPEN: Final = 100
#: Workers in one.
MOST_WORKERS: Final = 10_000


class Won(NamedTuple):
    """An election that has ended."""

    #: ``hostname.pid``.
    leader: str
    topic: str
    #: As this worker was told, which is to do it if it is the leader.
    action: Any


@dataclass(slots=True)
class _Election:
    #: Clock, id and topic of each that stands.
    candidates: set[tuple[int, str, str]] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    #: This worker was asked to hold it, for this.
    is_ours: bool = False
    action: Any = None


class Elections:
    """The elections that one worker knows of."""

    def __init__(self) -> None:
        self._open: dict[str, _Election] = {}

    def hold(self, id: str, action: Any) -> None:
        """Begin one that this worker was asked to hold.

        Args:
            id: of the election.
            action: for the one that wins.
        """
        election = self._find(id)
        election.is_ours, election.action = True, action

    def stands(self, event: Mapping[str, Any]) -> str | None:
        """Learn of a worker that stands; returns the election's id, to be acknowledged.

        Args:
            event: of type ``worker-elect``, with a name and a clock.
        """
        id, topic, clock = event.get("id"), event.get("topic"), event.get("clock")
        if type(id) is not str or type(topic) is not str or type(clock) is not int:
            return None
        election = self._find(id)
        if len(election.candidates) < MOST_WORKERS:
            election.candidates.add((clock, f"{event.get('hostname')}.{event.get('pid')}", topic))
        return id

    def acknowledged(self, event: Mapping[str, Any], alive: Collection[str]) -> Won | None:
        """Learn of an acknowledgement; returns how the election has ended, if it has.

        Args:
            event: of type ``worker-elect-ack``, with a name.
            alive: names of all workers, this one among them.
        """
        election = self._open.get(str(event.get("id")))
        if election is None or not election.is_ours or len(election.acknowledged) > MOST_WORKERS:
            return None
        election.acknowledged.add(event["hostname"])
        if not election.candidates or not election.acknowledged >= set(alive):
            return None
        del self._open[event["id"]]
        _, leader, topic = min(election.candidates)
        return Won(leader, topic, election.action)

    def _find(self, id: str) -> _Election:
        election = self._open.get(id)
        if election is None:
            election = self._open[id] = _Election()
            while len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        return election
