from __future__ import annotations

import pytest

from umbel.leases.base import Grant, Lease
from umbel.messages.task_keys import KEYS
from umbel.worker.gates.base import PASS, Asked, Later, Revoke, Wait
from umbel.worker.gates.unique_keys import LOOK, MOST_HERE, SELDOM, SOON, UniqueKeys
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry

NAME = "unique:t:k"
LINE = f"{NAME}:i"
WAIT = Wait(LINE, WaitReason.KEY)
HELD, REFUSED = Grant(is_held=True), Grant(is_held=False, other="another", seconds=9.0)


class Door:
    """The gate, and the line before it."""

    def __init__(self):
        self.now = 100.0
        self.asked_for, self.reopened = [], []
        self.gate = UniqueKeys(lambda lease, told: self.asked_for.append((lease, told)), self.reopened.append, lambda: self.now)

    def task(self, task_id="i", until="finish"):
        task = entry(task_id)
        task.delivery.headers[KEYS] = {"unique": "k", "until": until, "for": 60.0}
        return task

    def ask(self, task, **fields):
        asked = Asked(task=task, now=self.now, ahead=lambda line: 0, near=5.0, **fields)
        answer = self.gate.ask(asked)
        if answer is PASS:
            self.gate.passed(asked)
        return answer

    def answer(self, grant):
        lease, told = self.asked_for.pop(0)
        told(grant)
        return lease


def test_only_messages_with_keys_are_its_concern():
    door = Door()
    assert door.gate.concerns(door.task())
    assert not door.gate.concerns(entry())
    assert not door.gate.concerns_all


def test_a_message_waits_for_the_answer_and_passes():
    door, task = Door(), Door().task()
    assert door.ask(task) == WAIT
    assert door.gate.opens_in(LINE, door.now) == LOOK
    assert door.answer(HELD) == Lease(NAME, "i", 60.0), "as long as any that waits, until it starts"
    assert door.reopened == [LINE]
    assert door.gate.opens_in(LINE, door.now) == 0.0
    assert door.ask(task) is PASS
    assert not door.asked_for


def test_one_whose_key_another_has_is_asked_about_again_less_and_less_often():
    door, task, waits = Door(), Door().task(), []
    for _ in range(8):
        assert door.ask(task) == WAIT
        door.answer(REFUSED)
        assert door.ask(task) == WAIT
        assert not door.asked_for, "not before its time"
        waits.append(door.gate.opens_in(LINE, door.now))
        door.now += waits[-1]
    assert waits[0] == pytest.approx(2 * SOON)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(SELDOM)
    door.ask(task)
    door.answer(HELD)
    assert door.ask(task) is PASS


def test_an_answer_that_does_not_come_is_asked_for_again():
    door, task = Door(), Door().task()
    door.ask(task)
    door.now += LOOK
    assert door.ask(task) == WAIT
    assert len(door.asked_for) == 2
    door.answer(HELD)
    assert not door.reopened, "the old question is forgotten"


def test_an_answer_that_is_old_is_asked_for_again():
    door, task = Door(), Door().task()
    door.ask(task)
    door.answer(HELD)
    door.now += LOOK
    assert door.ask(task) == WAIT
    assert len(door.asked_for) == 1


def test_until_the_start_nothing_keeps_it():
    door = Door()
    assert door.ask(door.task(until="start")) is PASS
    assert not door.asked_for


def test_one_that_a_newer_call_has_replaced_does_not_run():
    door, task = Door(), Door().task(until="newer")
    assert door.ask(task) == WAIT
    door.answer(REFUSED)
    assert door.ask(task) == Revoke("replaced by another")
    other = door.task("j", until="newer")
    door.ask(other)
    door.answer(HELD)
    assert door.ask(other) is PASS


def test_what_is_not_due_is_not_asked_for():
    door = Door()
    assert door.ask(door.task(), is_due=False) is PASS
    assert not door.asked_for


def test_a_header_that_is_none_keeps_nobody():
    door, task = Door(), Door().task()
    task.delivery.headers[KEYS] = {"unique": ["k"]}
    assert door.ask(task) is PASS


def test_where_many_wait_more_wait_in_the_broker():
    door = Door()
    assert {type(door.ask(door.task(f"{number}"))) for number in range(MOST_HERE)} == {Wait}
    assert isinstance(door.ask(door.task("one more")), Later)
    door.answer(HELD)
    assert door.ask(door.task("0")) is PASS
    assert isinstance(door.ask(door.task("one more")), Wait)


def test_who_has_the_key_does_not_wait_behind_one_that_waits_for_it():
    door, first, owner = Door(), Door().task("first"), Door().task("owner")
    lines = [door.ask(task).line for task in (first, owner)]
    assert len(set(lines)) == 2
    door.answer(REFUSED)
    door.answer(HELD)
    assert isinstance(door.ask(first), Wait)
    assert door.ask(owner) is PASS


def test_one_that_has_gone_is_forgotten():
    door = Door()
    for number in range(50):
        door.ask(door.task(f"gone-{number}"))
        door.now += 1.0
    assert len(door.gate._known) == sum(map(len, door.gate._lines.values())) <= MOST_HERE


def test_lines_of_others_are_not_its():
    assert Door().gate.opens_in("t", 0.0) is None
    assert Door().gate.opens_in("unique:t:gone", 0.0) == 0.0
