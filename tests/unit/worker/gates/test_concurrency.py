from __future__ import annotations

import inspect
import json

import pytest

from umbel.execution.keys import KeyTemplate
from umbel.leases.base import Grant
from umbel.messages.task_keys import KEYS
from umbel.worker.gates.base import PASS, Asked, Later, Wait
from umbel.worker.gates.concurrency import AWAY, FEW_KEYS, LOOK, MOST_HERE, RETURN, SELDOM, SOON, UNUSED, ConcurrencyLimits, line_of
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry

LINE = "concurrency:t:k"
WAIT = Wait(LINE, WaitReason.CONCURRENCY)
PLACE, NONE = Grant(is_held=True), Grant(is_held=False, other="another", seconds=9.0)


class Door:
    """The gate, and the line before it."""

    def __init__(self, limit=3):
        self.now, self.ahead, self.limit, self.usual = 100.0, 0, limit, None
        self.asked_for, self.reopened, self.given_up, self.held = [], [], [], []
        self.gate = ConcurrencyLimits(
            ask=lambda lease, told: self.asked_for.append((lease, told)),
            give_up=self.given_up.append,
            hold=lambda task, lease: self.held.append((task, lease)),
            reopen=self.reopened.append,
            usual=lambda name: self.usual,
            clock=lambda: self.now,
            duration=30.0,
        )

    def task(self, key="k", task_id="i"):
        task = entry(task_id, concurrency_limit=self.limit)
        task.delivery.headers[KEYS] = {"concurrency": key}
        return task

    def ask(self, task=None, near=5.0, **fields):
        task = task or self.task()
        asked = Asked(task=task, now=self.now, ahead=lambda line: self.ahead if line == line_of(task) else 0, near=near, **fields)
        answer = self.gate.ask(asked)
        if answer is PASS and asked.is_due:
            self.gate.passed(asked)
        return answer

    def answer(self, grant):
        lease, told = self.asked_for.pop(0)
        told(grant)
        return lease


def test_only_limited_tasks_are_its_concern():
    door = Door()
    assert door.gate.concerns(door.task())
    assert not door.gate.concerns(entry())
    assert not door.gate.concerns_all


def test_a_message_waits_for_a_place_and_passes_with_it():
    door, task = Door(), Door().task()
    assert door.ask(task) == WAIT
    assert door.ask(task) == WAIT
    assert len(door.asked_for) == 1, "it has been asked for"
    assert door.gate.opens_in(LINE, door.now) == LOOK
    lease = door.answer(PLACE)
    assert (lease.name, lease.seconds, lease.limit) == (LINE, 30.0, 3)
    assert door.reopened == [LINE]
    assert door.gate.opens_in(LINE, door.now) == 0.0
    assert door.ask(task) is PASS
    assert door.held == [(task, lease)]


def test_every_place_is_another_ones():
    door, owners = Door(), set()
    for _ in range(3):
        door.ask()
        owners.add(door.answer(PLACE).owner)
        assert door.ask() is PASS
    assert len(owners) == 3
    assert Door().gate._owner != Door().gate._owner, "nor another worker's"


def test_where_all_are_taken_it_is_asked_again_less_and_less_often():
    door, waits = Door(), []
    for _ in range(6):
        assert door.ask() == WAIT
        door.answer(NONE)
        assert door.ask() == WAIT
        assert not door.asked_for, "not before its time"
        waits.append(door.gate.opens_in(LINE, door.now))
        door.now += waits[-1]
    assert waits[0] == pytest.approx(SOON)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(SELDOM)


def test_where_places_are_waited_for_under_many_keys_each_is_asked_for_less_often():
    door = Door()
    for number in range(4 * FEW_KEYS):
        door.ask(door.task(f"{number}"))
        door.answer(NONE)
    for _ in range(5):
        door.now += 10.0
        door.ask(door.task("0"))
        door.answer(NONE)
    assert door.gate.opens_in("concurrency:t:0", door.now) == pytest.approx(4 * SELDOM)


def test_a_place_that_this_worker_gives_up_is_asked_for_at_once():
    door = Door()
    for _ in range(5):
        door.ask()
        door.answer(NONE)
        door.now += 10.0
    door.ask()
    door.answer(NONE)
    door.reopened.clear()
    door.gate.freed(LINE)
    assert door.reopened == [LINE]
    assert door.gate.opens_in(LINE, door.now) == 0.0
    assert door.ask() == WAIT
    assert len(door.asked_for) == 1
    door.gate.freed("concurrency:t:nobody waits")


def test_who_comes_later_does_not_take_the_place_of_the_first():
    door = Door()
    door.ask()
    door.answer(PLACE)
    door.ahead = 1
    assert door.ask(door.task(task_id="later")) == WAIT
    door.ahead = 0
    assert door.ask() is PASS


