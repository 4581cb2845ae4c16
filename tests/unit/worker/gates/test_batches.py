from __future__ import annotations

import pytest

from umbel.worker.gates.base import PASS, Asked, Wait
from umbel.worker.gates.batches import Batches
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry

LINE = "batch:t"
WAIT = Wait(LINE, WaitReason.BATCH, 3)


class Door:
    """The gate, and the line before it."""

    def __init__(self):
        self.now, self.ahead = 100.0, 0
        self.gate = Batches(lambda line: self.ahead)

    def ask(self, *, attempts=0, **fields):
        task = entry(attempts=attempts, batch_size=3, batch_wait=2.0)
        asked = Asked(task=task, now=self.now, ahead=lambda line: self.ahead, near=5.0, **fields)
        answer = self.gate.ask(asked)
        if answer is PASS and asked.is_due:
            self.gate.passed(asked)
        return answer

    @property
    def opens_in(self):
        return self.gate.opens_in(LINE, self.now)


def test_only_tasks_with_batches_are_its_concern():
    door = Door()
    assert door.gate.concerns(entry(batch_size=3))
    assert not door.gate.concerns(entry())
    assert door.opens_in is None
    assert door.ask(is_due=False) is PASS


def test_the_first_waits_for_others_for_so_long():
    door = Door()
    assert door.ask() == WAIT
    assert door.opens_in == 2.0
    door.now, door.ahead = 101.0, 1
    assert door.ask() == WAIT
    assert door.opens_in == 1.0, "the first one's time"


def test_when_there_are_enough_they_go_together():
    door = Door()
    for ahead in range(3):
        door.ahead = ahead
        assert door.ask() == WAIT
    assert door.opens_in == 0.0
    door.ahead = 0
    assert door.ask(has_waited=True) is PASS


@pytest.mark.parametrize(("left", "opens_in"), [(0, 2.0), (2, 2.0), (3, 0.0), (7, 0.0)])
def test_what_is_left_is_of_the_next_batch(left, opens_in):
    door = Door()
    door.ask()
    door.ahead = left
    door.ask(has_waited=True)
    assert door.opens_in == opens_in


def test_one_whose_child_has_died_is_not_collected():
    door = Door()
    assert door.ask(attempts=1) is PASS
    assert door.opens_in is None
