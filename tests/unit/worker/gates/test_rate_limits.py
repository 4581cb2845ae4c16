from __future__ import annotations

import heapq
import itertools
import math
from collections import deque

import pytest

from umbel.messages.task_keys import KEYS
from umbel.worker.gates.away import FAR, RETURN
from umbel.worker.gates.base import PASS, Asked, Later, Wait
from umbel.worker.gates.rate_limits import LOOK, MANY_KEYS, SLACK, RateLimits
from umbel.worker.tasks.waiting_room import WaitReason
from unit.worker.stand_ins import entry

#: Seconds that a message may wait in the worker.
NEAR = 5.0
LINE = "rate:t:"


class Door:
    """One limited task, its gate, and the line before it."""

    def __init__(self, rate):
        self.rate = rate
        self.here = set()
        self.gate = RateLimits(lambda task: task in self.here)
        self.ahead = 0

    def asked(self, now, **fields):
        task = entry(rate_limit=self.rate)
        return Asked(task=task, now=now, ahead=lambda line: self.ahead if line == LINE else 0, near=NEAR, **fields)

    def come(self, now):
        """A message comes; returns what it is told, and passes when it may."""
        asked = self.asked(now)
        answer = self.gate.ask(asked)
        if answer is PASS:
            self.gate.passed(asked)
            self.here.add(asked.task)
            return asked.task
        return answer

    def start(self, task, now):
        self.here.discard(task)
        self.gate.started(task, now)


def test_only_limited_tasks_are_its_concern():
    gate = RateLimits(lambda task: True)
    assert gate.concerns(entry(rate_limit=1.0))
    assert not gate.concerns(entry())
    assert not gate.concerns_all
    assert gate.opens_in(LINE, 0.0) is None


def test_one_passes_and_the_next_waits_until_it_has_started():
    door = Door(10.0)
    first = door.come(100.0)
    assert door.come(100.0) == Wait(LINE, WaitReason.RATE)
    assert door.gate.opens_in(LINE, 100.0) == LOOK, "it may be in the slot's way for long"
    door.start(first, 100.0)
    assert door.gate.opens_in(LINE, 100.0) == pytest.approx(0.1 - SLACK, abs=0.06)


@pytest.mark.parametrize("late", [0.0, 0.01, 0.3])
def test_starts_are_evenly_spaced_whenever_the_first_is(late):
    door = Door(10.0)
    now, starts = 100.0, []
    for _ in range(30):
        now += door.gate.opens_in(LINE, now) or 0.0
        task = door.come(now)
        now += late
        door.start(task, now)
        starts.append(now)
    assert all(start >= starts[0] + number * 0.1 - SLACK - 1e-9 for number, start in enumerate(starts))
    if late < SLACK:
        assert starts[-1] - starts[0] == pytest.approx(2.9, abs=SLACK + 0.02), "being late is made up for"


def test_time_without_messages_is_not_saved_up():
    door = Door(10.0)
    door.start(door.come(100.0), 100.0)
    door.start(door.come(500.0), 500.0)
    waits = door.gate.opens_in(LINE, 500.0)
    assert 0.1 - SLACK - 1e-9 <= waits <= 0.1


def test_what_has_passed_and_is_gone_is_not_waited_for_ever():
    door = Door(10.0)
    lost = door.come(100.0)
    door.here.discard(lost)
    assert door.come(100.0 + LOOK / 2) == Wait(LINE, WaitReason.RATE)
    assert door.come(100.0 + LOOK) not in (lost, Wait(LINE, WaitReason.RATE))


def test_what_has_passed_and_waits_for_a_slot_is_waited_for():
    door = Door(10.0)
    door.come(100.0)
    for later in (1.0, 2.0, 60.0):
        assert door.come(100.0 + later) == Wait(LINE, WaitReason.RATE)


def test_those_ahead_come_first():
    door = Door(10.0)
    door.ahead = 1
    assert door.come(100.0) == Wait(LINE, WaitReason.RATE)


