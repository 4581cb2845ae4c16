"""`Gate`: asked about an admitted message before it runs, and told when it starts. Pure: the caller has the clock and does what is answered.

============ ==================================================================
`Pass`       it may run, as far as this gate is concerned
`Wait`       it waits here, in a line, and the first of the line is asked again
`Later`      it waits in the broker's delayed store, and is asked when it comes back
`Revoke`     it must not run: REVOKED, and acknowledged
============ ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason


@dataclass(frozen=True, slots=True)
class Pass:
    """It may run."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait here, behind those that wait for the same.

    Args:
        line: what it waits for; each gate has names of its own.
        reason: the kind of wait.
        together: how many of the line are asked about again at a time.
    """

    line: str
    reason: WaitReason
    together: int = 1


@dataclass(frozen=True, slots=True)
class Later:
    """Wait in the broker's delayed store, where it takes no room here.

    Args:
        seconds: from now.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Revoke:
    """Do not run it.

    Args:
        why: what its result says.
    """

    why: str = "revoked"


Answer = Pass | Wait | Later | Revoke
PASS, REVOKE = Pass(), Revoke()

#: The `Gate.ids` of a gate that knows none.
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One message at the gates.

    Args:
        task: nothing of it has happened yet.
        now: monotonic seconds.
        is_due: it would run now; else its time has yet to come, and it is asked about again then.
        ahead: how many wait in a line.
        near: seconds; what waits for longer than that waits in the broker.
        has_waited: it comes from a line.
    """

    task: ReservedTask
    now: float
    is_due: bool = True
    ahead: Callable[[str], int]
    near: float
    has_waited: bool = False


class Gate(Protocol):
    """One reason for which a message may not run now."""

    #: Whether it has something to say on any message, just now. Else it is asked only about tasks that it `concerns`.
    concerns_all: bool
    #: Ids of the tasks on which it has something to say besides. One gate may have such.
    ids: Collection[str]

    def concerns(self, task: ReservedTask) -> bool:
        """Report whether it has something to say on this message, and is told when it starts. Its task is not `TaskPolicy.is_plain`, or it has `KEYS`."""

    def ask(self, asked: Asked) -> Answer:
        """Decide on one message. It does not pass before all gates have said so; see `passed`."""

    def passed(self, asked: Asked) -> None:
        """It has passed all gates and is ready: what it may hold is held for it from now on."""

    def started(self, task: ReservedTask, now: float) -> None:
        """It starts now, in a slot; ``now`` is monotonic seconds."""

    def opens_in(self, line: str, now: float) -> float | None:
        """Seconds until the first of a line is to be asked again; ``None`` when the line is another gate's."""


class Gates:
    """All gates of a worker, as one.

    Args:
        gates: in the order in which they are asked; the first that lets a message not pass decides.
    """

    def __init__(self, *gates: Gate) -> None:
        self.gates = gates
        #: Whether every message must be asked about, just now. Kept, because it is looked at for each batch of deliveries; see `update`.
        self.concern_all: bool = False
        #: Ids of tasks about which must be asked, looked at for each message; the same object for ever.
        self.ids: Collection[str] = next((gate.ids for gate in gates if gate.ids is not NOBODY), NOBODY)
        self.update()

    def update(self) -> None:
        """Look whether a gate concerns all messages now. To be called by whoever has told a gate something."""
        self.concern_all = any(gate.concerns_all for gate in self.gates)

    def are_told(self, task: ReservedTask) -> bool:
        """Report whether a gate must be told when a message starts."""
        return any(gate.concerns(task) for gate in self.gates)

    def concern(self, task_id: str) -> bool:
        """Report whether this task must be asked about, whatever its policy."""
        return self.concern_all or task_id in self.ids

    def ask(self, asked: Asked) -> Answer:
        """Decide on one message; where it is due and passes, the gates hold what it needs."""
        task = asked.task
        concerned = [gate for gate in self.gates if gate.concerns_all or task.id in gate.ids or gate.concerns(task)]
        answer = next((answer for gate in concerned if (answer := gate.ask(asked)) is not PASS), PASS)
        if answer is PASS and asked.is_due:
            for gate in concerned:
                gate.passed(asked)
        if self.concern_all:
            self.update()  # it may have forgotten its last id
        return answer

    def started(self, task: ReservedTask, now: float) -> None:
        """It starts now."""
        for gate in self.gates:
            if gate.concerns(task):
                gate.started(task, now)

    def opens_in(self, line: str, now: float) -> float:
        """Seconds until the first of a line is to be asked again."""
        found = (gate.opens_in(line, now) for gate in self.gates)
        return next((seconds for seconds in found if seconds is not None), 0.0)
