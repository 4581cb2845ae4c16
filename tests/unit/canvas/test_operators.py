"""Which kind of workflow ``|`` makes, and what is in it."""

import functools
import operator

import pytest

from fakes import workflows as model
from umbel.canvas.operators import MAKES
from umbel.canvas.planning import plan
from umbel.canvas.shapes import kind
from umbel.canvas.signatures import Signature, chain, chord, group


def s(name):
    return Signature(name)


def members(prefix, many):
    return [s(f"{prefix}{place}") for place in range(1, many + 1)]


KINDS = {
    "task": s,
    "chain": lambda p: chain(members(p, 2)),
    "group": lambda p: group(members(p, 2)),
    "group of one": lambda p: group(members(p, 1)),
    "empty group": lambda p: group(),
    "chord": lambda p: chord(members(p, 2), s(f"{p}b")),
    "chain to group": lambda p: s(f"{p}0") | group(members(p, 2)),
    "chain to chord": lambda p: s(f"{p}0") | chord(members(p, 2), s(f"{p}b")),
}
TABLE = """
task           | task           = a | z
task           | chain          = a | z1 | z2
task           | group          = a | group(z1, z2)
task           | group of one   = a | z1
task           | empty group    = a
task           | chord          = a | chord([z1, z2], zb)
task           | chain to group = a | z0 | group(z1, z2)
task           | chain to chord = a | z0 | chord([z1, z2], zb)
chain          | task           = a1 | a2 | z
chain          | chain          = a1 | a2 | z1 | z2
chain          | group          = a1 | a2 | group(z1, z2)
chain          | group of one   = a1 | a2 | z1
chain          | empty group    = a1 | a2
chain          | chord          = a1 | a2 | chord([z1, z2], zb)
group          | task           = chord([a1, a2], z)
group          | chain          = chord([a1, a2], z1 | z2)
group          | group          = chord([a1, a2], group(z1, z2))
group          | group of one   = chord([a1, a2], group(z1))
group          | empty group    = group(a1, a2)
group          | chord          = chord([a1, a2], chord([z1, z2], zb))
group of one   | task           = chord([a1], z)
empty group    | task           = chord([], z)
empty group    | empty group    = group()
chord          | task           = chord([a1, a2], ab | z)
chord          | chain          = chord([a1, a2], ab | z1 | z2)
chord          | group          = chord([a1, a2], ab | group(z1, z2))
chord          | empty group    = chord([a1, a2], ab)
chord          | chord          = chord([a1, a2], ab | chord([z1, z2], zb))
chain to group | task           = a0 | chord([a1, a2], z)
chain to group | chain          = a0 | chord([a1, a2], z1) | z2
chain to group | group          = a0 | chord([a1, a2], group(z1, z2))
chain to group | group of one   = a0 | chord([a1, a2], z1)
chain to group | chord          = a0 | chord([a1, a2], chord([z1, z2], zb))
chain to chord | task           = a0 | chord([a1, a2], ab) | z
chain to chord | chord          = a0 | chord([a1, a2], ab) | chord([z1, z2], zb)
chain to chord | chain to group = a0 | chord([a1, a2], ab) | z0 | group(z1, z2)
"""
ROWS = [line.split(" = ") for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("sides", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_the_table(sides, expected):
    left, right = (KINDS[name.strip()] for name in sides.split("|"))
    found = left("a") | right("z")
    assert repr(found).replace("()", "").replace("group,", "group(),") == expected.replace("group()", "group")
    is_left_alone = right is KINDS["empty group"] and kind(left("a")) == "group"
    assert kind(found) == ("group" if is_left_alone else MAKES[kind(left("a"))])
    if left not in (KINDS["group of one"], KINDS["empty group"]):
        assert repr(chain(left("a"), right("z"))) == repr(found)


def test_a_chain_has_no_steps_in_which_nothing_runs():
    nothing = group(), chain(), chain(group(), chain()), group(group(), chain())
    for empty in nothing:
        assert repr(chain(empty, s("a"), empty, s("b"), empty)) == "a() | b()"
        assert repr(chain(group(s("a"), s("b")), empty, s("c"), empty)) == repr(group(s("a"), s("b")) | s("c"))
        assert repr(chain(s("a"), s("b")) | empty | s("c")) == "a() | b() | c()"
        assert repr(chord([s("a")], s("b")) | empty) == repr(chord([s("a")], s("b")))
        assert repr(group(s("a"), s("b")) | empty) == "group(a(), b())"
        assert repr(chain(empty)) in ("group()", "chain()", "group(group(), chain())", "group() | chain()")
        assert plan(chain(s("a"), group(s("x"), s("y"))) | empty, model.counted()).handle.is_group


def test_a_chain_that_begins_with_a_group_of_one_begins_with_its_member():
    assert repr(chain(group(s("a")), s("b"), s("c"))) == "a() | b() | c()"
    assert repr(chain(group(chord([s("a")], s("b"))), s("c"))) == repr(chord([s("a")], s("b") | s("c")))
    assert kind(group(s("a")) | s("b")) == kind(group() | s("b")) == "chord"
    assert repr(chain([group(s("a"))])) == "a()"
    for rest in ([group(s("b"))], [group(s("b")), s("c")], [group(s("b")), group(s("c")), group(s("d"))]):
        by_operators = functools.reduce(operator.or_, [group(s("x"), s("y")), *rest])
        assert repr(chain(group(s("x"), s("y")), *rest)) == repr(by_operators)


def test_a_chords_header_is_not_the_callers():
    mine = s("a")
    made = chord([mine], s("b"))
    made.tasks[0].link_error(s("failed"))
    assert mine == s("a")
    assert made.tasks[0].options["link_error"] == [s("failed")]


def test_a_chain_of_nothing_and_of_one():
    assert (len(chain().tasks), len(chain([]).tasks)) == (0, 0)
    for one in (chain(s("a")), chain([s("a")]), chain(each for each in [s("a")])):
        assert type(one) is chain
        assert repr(one) == "a()"
    assert repr(chain(group(s("a"), s("b")))) == "group(a(), b())"
    assert repr(chain() | s("a") | s("b")) == "a() | b()"


def test_sides_that_are_no_signatures():
    for other in (3, None, [s("b")], "b"):
        with pytest.raises(TypeError, match="unsupported operand"):
            s("a") | other
    with pytest.raises(TypeError, match=r"\| takes signatures, as task.s\(…\) makes them, not dict"):
        s("a") | {"x": 1}
    assert repr({"task": "a"} | s("b")) == "a() | b()"


def test_what_no_workflow_is_made_of():
    for make in (chain, group, lambda *parts: chord(list(parts))):
        with pytest.raises(TypeError, match=r"takes signatures, as task.s\(…\) makes them, not int \(3\)"):
            make(s("a"), 3)
    with pytest.raises(TypeError, match="chain takes signatures"):
        chain("abc")


def test_options_of_the_left_side_go_to_those_that_they_are_meant_for():
    done, failed = s("done"), s("failed")
    found = chain(s("a"), s("b")).set(queue="q", link=[done], link_error=[failed]) | s("c")
    assert [step.options for step in found.tasks] == [
        {"queue": "q", "link_error": [failed]},
        {"link": [done], "link_error": [failed]},
        {},
    ]
    header = (group(s("a"), s("b")).set(queue="q") | s("c")).tasks
    assert [member.options for member in header] == [{"queue": "q"}, {"queue": "q"}]
    alone = s("a") | group(s("b")).set(queue="q")
    assert alone.tasks[1].options == {"queue": "q"}


def test_the_sides_stay_as_they_were():
    a, b = s("a"), chain(s("b"), s("c"))
    _ = a | b
    _ = b | a
    assert (dict(a), repr(b)) == (dict(s("a")), "b() | c()")
    b |= a
    assert repr(b) == "b() | c() | a()"
