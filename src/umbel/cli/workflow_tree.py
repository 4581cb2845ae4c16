"""A workflow as lines: what follows one another stands below one another, what runs side by side is set in behind dots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel import states
from umbel.cli.output import ago, clip, count, width
from umbel.results.workflow import Workflow, WorkflowNode
from umbel.runtime.logs import escape

#: More members, or steps in the same state, than this are summarised, …
_FEW: Final = 8
#: … of which so many that failed are shown.
_FAILED: Final = 5
#: Names of tasks that are waited for.
_NAMED: Final = 3
#: Columns below which names are not cut.
_LEAST: Final = 16

_STYLES: Final[dict[str, dict[str, Any]]] = {
    states.SUCCESS: {"fg": "green"},
    states.FAILURE: {"fg": "red"},
    states.REVOKED: {"fg": "red"},
    states.EXPIRED: {"fg": "red"},
    states.UNKNOWN: {"fg": "red"},
    states.RETRY: {"fg": "yellow"},
    states.PENDING: {"dim": True},
    states.IGNORED: {"dim": True},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Args:
        text: what it begins with, set in: a name, or a summary.
        state: of a task.
        time: how long it took, or how far it is.
        id: of the task or the group.
        is_note: the text is about the line before it.
    """

    text: str
    state: str = ""
    time: str = ""
    id: str = ""
    is_note: bool = False


def lines_of(workflow: Workflow, *, everything: bool = False) -> list[Line]:
    """Lay out a workflow.

    Args:
        workflow: as it was read.
        everything: summarise nothing.
    """
    layout = _Layout(workflow, everything)
    return list(layout.lines())


def summary(found: Iterable[str]) -> str:
    """Count states in words: ``990 SUCCESS, 10 PENDING``.

    Args:
        found: states, one for each task.
    """
    return ", ".join(f"{number:,} {escape(state)}" for state, number in Counter(found).most_common())


def waiting(workflow: Workflow) -> str | None:
    """Say which tasks run or wait for a worker; ``None`` where nothing does.

    Args:
        workflow: as it was read.
    """
    open_ones = workflow.waited_for
    if not open_ones:
        return None
    if len(open_ones) == 1:
        return f"Waiting for {escape(open_ones[0].name or open_ones[0].id)}."
    found = Counter(node.name for node in open_ones if node.name).most_common(_NAMED)
    named = [escape(str(name)) if number == 1 else f"{number:,} × {escape(str(name))}" for name, number in found]
    rest = len(open_ones) - sum(number for _, number in found)
    return f"Waiting for {' and '.join([', '.join(named), *([count(rest, 'task')] if rest else [])] if named else [count(rest, 'task')])}."


def painted(lines: Sequence[Line], columns: int, paint: Callable[..., str]) -> list[str]:
    """Align lines and colour their states.

    Args:
        lines: of a workflow.
        columns: of the terminal.
        paint: styles a text, as `click.style`.
    """
    states_width, times, ids = (max((width(part) for part in parts), default=0) for parts in zip(*map(_parts, lines), strict=True))
    room = max(_LEAST, columns - states_width - times - ids - 6)
    first = min(room, max((width(line.text) for line in lines if line.state), default=_LEAST))
    found = []
    for line in lines:
        if line.state:
            text = _padded(_clipped_left(line.text, first), first)
            style = _STYLES.get(line.state, {"fg": "cyan"})
            words = [
                text,
                paint(_padded(escape(line.state), states_width), **style),
                line.time.rjust(times),
                paint(escape(line.id), dim=True),
            ]
            found.append("  ".join(words).rstrip())
        elif line.is_note:
            found.append(paint(clip(line.text, columns), dim=True))
        else:
            together = first + states_width + times + 4
            gap = " " * max(2, together + 2 - width(line.text))
            shows_id = bool(line.id) and width(line.text) + len(gap) + width(line.id) <= columns
            found.append(f"{clip(line.text, columns)}{gap + paint(escape(line.id), dim=True) if shows_id else ''}")
    return found


