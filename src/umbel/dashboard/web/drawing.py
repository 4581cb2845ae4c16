"""A workflow laid out as a picture: columns from left to right, what hangs under something to its right. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from umbel.results.workflow import Workflow, WorkflowNode

#: Size of a box and the gaps between boxes, in units of the picture.
WIDTH, HEIGHT = 208, 52
GAP_X, GAP_Y = 56, 16
MARGIN: Final = 12


@dataclass(frozen=True, slots=True)
class Box:
    """A node and its place: that of its upper left corner."""

    node: WorkflowNode
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line from one box to another, as the path of an SVG. Kind: follows, member or sent."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A workflow as boxes and lines."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(workflow: Workflow) -> Picture:
    """Lay a workflow out. A parent stands at the height of the middle of its children, and no two boxes meet.

    Args:
        workflow: as it was read.
    """
    columns, rows = _columns(workflow), _rows(workflow)
    places = {node.id: (MARGIN + columns[node.id] * (WIDTH + GAP_X), MARGIN + rows[node.id] * (HEIGHT + GAP_Y)) for node in workflow}
    lines = []
    for node in workflow:
        for child in node.children:
            if child in places:
                (x, y), (to_x, to_y) = places[node.id], places[child]
                kind = "follows" if workflow[child].follows else "member" if node.is_group else "sent"
                lines.append(Line(_curve(x + WIDTH, y + HEIGHT / 2, to_x, to_y + HEIGHT / 2), kind))
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    return Picture(width, height, tuple(Box(node, *places[node.id]) for node in workflow), tuple(lines))


def _columns(workflow: Workflow) -> dict[str, int]:
    """Return each node's column. The body of a chord follows its group, so it stands behind the group's members, however deep they are."""
    found: dict[str, int] = {workflow.root.id: 0}
    for node in workflow:
        for child in node.children:
            if child in workflow:
                found[child] = found[node.id] + 1
    for node in workflow:
        if not node.is_group:
            continue
        after = [child for child in node.children if child in workflow and workflow[child].follows]
        others = [child for child in node.children if child in workflow and not workflow[child].follows]
        deepest = max((found[each] for child in others for each in _below(workflow, child)), default=found[node.id])
        for child in after:
            shift = deepest + 1 - found[child]
            for each in _below(workflow, child) if shift > 0 else ():
                found[each] += shift
    return found


def _below(workflow: Workflow, top: str) -> list[str]:
    """List a node and all that hangs under it."""
    found, left = [], [top]
    while left:
        current = left.pop()
        found.append(current)
        left.extend(child for child in workflow[current].children if child in workflow)
    return found


def _rows(workflow: Workflow) -> dict[str, float]:
    """Return each node's row: leaves take the next free one, others the middle of theirs. Nodes come before what hangs under them, so from the end."""
    found: dict[str, float] = {}
    free = 0.0
    left: list[tuple[str, bool]] = [(workflow.root.id, False)]
    while left:
        current, is_done = left.pop()
        children = [child for child in workflow[current].children if child in workflow]
        if is_done:
            found[current] = sum(found[child] for child in children) / len(children)
        elif not children:
            found[current] = free
            free += 1
        else:
            left.append((current, True))
            left.extend((child, False) for child in reversed(children))
    return found


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = max(GAP_X / 2, (to_x - x) / 2)
    return f"M {x:g} {y:g} C {x + bend:g} {y:g}, {to_x - bend:g} {to_y:g}, {to_x:g} {to_y:g}"
