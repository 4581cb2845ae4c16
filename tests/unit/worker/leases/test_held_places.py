from __future__ import annotations

import asyncio

from umbel.leases.base import Grant, Lease
from umbel.worker.leases.held_places import HeldPlaces
from unit.worker.leases.test_held_keys import Keeper
from unit.worker.stand_ins import entry, outcome

PLACE = Lease("concurrency:t:k", "worker:1", 3.0, 3)


class Gate:
    def __init__(self):
        self.told, self.looks, self.closed = [], 0, False

    def freed(self, name):
        self.told.append(name)

    def look(self, now):
        self.looks += 1

    def close(self):
        self.closed = True


class Stage:
    def __init__(self):
        self.keeper, self.gate, self.here, self.task = Keeper(), Gate(), set(), entry()
        self.places = HeldPlaces(self.keeper, lambda task: task in self.here, self.gate, 3.0)
        self.here.add(self.task)
        self.places.hold(self.task, PLACE)


def test_a_place_is_given_up_when_its_task_has_ended_and_looked_for_again():
    stage = Stage()
    assert stage.places
    stage.places.ended([(entry("other"), outcome(1)), (stage.task, outcome(2, state="RETRY"))])
    assert stage.keeper.take() == [("give up", PLACE)]
    assert stage.gate.told == [PLACE.name]
    assert not stage.places


def test_it_is_renewed_as_long_as_its_task_is_here():
    stage = Stage()
    for now in (100.0, 100.5, 101.0, 101.5):
        stage.places.look(now)
    assert stage.keeper.take() == [("renew", PLACE)] * 2
    assert stage.gate.looks == 4


def test_it_is_given_up_when_its_task_is_here_no_more():
    stage = Stage()
    stage.here.clear()
    stage.places.look(100.0)
    assert stage.keeper.take() == [("give up", PLACE)]
    assert stage.gate.told == [PLACE.name]


def test_one_that_was_lost_while_the_store_was_away_is_taken_again(caplog):
    stage = Stage()
    stage.places.look(100.0)
    stage.keeper.answer(False)
    assert stage.keeper.take() == [("renew", PLACE), ("ask", PLACE)]
    stage.keeper.answer(Grant(is_held=True))
    assert not caplog.messages


def test_a_task_that_runs_beyond_the_limit_is_told_of_once(caplog):
    stage = Stage()
    for now in (100.0, 102.0):
        stage.places.look(now)
        stage.keeper.answer(False)
        stage.keeper.answer(Grant(is_held=False, other="another"))
    assert caplog.messages == ["Task t[i] runs beyond the limit of 3: its place was lost while the lease store was away"]


def test_one_that_is_got_again_too_late_is_given_up():
    stage = Stage()
    stage.places.look(100.0)
    stage.keeper.answer(False)
    told = stage.keeper.answer
    stage.places.ended([(stage.task, outcome(1))])
    stage.keeper.take()
    told(Grant(is_held=True))
    assert stage.keeper.take() == [("give up", PLACE)]


def test_all_are_given_up_when_the_worker_stops():
    stage = Stage()
    asyncio.run(stage.places.end())
    assert stage.keeper.take() == [("give up", PLACE)]
    assert stage.gate.closed
