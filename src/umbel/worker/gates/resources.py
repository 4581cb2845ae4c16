"""Resources of this worker: a task that asks for some runs when they are free, and others go past it.

Whoever waits first is served first: among tasks whose resources have to do with each other nobody is let past, so that one that needs much does not wait for ever behind
many that need little. Tasks of which no more than a few wait here leave the rest to other workers, which may have room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Later, Wait
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason

#: How the names of its lines begin.
_LINE: Final = "resources:"
#: Seconds after which what has passed is looked for: it may have left by a way of which nobody is told. And between two looks at a line.
_LOOK: Final = 0.5
#: Tasks that wait here; the others come back after so many seconds, here or elsewhere.
_MOST_WAITING: Final = 4
_BACK: Final = 1.0
#: Seconds after which a message comes back that this worker can never run: soon, for a worker that can may be idle. If there are many, one comes back every so many
#: seconds, so that they are no work, but none stays away longer than the third.
_NEVER_AT_LEAST: Final = 0.5
_NEVER_APART: Final = 0.1
_NEVER_AT_MOST: Final = 30.0
#: Sums of decimal fractions are not exact.
_EPSILON: Final = 1e-9


class Resources:
    """The gate of tasks with `resources`.

    Args:
        capacity: what this worker has, by name.
        is_here: whether a task that has passed is still in this worker.
        reopen: has the first of a line asked about again, at once.
    """

    concerns_all: bool = False
    ids: Collection[str] = NOBODY

    def __init__(self, capacity: Mapping[str, float], is_here: Callable[[ReservedTask], bool], reopen: Callable[[str], None]) -> None:
        self.capacity: dict[str, float] = dict(capacity)
        self._is_here = is_here
        self._reopen = reopen
        #: Tasks that have passed, and when; monotonic seconds.
        self._held: dict[ReservedTask, float] = {}
        #: The line of each resource; those that one task needs together have the same.
        self._lines: dict[str, str] = {}
        #: When the last of those comes back that this worker can never run; monotonic seconds.
        self._last_back = 0.0

    def __bool__(self) -> bool:
        return bool(self._held)

    def learn(self, policies: Iterable[TaskPolicy]) -> list[str]:
        """Learn which resources have to do with each other; returns the names of tasks that ask for more than there is.

        Args:
            policies: of all tasks.
        """
        beyond = []
        for policy in policies:
            names = [name for name, _ in policy.resources]
            lines = {self._lines.get(name, _LINE + name) for name in names}
            for name in {*names, *(known for known, line in self._lines.items() if line in lines)}:
                self._lines[name] = min(lines)
            if not self._is_possible(policy):
                beyond.append(policy.name)
        return beyond

    def free(self) -> dict[str, float]:
        """Return what is free now, by name."""
        left = dict(self.capacity)
        for task in self._held:
            for name, amount in task.policy.resources:
                left[name] -= amount
        return {name: max(0.0, round(amount, 9)) for name, amount in left.items()}

    # Gate

    def concerns(self, task: ReservedTask) -> bool:
        return bool(task.policy.resources)

    def ask(self, asked: Asked) -> Answer:
        policy = asked.task.policy
        if not policy.resources or not asked.is_due:
            return PASS
        if not self._is_possible(policy):
            return Later(self._never(asked.now))
        line = self._line_of(policy)
        ahead = asked.ahead(line)
        if not ahead:
            self._drop_gone(asked.now)
            if self._fits(policy):
                return PASS
        return Wait(line, WaitReason.RESOURCES) if ahead < _MOST_WAITING else Later(_BACK)

    def passed(self, asked: Asked) -> None:
        if asked.task.policy.resources:
            self._held[asked.task] = asked.now

    def started(self, task: ReservedTask, now: float) -> None:
        """It was held since it passed."""

    def opens_in(self, line: str, now: float) -> float | None:  # noqa: ARG002 - it is asked again and again
        return _LOOK if line.startswith(_LINE) else None

    # umbel.worker.slots.supervisor.Held

    def ended(self, ended: Iterable[tuple[ReservedTask, Outcome]]) -> None:
        """Free what was held for tasks that have ``ended``, and let those run that wait for it."""
        lines = {self._line_of(task.policy): None for task, _ in ended if self._held.pop(task, None) is not None}
        for line in lines:
            self._reopen(line)

    def _never(self, now: float) -> float:
        self._last_back = min(max(self._last_back + _NEVER_APART, now + _NEVER_AT_LEAST), now + _NEVER_AT_MOST)
        return self._last_back - now

    def _is_possible(self, policy: TaskPolicy) -> bool:
        return all(amount <= self.capacity.get(name, 0.0) + _EPSILON for name, amount in policy.resources)

    def _fits(self, policy: TaskPolicy) -> bool:
        free = self.free()
        return all(amount <= free[name] + _EPSILON for name, amount in policy.resources)

    def _line_of(self, policy: TaskPolicy) -> str:
        name = policy.resources[0][0]
        return self._lines.get(name, _LINE + name)

    def _drop_gone(self, now: float) -> None:
        gone = [task for task, since in self._held.items() if now - since >= _LOOK and not self._is_here(task)]
        for task in gone:
            del self._held[task]


def parse_resources(text: str) -> dict[str, float]:
    """Read resources as people write them.

    Args:
        text: ``gpu=1,vram_gb=24``.

    Raises:
        ValueError: it is no list of names and numbers.
    """
    found: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, amount = (each.strip() for each in part.partition("="))
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not equals or not name or not 0 <= found.get(name, -1.0) < float("inf"):
            raise ValueError(f"{part!r}: expected NAME=NUMBER, as in gpu=1,vram_gb=24")
    return found
