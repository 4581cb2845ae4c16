from __future__ import annotations

import pytest

from umbel.leases.base import Grant, Lease
from umbel.messages.task_keys import KEYS
from umbel.testing.coroutines import on_loop
from umbel.worker.leases.held_keys import HeldKeys, free_key
from unit.worker.stand_ins import entry, outcome

NAME = "unique:t:k"
WAITING, RUNNING = 600.0, 3.0


class Keeper:
    """Remembers what it is asked for."""

    def __init__(self, *, is_there=True):
        self.steps, self.is_there = [], is_there

    def ask(self, lease, answer=None):
        self.steps.append(("ask", lease))
        self.answer = answer

    def renew(self, lease, answer=None):
        self.steps.append(("renew", lease))
        self.answer = answer

    def give_up(self, lease):
        self.steps.append(("give up", lease))

    async def done(self, seconds):
        return self.is_there

    def take(self):
        steps, self.steps = self.steps, []
        return steps


class Stage:
    def __init__(self, until="finish"):
        self.keeper, self.here = Keeper(), set()
        self.keys = HeldKeys(self.keeper, lambda task: task in self.here, RUNNING)
        self.task = entry()
        self.task.delivery.headers[KEYS] = {"unique": "k", "until": until, "for": WAITING}
        self.here.add(self.task)

    async def start(self):
        await self.keys.before_start(self.task)
        return self.keeper.take()

    def goes_on(self):
        return self.keeper.take() == [("renew", Lease(NAME, "i", WAITING))] and not self.keys


@on_loop
async def test_a_key_is_held_for_a_lease_from_the_start_on_and_renewed():
    stage = Stage()
    assert await stage.start() == [("ask", Lease(NAME, "i", RUNNING))]
    assert stage.keys
    stage.keys.look(100.0)
    stage.keys.look(100.5)
    stage.keys.look(101.0)
    assert stage.keeper.take() == [("renew", Lease(NAME, "i", RUNNING))] * 2, "three times in its length"


@on_loop
async def test_a_key_until_the_start_is_free_then():
    stage = Stage("start")
    assert await stage.start() == [("give up", Lease(NAME, "i", 0.0))]
    assert not stage.keys


@on_loop
async def test_a_key_until_a_newer_call_is_left_alone():
    stage = Stage("newer")
    assert await stage.start() == []
    assert not stage.keys


@on_loop
async def test_a_store_that_is_away_does_not_hold_up_a_start_for_ever(caplog):
    stage = Stage()
    stage.keeper.is_there = False
    await stage.start()
    assert "Task t[i] starts, though the lease store could not be told" in caplog.text


@on_loop
async def test_one_that_was_lost_while_the_store_was_away_is_taken_again():
    stage = Stage()
    await stage.start()
    stage.keys.look(100.0)
    stage.keeper.answer(True)
    assert stage.keeper.take() == [("renew", Lease(NAME, "i", RUNNING))]
    stage.keys.look(102.0)
    stage.keeper.answer(False)
    assert stage.keeper.take() == [("renew", Lease(NAME, "i", RUNNING)), ("ask", Lease(NAME, "i", RUNNING))]
    stage.keeper.answer(Grant(is_held=True))
    assert stage.keys


@on_loop
async def test_one_that_another_call_has_got_meanwhile_is_let_go(caplog):
    stage = Stage()
    await stage.start()
    stage.keys.look(100.0)
    stage.keeper.answer(False)
    stage.keeper.answer(Grant(is_held=False, other="another"))
    assert not stage.keys
    assert "Task t[i] runs on without its unique key: the lease was lost, and another has it now" in caplog.text


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "IGNORED", "REJECTED"])
@on_loop
async def test_of_one_that_has_ended_its_child_has_freed_it(state):
    stage = Stage()
    await stage.start()
    stage.keys.ended([(entry("other"), outcome(1)), (stage.task, outcome(2, state=state))])
    assert not stage.keys
    assert stage.keeper.take() == []


@pytest.mark.parametrize("how", [{"state": "RETRY"}, {"state": "REJECTED", "verdict": 1}])
@on_loop
async def test_one_that_goes_on_has_it_as_long_as_any_that_waits(how):
    stage = Stage()
    await stage.start()
    stage.keys.ended([(stage.task, outcome(1, **how))])
    assert stage.goes_on()


@on_loop
async def test_one_that_is_here_no_more_may_have_gone_back_to_its_queue():
    stage = Stage()
    await stage.start()
    stage.here.clear()
    stage.keys.look(0.0)
    assert stage.goes_on()


@on_loop
async def test_what_still_runs_when_the_worker_ends_goes_back():
    stage = Stage()
    await stage.start()
    await stage.keys.end()
    assert stage.goes_on()


@pytest.mark.parametrize("until", ["start", "finish"])
@on_loop
async def test_a_message_that_is_not_run_frees_its_key(until):
    stage = Stage(until)
    await free_key(stage.keeper, stage.task.delivery)
    assert stage.keeper.take() == [("give up", Lease(NAME, "i", 0.0))]


@pytest.mark.parametrize(
    "headers",
    [{KEYS: "forged"}, {"id": None}, {"task": 7}, {KEYS: {"unique": "k", "until": "newer", "for": 1.0}}],
    ids=["no keys", "no id", "no task", "newer"],
)
@on_loop
async def test_and_one_that_has_none_does_not(headers):
    stage = Stage()
    stage.task.delivery.headers.update(headers)
    await free_key(stage.keeper, stage.task.delivery)
    assert stage.keeper.take() == []