def test_keys_have_places_of_their_own():
    door = Door()
    door.ask(door.task("a"))
    door.ask(door.task("b"))
    assert [lease.name for lease, _ in door.asked_for] == ["concurrency:t:a", "concurrency:t:b"]
    door.answer(PLACE)
    assert door.ask(door.task("b")) == Wait("concurrency:t:b", WaitReason.CONCURRENCY)
    assert door.ask(door.task("a")) is PASS


def test_a_place_that_nobody_takes_is_given_up():
    door = Door()
    door.ask()
    lease = door.answer(PLACE)
    door.now += UNUSED
    door.gate.look(door.now)
    assert door.given_up == [lease]
    assert door.ask() == WAIT


def test_a_place_that_is_old_is_not_passed_with():
    door = Door()
    door.ask()
    lease = door.answer(PLACE)
    door.now += UNUSED
    assert door.ask() == WAIT
    assert door.given_up == [lease]


def test_when_the_worker_stops_all_are_given_up_and_those_to_come():
    door = Door()
    door.ask(door.task("a"))
    door.ask(door.task("b"))
    first = door.answer(PLACE)
    door.gate.close()
    assert door.given_up == [first]
    second = door.answer(PLACE)
    assert door.given_up == [first, second]


def test_where_a_line_is_long_more_wait_in_the_broker_and_come_back_one_by_one():
    door = Door()
    door.ahead = MOST_HERE + 3
    away = [door.ask() for _ in range(50)]
    assert all(isinstance(answer, Later) for answer in away)
    assert away[0].seconds == AWAY
    assert away[-1].seconds - away[0].seconds == pytest.approx(49 * RETURN)


def test_quick_tasks_come_back_faster_than_they_can_run():
    door = Door()
    door.ahead, door.usual = MOST_HERE + 3, 0.006
    away = [door.ask().seconds for _ in range(3)]
    assert away[1] - away[0] == pytest.approx(0.001)


def test_where_very_many_wait_here_only_the_first_of_each_line_does():
    door = Door()
    assert door.ask(near=1.0) == WAIT
    door.ahead = 1
    assert isinstance(door.ask(near=1.0), Later)


def test_what_is_not_due_takes_no_place():
    door = Door()
    assert door.ask(is_due=False) is PASS
    assert not door.asked_for


def test_very_many_keys_are_forgotten_again():
    door = Door()
    for number in range(5000):
        door.ask(door.task(f"{number}"))
        door.answer(NONE)
        door.now += 0.1
    assert len(door.gate._lines) <= 1001


def test_lines_of_others_are_not_its():
    assert Door().gate.opens_in("t", 0.0) is None
    assert Door().gate.opens_in("concurrency:t:gone", 0.0) == 0.0


class TestKeys:
    TEMPLATE = KeyTemplate("tenant:{tenant}")
    SIGNATURE = inspect.signature(lambda tenant, x=1: None)

    def line(self, body=b"[[7], {}, {}]", content_type="application/json", template=TEMPLATE, **headers):
        task = entry(concurrency_limit=3, concurrency_key=template, signature=self.SIGNATURE)
        task.delivery.body, task.delivery.content_type, task.delivery.content_encoding = body, content_type, "utf-8"
        task.delivery.headers.update(headers)
        return line_of(task)

    def test_without_a_key_all_calls_of_a_task_count(self):
        assert line_of(entry(concurrency_limit=3)) == "concurrency:t:"

    def test_the_key_that_was_sent_counts(self):
        assert self.line(**{KEYS: {"concurrency": "tenant:8"}}) == "concurrency:t:tenant:8"

    @pytest.mark.parametrize("body", ["[[7], {}, {}]", '[[], {"tenant": 7}, {}]', "[[7, 2], {}, null]"])
    def test_where_none_was_sent_a_template_makes_it(self, body):
        assert self.line(body.encode()) == "concurrency:t:tenant:7"

    @pytest.mark.parametrize(
        "message",
        [
            {"body": b"no json"}, {"body": b"[]"}, {"body": b"[[], {}, {}]"}, {"body": b"[[1, 2, 3], {}, {}]"}, {"body": b'[[{"a": 1}], {}, {}]'},
            {"content_type": "application/x-python-serialize"}, {"compression": "gzip"}, {"body": json.dumps([["x" * 70_000], {}, {}]).encode()},
            {"template": None}, {"body": b"[7, 7, 7]"}, {KEYS: "forged", "body": b"no json"}, {KEYS: {"concurrency": 7}, "body": b"{}"},
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_counts_with_all_that_have_none(self, message):
        assert self.line(**message) == "concurrency:t:"

    def test_long_ones_are_shortened(self):
        assert "sha256-" in self.line(json.dumps([["x" * 500], {}, {}]).encode())
