"""Children come, die, are replaced, and are let go, without processes."""

from __future__ import annotations

import asyncio
import os

import pytest

from umbel import Umbel
from umbel.pools import prefork
from umbel.pools.base import PoolOptions
from umbel.pools.kinds import kind_of
from unit.worker.stand_ins import FakeChild

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork server")
PREFORK, THREADS = kind_of("prefork"), kind_of("threads")


class Child(FakeChild):
    """Notes what it is told."""

    def __init__(self, _context, options, _listener, target, *, is_shared, start_timeout):
        super().__init__(options.index, options.slots)
        self.is_shared = is_shared
        self.options, self.target = options, target
        self.is_ready = False
        self.told, self.closed = [], False

    def quit(self):
        self.told.append("quit")
        self.is_ready = False

    def kill(self):
        self.told.append("kill")

    def close(self):
        self.closed = True


@pytest.fixture
def made(monkeypatch):
    """The children that were made, in their order."""
    children = []

    def make(*arguments, **named):
        children.append(Child(*arguments, **named))
        return children[-1]

    monkeypatch.setattr(prefork, "ChildProcess", make)
    return children


def pool(slots=2, kind=PREFORK, processes=1):
    app = Umbel("proj", set_as_current=False)
    options = PoolOptions(
        app=app, app_path="proj:app", hostname="w", slots=slots, processes=processes, changes={}, initializer=None, on_failure=lambda: None
    )
    one = kind.make(options)
    one.prepare()
    one.open(None)
    return one


def ready(children):
    for child in children:
        child.is_ready = True


def indexes(children):
    return [child.index for child in children]


def test_it_starts_as_many_children_as_it_has_slots(made):
    pool(3)
    assert indexes(made) == [1, 2, 3]
    assert all(len(child.slots) == 1 for child in made)


def test_a_kind_may_have_all_its_slots_in_one_child(made):
    pool(3, THREADS)
    (child,) = made
    assert len(child.slots) == child.options.slots == 3


def test_a_dead_child_is_replaced_under_its_number(made):
    one = pool(2)
    one.replace(made[0])
    assert made[0].closed
    assert indexes(made) == [1, 2, 1]


def test_children_that_die_in_a_burst_are_replaced_a_little_later(made, monkeypatch):
    monkeypatch.setattr(prefork, "_PENALTY", 0.01)

    async def story():
        one = pool(1)
        for _ in range(6):
            made[-1].came_up = True
            one.replace(made[-1])
        assert len(made) == 6
        assert one.is_empty
        while one.is_empty:
            await asyncio.sleep(0.001)
        assert indexes(made) == [1] * 7

    asyncio.run(asyncio.wait_for(story(), 20))


def test_one_that_fails_to_start_again_and_again_is_tried_less_and_less_often(made, monkeypatch):
    async def story():
        one, delays = pool(1), []
        monkeypatch.setattr(one, "_start_later", lambda index, seconds: delays.append(seconds) or one._start(index))
        monkeypatch.setattr(prefork, "_BURST", -1)
        for _ in range(11):
            one.replace(made[-1])
        assert delays == [1, 2, 4, 8, 16, 30, 30, 30]
        made[-1].came_up = True
        one.replace(made[-1])
        one.replace(made[-1])
        assert len(delays) == 8

    asyncio.run(story())


def test_a_child_that_cannot_be_started_is_started_a_little_later(made, monkeypatch, caplog):
    monkeypatch.setattr(prefork, "_PENALTY", 0.01)
    make, failures = prefork.ChildProcess, [OSError("no processes")]

    def failing(*arguments, **named):
        if failures:
            raise failures.pop()
        return make(*arguments, **named)

    monkeypatch.setattr(prefork, "ChildProcess", failing)

    async def story():
        one = pool(1)
        assert one.is_empty
        while one.is_empty:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(story(), 20))
    assert "A child cannot be started; trying again in 0.01 s: no processes" in caplog.text


def test_a_recycled_child_ends_at_once_when_it_is_idle(made):
    one = pool(1)
    ready(made)
    one.recycle(made[0])
    assert made[0].told == ["quit"]
    one.replace(made[0])
    assert indexes(made) == [1, 1]


def test_a_recycled_child_ends_when_its_jobs_are_done_and_takes_no_more(made):
    one = pool(1)
    ready(made)
    (child,) = made
    child.slots[0].given[1] = "a job"
    one.recycle(child)
    assert child.told == []
    assert not child.slots[0].takes_more
    child.slots[0].given.clear()
    one.recycle(child)
    one.recycle(child)
    assert child.told == ["quit"]


def test_it_grows_at_once(made):
    one = pool(2)
    one.resize(4)
    assert one.slots == 4
    assert indexes(made) == [1, 2, 3, 4]


