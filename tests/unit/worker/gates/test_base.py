from __future__ import annotations

from umbel.worker.gates.base import NOBODY, PASS, REVOKE, Asked, Gates, Later
from unit.worker.stand_ins import entry


class FakeGate:
    """Answers as it is told, and remembers what it is told."""

    def __init__(self, answer=PASS, *, concerns=True, concerns_all=False, opens=None, ids=NOBODY):
        self.ids = ids
        self.answer, self.its, self.concerns_all, self.opens = answer, concerns, concerns_all, opens
        self.calls = []

    def concerns(self, task):
        return self.its

    def ask(self, asked):
        self.calls.append("ask")
        return self.answer

    def passed(self, asked):
        self.calls.append("passed")

    def started(self, task, now):
        self.calls.append("started")

    def opens_in(self, line, now):
        return self.opens


def asked(**fields):
    return Asked(task=entry(), now=0.0, ahead=lambda line: 0, near=5.0, **fields)


def test_the_first_that_does_not_let_it_pass_decides_and_nobody_holds_anything():
    one, two, three = FakeGate(), FakeGate(Later(3.0)), FakeGate(REVOKE)
    assert Gates(one, two, three).ask(asked()) == Later(3.0)
    assert (one.calls, two.calls, three.calls) == (["ask"], ["ask"], [])


def test_who_has_passed_all_is_held_for_by_all():
    one, other, two = FakeGate(), FakeGate(concerns=False), FakeGate(concerns=False, concerns_all=True)
    assert Gates(one, other, two).ask(asked()) is PASS
    assert (one.calls, other.calls, two.calls) == (["ask", "passed"], [], ["ask", "passed"])


def test_what_is_not_due_yet_has_nothing_held_for_it():
    one = FakeGate()
    assert Gates(one).ask(asked(is_due=False)) is PASS
    assert one.calls == ["ask"]


def test_gates_of_the_task_are_told_of_its_start():
    one, other = FakeGate(), FakeGate(concerns=False, concerns_all=True)
    gates = Gates(one, other)
    assert gates.are_told(entry())
    assert not Gates(other).are_told(entry())
    gates.started(entry(), 1.0)
    assert (one.calls, other.calls) == (["started"], [])


def test_one_that_concerns_all_is_enough():
    assert not Gates(FakeGate()).concern_all
    assert Gates(FakeGate(), FakeGate(concerns_all=True)).concern_all


def test_that_is_looked_at_when_a_gate_was_told_something_and_when_all_are_asked():
    gate = FakeGate(concerns=False)
    gates = Gates(gate)
    gate.concerns_all = True
    gates.update()
    assert gates.concern_all
    gate.concerns_all = False
    gates.ask(asked())
    assert not gates.concern_all


def test_the_gate_of_a_line_says_when_it_opens():
    assert Gates(FakeGate(opens=None), FakeGate(opens=2.0)).opens_in("x", 0.0) == 2.0
    assert Gates().opens_in("x", 0.0) == 0.0


def test_one_that_knows_ids_is_asked_about_these_alone():
    ids = {"i"}
    gate = FakeGate(REVOKE, concerns=False, ids=ids)
    gates = Gates(FakeGate(), gate)
    assert (gates.concern("i"), gates.concern("j"), gates.concern_all) == (True, False, False)
    assert gates.ask(asked()) is REVOKE
    ids.clear()
    assert gates.ask(asked()) is PASS
