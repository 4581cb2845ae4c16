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
    """Lay a workflow out. What stands side by side is centred beside what it hangs under, and no two boxes meet.

    Args:
        workflow: as it was read.
    """
    columns, rows = _columns(workflow), _rows(workflow)
    places = {node.id: (MARGIN + columns[node.id] * (WIDTH + GAP_X), MARGIN + rows[node.id] * (HEIGHT + GAP_Y)) for node in workflow}
    lines = []
    for node in workflow:
        members, after = _parts(workflow, node)
        for child in members:
            kind = "follows" if workflow[child].follows else "member" if node.is_group else "sent"
            lines.append(Line(_curve(places[node.id], places[child]), kind))
        for child in after:  # they wait for the last step of each member
            ends = [_last(workflow, member) for member in members] or [node.id]
            lines += [Line(_curve(places[end], places[child]), "follows") for end in ends]
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    return Picture(width, height, tuple(Box(node, *places[node.id]) for node in workflow), tuple(lines))


def _parts(workflow: Workflow, node: WorkflowNode) -> tuple[list[str], list[str]]:
    """Return what hangs under a node, and what waits for all of that: the body of a chord."""
    children = [child for child in node.children if child in workflow]
    if not node.is_group:
        return children, []
    return [child for child in children if not workflow[child].follows], [child for child in children if workflow[child].follows]


def _last(workflow: Workflow, top: str) -> str:
    """Return the last step of the chain that begins with a node."""
    while True:
        after = [child for child in workflow[top].children if child in workflow and workflow[child].follows]
        if not after:
            return top
        top = after[-1]


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
    """Return each node's row: the middle of the rows that it and what is under it take. A body stands in other columns, so beside the members."""
    heights: dict[str, int] = {}
    for node in reversed(workflow.nodes):  # a node comes before what hangs under it
        members, after = _parts(workflow, node)
        heights[node.id] = max(1, sum(heights[child] for child in members), sum(heights[child] for child in after))
    tops = {workflow.root.id: 0.0}
    found: dict[str, float] = {}
    for node in workflow:
        top, height = tops[node.id], heights[node.id]
        found[node.id] = top + (height - 1) / 2
        for children in _parts(workflow, node):
            at = top + (height - sum(heights[child] for child in children)) / 2
            for child in children:
                tops[child] = at
                at += heights[child]
    return found


def _curve(begin: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = (begin[0] + WIDTH, begin[1] + HEIGHT / 2), (end[0], end[1] + HEIGHT / 2)
    bend = max(GAP_X / 2, (to_x - x) / 2)
    return f"M {x:g} {y:g} C {x + bend:g} {y:g}, {to_x - bend:g} {to_y:g}, {to_x:g} {to_y:g}"