def test_what_would_wait_for_long_goes_away_each_for_longer_than_the_one_before():
    door = Door(1.0)
    door.start(door.come(100.0), 100.0)
    door.ahead = 5
    away = [door.come(100.0) for _ in range(3)]
    assert all(isinstance(answer, Later) for answer in away)
    first, second, third = (answer.seconds for answer in away)
    assert first == pytest.approx(5.95 - NEAR / 2, abs=0.1), "back a little before its turn"
    assert (second - first, third - second) == pytest.approx((1.0, 1.0))


def drain(rate, count, seconds):
    """Let messages come at once, and again when they come back; returns when they started, and how often one was moved."""
    door, starts, moves, order = Door(rate), [], 0, itertools.count()
    line, away = deque(), [(100.0, next(order)) for _ in range(count)]
    now = 100.0
    while now < 100.0 + seconds and len(starts) < count:
        while away and away[0][0] <= now:
            heapq.heappop(away)
            door.ahead = len(line)
            answer = door.come(now)
            if isinstance(answer, Later):
                moves += 1
                heapq.heappush(away, (now + answer.seconds, next(order)))
            elif isinstance(answer, Wait):
                line.append(answer)
            else:
                door.start(answer, now)
                starts.append(now)
        door.ahead = 0
        while line and not door.gate.opens_in(LINE, now):
            door.start(door.come(now), now)
            starts.append(now)
            line.popleft()
        opens = now + door.gate.opens_in(LINE, now) if line else math.inf
        now = min(opens, away[0][0] if away else math.inf)
    return starts, moves


@pytest.mark.parametrize(("rate", "count"), [(1.0, 300), (20.0, 3000), (1000.0, 70_000)])
def test_a_backlog_is_drained_without_a_gap(rate, count):
    starts, _ = drain(rate, count, math.inf)
    assert len(starts) == count
    assert max(later - earlier for earlier, later in itertools.pairwise(starts)) <= 1 / rate + SLACK
    assert starts[-1] - starts[0] <= count / rate * 1.02


def test_a_large_backlog_is_moved_a_hundred_times_a_second_and_not_more():
    _, moves = drain(1.0, 20_000, 300.0)
    assert moves <= 20_000 + 100 * (300 - FAR) * 1.1


def test_what_is_far_from_its_turn_comes_back_more_often_than_this_worker_needs():
    door = Door(1.0)
    door.start(door.come(100.0), 100.0)
    door.ahead = 5
    away = [door.come(100.0).seconds for _ in range(1000)]
    assert sum(seconds < FAR for seconds in away) == pytest.approx(55, abs=3)
    assert max(away) == pytest.approx(FAR + 945 * RETURN, abs=0.1)


def test_the_first_of_a_line_does_not_wait_here_for_an_hour():
    door = Door(1 / 3600)
    door.start(door.come(100.0), 100.0)
    assert door.gate.opens_in(LINE, 100.0) == 0.0, "it is asked at once"
    assert door.come(100.0) == Later(FAR)


def test_what_is_not_due_is_not_asked_for_a_token():
    door = Door(1.0)
    door.come(100.0)
    assert door.gate.ask(door.asked(100.0, is_due=False)) is PASS


def keyed(key, rate=10.0):
    task = entry(rate_limit=rate)
    task.delivery.headers[KEYS] = {"rate": key}
    return Asked(task=task, now=100.0, ahead=lambda line: 0, near=NEAR)


def test_each_key_has_a_rate_of_its_own():
    gate = Door(10.0).gate
    for key in ("a", "b"):
        asked = keyed(key)
        assert gate.ask(asked) is PASS
        gate.passed(asked)
        gate.started(asked.task, 100.0)
    assert gate.ask(keyed("a")) == Wait("rate:t:a", WaitReason.RATE)
    assert gate.ask(keyed("c")) is PASS
    assert gate.forget("other") == []
    assert sorted(gate.forget("t")) == ["rate:t:a", "rate:t:b", "rate:t:c"]
    assert gate.ask(keyed("a")) is PASS


def test_keys_that_are_over_are_forgotten():
    gate = Door(10.0).gate
    for number in range(3 * MANY_KEYS):
        gate.ask(keyed(f"{number}"))
    assert len(gate._buckets) <= MANY_KEYS


def test_a_rate_of_all_workers_is_another_gates():
    task = entry(rate_limit=1.0, is_rate_shared=True)
    assert not Door(1.0).gate.concerns(task)