def _parts(line: Line) -> tuple[str, str, str]:
    return escape(line.state), line.time, escape(line.id)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def _clipped_left(text: str, room: int) -> str:
    """Cut a name at its beginning: its end tells more."""
    if width(text) <= room:
        return text
    name = text.lstrip(" •")
    before = text[: len(text) - len(name)]
    kept = name[max(0, len(name) - max(1, room - width(before) - 1)) :]
    return clip(f"{before}…{kept}", room)


@dataclass(slots=True)
class _Layout:
    workflow: Workflow
    everything: bool

    def lines(self) -> Iterator[Line]:
        """Yield the lines; a stack in place of recursion."""
        left: list[Line | tuple[WorkflowNode, int]] = [(self.workflow.root, 0)]
        while left:
            item = left.pop()
            if isinstance(item, Line):
                yield item
            else:
                left.extend(reversed(list(self._row(*item))))

    def _row(self, head: WorkflowNode, depth: int) -> Iterator[Line | tuple[WorkflowNode, int]]:
        """Steps that follow one another, and what hangs under them."""
        steps = list(self._steps(head))
        place = 0
        while place < len(steps):
            run = self._run(steps, place)
            if run > _FEW and not self.everything:
                yield from self._step(steps[place], depth, is_first=place == 0)
                yield Line(f"{_indent(depth)}… {run - 2:,} more {escape(steps[place].state)}", is_note=True)
                place += run - 1
            yield from self._step(steps[place], depth, is_first=place == 0)
            place += 1

    def _steps(self, head: WorkflowNode) -> Iterator[WorkflowNode]:
        node: WorkflowNode | None = head
        while node is not None:
            yield node
            node = self._next(node)

    def _next(self, node: WorkflowNode) -> WorkflowNode | None:
        """The next step: what follows, or the only task that a task has sent."""
        if not node.children:
            return None
        last = self.workflow[node.children[-1]]
        return last if last.follows or (len(node.children) == 1 and not node.is_group) else None

    def _below(self, node: WorkflowNode) -> list[WorkflowNode]:
        after = self._next(node)
        return [self.workflow[child] for child in node.children if after is None or child != after.id]

    def _run(self, steps: Sequence[WorkflowNode], place: int) -> int:
        """Count the steps from here on that look the same."""
        number, state = 0, steps[place].state
        for node in steps[place:]:
            if node.state != state or node.is_group or node.error or self._below(node):
                break
            number += 1
        return number

    def _step(self, node: WorkflowNode, depth: int, *, is_first: bool) -> Iterator[Line | tuple[WorkflowNode, int]]:
        before = "  " * (depth - 1) + "• " if depth and is_first else _indent(depth)
        below = self._below(node)
        if node.is_group:
            known = [self.workflow[member].state for member in node.members if member in self.workflow]
            missing = len(node.members) - len(known)
            told = ", ".join(part for part in (summary(known), f"{missing:,} not looked at" if missing else "") if part)
            yield Line(f"{before}{count(len(node.members), 'member')}: {told}" if told else f"{before}a group without members", id=node.id)
        else:
            yield Line(before + escape(node.name or "–"), node.state, _time(node), node.id)
            if node.error:
                yield Line(f"{_indent(depth)}  {escape(node.error)}", is_note=True)
        if len(below) > _FEW and not self.everything:
            failed = [child for child in below if any(step.state in states.PROPAGATE_STATES for step in self._steps(child))]
            if not node.is_group:
                yield Line(f"{_indent(depth)}  has sent {len(below):,}: {summary(child.state for child in below)}")
            yield from ((child, depth + 1) for child in failed[:_FAILED])
        else:
            yield from ((child, depth + 1) for child in below)


def _indent(depth: int) -> str:
    return "  " * depth


def _time(node: WorkflowNode) -> str:
    if node.progress is not None:
        fraction = node.progress.fraction
        return f"{node.progress.current:,}" if fraction is None else f"{fraction:.0%}"
    if node.seconds is None:
        return ""
    return f"{node.seconds:.1f}s" if node.seconds < 10 else ago(node.seconds)