def test_it_shrinks_when_jobs_are_done(made):
    one = pool(3)
    ready(made)
    for child in (made[0], made[2]):
        child.slots[0].given[7] = "a job"
    one.resize(1)
    assert [child.told for child in made] == [[], ["quit"], []]
    assert made[2].is_spent
    made[2].slots[0].given.clear()
    one.recycle(made[2])  # as the dispatcher does at the job's end
    assert made[2].told == ["quit"]
    for child in made[1:]:
        one.replace(child)
    assert len(made) == 3
    assert not one.is_empty


def test_a_child_that_is_let_go_while_it_loads_gets_no_job(made):
    one = pool(2)
    one.resize(1)
    (late,) = [child for child in made if child.told]
    assert late.told == ["quit"]
    late.is_ready = True  # it says so before it has read that it is to end
    assert not late.slots[0].takes_more


def test_numbers_are_used_again_only_when_they_are_free(made):
    one = pool(2)
    ready(made)
    one.resize(1)
    one.resize(2)
    assert made[1].told == ["quit"]
    assert indexes(made) == [1, 2, 3]
    one.replace(made[1])
    assert indexes(made) == [1, 2, 3]
    one.resize(3)
    assert indexes(made) == [1, 2, 3, 2]


def test_what_is_to_be_started_later_counts(made, monkeypatch):
    monkeypatch.setattr(prefork, "_PENALTY", 0.01)

    async def story():
        one = pool(2)
        for _ in range(6):
            made[-1].came_up = True
            one.replace(made[-1])
        before = len(made)
        one.resize(3)
        assert len(made) == before + 1
        one.resize(1)
        await asyncio.sleep(0.05)
        assert len(made) == before + 1

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_kind_with_one_child_gets_a_new_one_before_the_old_one_ends(made):
    one = pool(10, THREADS)
    ready(made)
    made[0].slots[3].given[1] = "a job"
    one.resize(20)
    assert [len(child.slots) for child in made] == [10, 20]
    assert made[0].is_spent
    made[0].slots[3].given.clear()
    one.recycle(made[0])
    one.replace(made[0])
    assert len(made) == 2


def test_shared_children_have_the_same_number_of_slots(made):
    one = pool(10, THREADS, processes=4)
    assert [len(child.slots) for child in made] == [3, 3, 3, 3]
    assert one.slots == 12
    one.resize(2)
    assert [len(child.slots) for child in made[4:]] == [1, 1]
    assert one.slots == 2


def test_a_recycled_shared_child_is_replaced_at_once_and_ends_when_its_jobs_are_done(made):
    one = pool(10, THREADS)
    ready(made)
    made[0].slots[3].given[1] = "a job"
    one.recycle(made[0])
    assert (indexes(made), made[0].told) == ([1, 2], [])
    made[0].slots[3].given.clear()
    one.recycle(made[0])
    assert (len(made), made[0].told) == (2, ["quit"])
    one.replace(made[0])
    assert len(made) == 2


def test_sizes_that_make_no_sense_are_refused(made):
    with pytest.raises(ValueError, match="at least 1 slot, got 0"):
        pool(1).resize(0)
    with pytest.raises(ValueError, match="exactly 1 slot, got 2"):
        kind_of("solo").make(None).resize(2)


@pytest.mark.parametrize("how", ["close", "kill"])
def test_it_does_not_grow_while_it_closes(made, how):
    one = pool(2)
    ready(made)
    getattr(one, how)()
    one.resize(5)
    one.replace(made[0])
    one.replace(made[1])
    assert len(made) == 2
    assert one.is_empty


def test_it_may_shrink_and_close_together(made):
    one = pool(3)
    ready(made)
    made[2].slots[0].given[1] = "a job"
    one.resize(2)
    one.close()
    for child in made:
        one.replace(child)
    assert one.is_empty
    assert len(made) == 3


def test_after_a_restart_children_come_of_another_template_and_the_old_one_ends_with_its_last(made, monkeypatch):
    templates = []

    class Template:
        def __init__(self, recipe, _patched, *, spawns):
            self.recipe, self.closed, self.warm = recipe, 0, False
            templates.append(self)

        def context(self):
            return self

        def warm_up(self):
            self.warm = True

        def close(self):
            self.closed += 1

    monkeypatch.setattr(prefork, "Template", Template)
    one = pool(2)
    ready(made)
    one.restart()
    old, new = templates
    assert new.warm
    assert new.recipe is old.recipe
    for child in made[:2]:
        one.recycle(child)
    one.replace(made[0])
    assert old.closed == 0, "the other child ends with it"
    one.replace(made[1])
    assert (old.closed, new.closed) == (1, 0)
    assert indexes(made) == [1, 2, 1, 2]
    one.replace(made[2])
    assert old.closed == 1


def test_idle_children_go_first_and_those_that_go_stay_on_when_they_are_wanted_again(made):
    one = pool(4)
    ready(made)
    for child in made[2:]:
        child.slots[0].given[1] = "a job"
    one.resize(2)
    assert [child.told for child in made] == [["quit"], ["quit"], [], []]
    one.resize(1)
    assert made[3].is_spent
    assert made[3].told == []
    one.resize(2)
    assert not made[3].is_spent
    assert len(made) == 4
