from __future__ import annotations

import math

import pytest

from umbel.leases import deciding
from umbel.leases.base import Booking
from umbel.messages.task_keys import KEYS
from umbel.worker.gates.base import PASS, Asked, Later, Wait
from umbel.worker.gates.rate_limits import LOOK, MANY_KEYS, SLACK
from umbel.worker.gates.shared_rates import AHEAD, LATE, PATIENCE, SharedRates
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry

LINE = "rate:t:"
WAIT = Wait(LINE, WaitReason.RATE)


class Door:
    """The gate of one worker, and the line before it."""

    def __init__(self, rate=10.0):
        self.now, self.ahead, self.rate = 100.0, 0, rate
        self.asked_for, self.reopened, self.here = [], [], set()
        self.gate = SharedRates(
            lambda turns, told: self.asked_for.append((turns, told)), lambda task: task in self.here, self.reopened.append, lambda: self.now
        )

    def asked(self, **fields):
        return Asked(task=entry(rate_limit=self.rate, is_rate_shared=True), now=self.now, ahead=lambda line: self.ahead, near=5.0, **fields)

    def ask(self):
        """What a message is told; the task itself when it may start."""
        asked = self.asked()
        answer = self.gate.ask(asked)
        if answer is PASS:
            self.gate.passed(asked)
            self.here.add(asked.task)
            return asked.task
        return answer

    def start(self, task):
        self.here.discard(task)
        self.gate.started(task, self.now)

    def answer(self, *seconds, refused=None):
        turns, told = self.asked_for.pop(0)
        bookings = [Booking(True, each) for each in seconds]
        told(bookings + ([Booking(False, refused)] * (len(turns) - len(seconds)) if refused is not None else []))
        return turns

    @property
    def opens_in(self):
        return self.gate.opens_in(LINE, self.now)


def test_only_tasks_with_a_common_rate_are_its_concern():
    door = Door()
    assert door.gate.concerns(entry(rate_limit=1.0, is_rate_shared=True))
    assert not door.gate.concerns(entry(rate_limit=1.0))
    assert not door.gate.concerns(entry(is_rate_shared=True))
    assert door.gate.ask(door.asked(is_due=False)) is PASS
    assert door.gate.opens_in("concurrency:t:", 0.0) is None


def test_a_message_waits_for_a_turn_and_passes_at_its_time():
    door = Door()
    assert door.ask() == WAIT
    assert door.opens_in == PATIENCE, "it is told when the answer comes"
    assert door.ask() == WAIT
    assert len(door.asked_for) == 1
    (turn,) = door.answer(0.05)
    assert (turn.name, turn.interval, turn.within, turn.slack) == (LINE, 0.1, AHEAD, SLACK)
    assert door.reopened == [LINE]
    assert door.opens_in == pytest.approx(0.05)
    assert door.ask() == WAIT
    door.now += 0.05
    assert door.ask() not in (WAIT, PASS)


def test_as_many_turns_are_asked_for_as_messages_wait_and_none_far_ahead():
    door = Door(100.0)
    door.ahead = 3
    door.ask()
    assert len(door.answer()) == 4
    door.ahead = 100
    door.ask()
    assert len(door.answer()) == AHEAD * 100
    slow = Door(1 / 60)
    slow.ask()
    assert len(slow.answer(0.0)) == 1


def test_the_next_turns_are_asked_for_while_there_are_some():
    door = Door(100.0)
    door.ahead = 50
    door.ask()
    door.answer(*(number / 100 for number in range(20)))
    door.ahead = 0
    task = door.ask()
    door.ahead = 49
    for _ in range(12):
        door.start(task)
        door.now += 0.0101
        door.ahead = 0
        asked = door.asked()
        assert door.gate.ask(asked) is PASS
        door.ahead = 30
        door.gate.passed(asked)
        task = asked.task
    assert len(door.asked_for) == 1


def test_one_passes_at_a_time():
    door = Door(100.0)
    door.ahead = 5
    door.ask()
    door.answer(0.0, 0.01, 0.02)
    door.ahead = 0
    first = door.ask()
    door.now += 0.02
    assert door.ask() == WAIT
    assert door.opens_in == pytest.approx(LOOK - 0.02)
    door.start(first)
    assert door.ask() != WAIT


def test_what_has_passed_and_is_gone_is_not_waited_for_ever():
    door = Door()
    door.ask()
    door.answer(0.0)
    door.here.discard(door.ask())
    door.now += LOOK
    door.ask()
    assert len(door.asked_for) == 1


def test_turns_that_no_slot_was_free_for_are_lost():
    door = Door(100.0)
    door.ahead = 5
    door.ask()
    door.answer(0.0, 0.01, 0.02)
    door.ahead = 0
    door.now += 0.02 + LATE * 1.01
    assert door.ask() == WAIT
    assert len(door.asked_for) == 1


def test_who_is_refused_asks_again_when_a_turn_may_be_had():
    door = Door()
    door.ask()
    door.answer(refused=0.3)
    assert door.opens_in == pytest.approx(0.3)
    door.ask()
    assert not door.asked_for
    door.now += 0.31
    door.ask()
    assert len(door.asked_for) == 1


def test_what_would_wait_for_long_goes_away():
    door = Door(1.0)
    door.ask()
    door.answer(refused=1.0)
    door.ahead = 5
    away = [door.ask() for _ in range(3)]
    assert all(isinstance(answer, Later) for answer in away)
    seconds = [answer.seconds for answer in away]
    assert seconds == sorted(seconds)
    hourly = Door(1 / 3600)
    hourly.ask()
    hourly.answer(refused=3000.0)
    assert hourly.opens_in == 0.0, "it is asked at once, and goes away"
    assert isinstance(hourly.ask(), Later)


def test_a_limit_that_has_changed_is_counted_anew():
    door = Door(1.0)
    door.ask()
    _, told = door.asked_for.pop()
    assert door.gate.forget("other") == []
    assert door.gate.forget("t") == [LINE]
    told([Booking(True, 0.0)])
    assert not door.reopened, "a turn of the old rate"
    door.rate = 5.0
    door.ask()
    assert door.answer(0.0)[0].interval == 0.2


def test_keys_that_are_over_are_forgotten():
    door = Door()
    for number in range(3 * MANY_KEYS):
        asked = door.asked()
        asked.task.delivery.headers[KEYS] = {"rate": f"{number}"}
        door.gate.ask(asked)
        if door.asked_for:
            door.answer(0.0)
        door.now += 0.1
    assert len(door.gate._lines) <= MANY_KEYS


@pytest.mark.parametrize("rate", [7.0, 100.0, 400.0])
def test_four_workers_together_keep_the_rate_without_a_gap(rate):
    doors, row, starts, now = [Door(rate) for _ in range(4)], deciding.Row(), [], 100.0
    while now < 110.0:
        for door in doors:
            door.now, door.ahead = now, 0
            if not door.opens_in:
                asked = door.asked()
                if door.gate.ask(asked) is PASS:
                    door.ahead = 20
                    door.gate.passed(asked)
                    door.start(asked.task)
                    starts.append(now)
            while door.asked_for:
                turns, told = door.asked_for.pop(0)
                bookings = []
                for turn in turns:
                    row, booking = deciding.take(row, turn, now)
                    bookings.append(booking)
                told(bookings)
        now += 0.0005
    assert len(starts) == pytest.approx(rate * 10, rel=0.03)
    most = max(sum(begin <= start < begin + 1 for start in starts) for begin in starts)
    assert most <= math.ceil(rate * (1 + SLACK)) + 1
