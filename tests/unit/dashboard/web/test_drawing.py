"""Pictures of workflows: no two boxes meet, lines lead from left to right."""

from __future__ import annotations

from itertools import combinations

from umbel.dashboard.web.drawing import HEIGHT, WIDTH, draw
from umbel.results.workflow import Workflow, WorkflowNode


def node(id, parent=None, children=(), follows=False, group=False):
    return WorkflowNode(id=id, state="SUCCESS", parent_id=parent, children=tuple(children), follows=follows, is_group=group)


def chord(members):
    """A group of chains of two, and its body."""
    nodes = [node("group", None, [*(f"m{n}" for n in range(members)), "body"], group=True)]
    for number in range(members):
        nodes += [node(f"m{number}", "group", [f"n{number}"]), node(f"n{number}", f"m{number}", follows=True)]
    return Workflow(nodes=(*nodes, node("body", "group", follows=True)))


def test_one_task():
    picture = draw(Workflow(nodes=(node("a"),)))
    assert len(picture.boxes) == 1
    assert picture.lines == ()
    assert picture.width > WIDTH


def test_boxes_do_not_meet():
    picture = draw(chord(7))
    for one, other in combinations(picture.boxes, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT, (one, other)


def test_a_body_stands_behind_all_members():
    places = {box.node.id: box for box in draw(chord(3)).boxes}
    assert places["body"].x > max(places[f"n{number}"].x for number in range(3))


def test_lines_by_kind():
    kinds = sorted(line.kind for line in draw(chord(2)).lines)
    assert kinds == ["follows", "follows", "follows", "follows", "member", "member"]  # two steps, and the body waits for both


def test_a_body_stands_beside_the_middle_of_the_members():
    places = {box.node.id: box for box in draw(chord(4)).boxes}
    assert places["body"].y == places["group"].y == (places["m0"].y + places["m3"].y) / 2


def test_a_long_chain_is_no_recursion():
    nodes = [node(str(number), str(number - 1) if number else None, [str(number + 1)], follows=True) for number in range(3_000)]
    assert len(draw(Workflow(nodes=(*nodes, node("3000", "2999", follows=True)))).boxes) == 3_001
