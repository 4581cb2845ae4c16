"""Children that run several jobs at once, one after the other kind: a real process, its board and its socket, without a broker."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from umbel.brokers.base import Delivery
from umbel.pools.base import PoolOptions
from umbel.pools.kinds import KINDS
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.ending import Endings
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.task_log import TaskLog
from unit.pools.shared.jobs import app
from unit.worker.stand_ins import FakeConsumer, FakeStore, acknowledger, task_policy

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork server")
SHARED = [kind for kind in KINDS if kind.is_shared]


class Bench:
    """A worker's pool, dispatcher and supervisor."""

    def __init__(self, kind, slots, folder):
        options = PoolOptions(
            app=app, app_path="unit.pools.shared.jobs:app", hostname="w", slots=slots, changes={}, initializer=None, on_failure=lambda: None
        )
        self.folder = folder
        self.consumer, self.tasks = FakeConsumer(), set()
        self.pool = kind.make(options)
        self.pool.prepare()
        self.acknowledger = acknowledger(self.consumer, FakeStore(), self.spawn)
        self.dispatcher = Dispatcher(self.acknowledger.before_run, None, self.pool.recycle, None, self.spawn)
        self.endings = Endings(self.dispatcher, TaskLog())
        self.limits = TimeLimits(self.dispatcher, self.endings.end_task, TaskLog())
        self.supervisor = Supervisor(self.dispatcher, self.acknowledger, self.limits, TaskLog(), (), self.pool, 5)

    def spawn(self, work):
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    def gate(self, name):
        return self.folder / name

    def offer(self, *jobs, **limits):
        """Have tasks run; their ids, and their names if they have another one."""
        entries = []
        for task_id, name in jobs:
            args = [str(self.gate(task_id))] if name in ("wait", "await") else []
            headers = {"task": name, "id": task_id, "retries": 0, "timelimit": [None, None]}
            body = json.dumps([args, {}, {}]).encode()
            delivery = Delivery(body, headers, "application/json", "utf-8", {}, task_id, 0, "q", "", "q", False, 0)
            entries.append(ReservedTask(delivery, name, task_id, task_policy(name), limits.get("hard"), limits.get("soft")))
        self.dispatcher.offer(entries)

    @property
    def child(self):
        (child,) = self.dispatcher.children
        return child

    @property
    def running(self):
        """Ids of the tasks that the board says are running, in the order of the slots."""
        slots = self.dispatcher.slots()
        return [slot.given[number].id for slot in slots if (number := slot.current()[0]) in slot.given]

    async def until(self, condition):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture(params=SHARED, ids=lambda kind: kind.name)
def play(request, tmp_path):
    """Plays a story on a loop, with a pool of three slots."""

    def run(story):
        async def run():
            bench = Bench(request.param, 3, tmp_path)
            bench.pool.open(bench.supervisor)
            try:
                async with asyncio.timeout(60):
                    await bench.supervisor.first_ready.wait()
                    await story(bench)
            finally:
                bench.pool.kill()
                await bench.supervisor.all_gone.wait()
                bench.pool._template.close()

        asyncio.run(run())

    return run


def test_jobs_run_side_by_side_and_what_waits_behind_a_long_one_goes_to_another_slot(play):
    async def story(bench):
        bench.offer(("a", "wait"), ("b", "await"), ("c", "mark"))
        assert len(bench.dispatcher.children) == 1
        await bench.until(lambda: bench.consumer.acked == ["c"] and bench.running == ["a", "b"])
        bench.dispatcher.pace.learn("wait", 0.00001)
        bench.dispatcher.pace.learn("mark", 0.00001)
        bench.offer(("d", "wait"), *((f"{number}", "mark") for number in range(30)))
        await bench.until(lambda: "d" in bench.running)
        bench.gate("a").touch()
        await bench.until(lambda: bench.dispatcher.relieve(1e12) >= 0 and len(bench.consumer.acked) == 32)
        assert sorted(bench.running) == ["b", "d"]

    play(story)


def test_a_death_is_blamed_on_all_that_ran_and_on_nothing_that_waited(play):
    async def story(bench):
        bench.offer(("a", "wait"), ("b", "await"))
        await bench.until(lambda: bench.running == ["a", "b"])
        first = bench.child
        for name in ("die", "mark"):
            bench.dispatcher.pace.learn(name, 0.00001)
        bench.offer(("c", "die"), ("d", "mark"), ("e", "mark"))
        await bench.until(lambda: bench.dispatcher.children and bench.child is not first)
        await bench.until(lambda: len(bench.consumer.acked) == 2)
        assert sorted(bench.consumer.blamed) == ["a", "b", "c"]
        assert sorted(bench.consumer.acked) == ["d", "e"]

    play(story)


@pytest.mark.parametrize("name", ["wait", "await"])
def test_a_soft_limit_interrupts_the_job_of_one_slot(play, name):
    async def story(bench):
        bench.offer(("a", "wait"), ("b", "await"))
        bench.offer(("c", name), soft=0.01)
        await bench.until(lambda: len(bench.running) == 3)
        await bench.until(lambda: bench.limits.look(1e12) or bench.consumer.acked)
        assert bench.consumer.acked == ["c"]
        assert bench.running == ["a", "b"]

    play(story)


@pytest.mark.parametrize("name", ["wait", "await"])
def test_a_hard_limit_ends_one_job_and_its_neighbours_notice_nothing(play, name):
    async def story(bench):
        bench.offer(("a", "wait"), ("b", "await"))
        bench.offer(("c", name), hard=0.01)
        await bench.until(lambda: len(bench.running) == 3)
        first = bench.child
        bench.limits.look(1e12)
        await bench.until(lambda: bench.consumer.acked == ["c"])
        assert bench.child is first
        assert bench.running == ["a", "b"]

    play(story)


def test_a_job_that_cannot_be_ended_takes_its_child_with_it_and_its_neighbours_run_again_without_blame(play):
    async def story(bench):
        bench.offer(("a", "await"), ("b", "await"))
        bench.offer(("c", "stubborn"), hard=0.01)
        await bench.until(lambda: len(bench.running) == 3)
        first = bench.child
        bench.limits.look(1e12)
        bench.endings.look(1e12)
        await bench.until(lambda: len(bench.dispatcher.children) == 2)
        bench.gate("a").touch()
        await bench.until(lambda: bench.consumer.acked == ["a"])
        bench.endings.look(1e13)
        await bench.until(lambda: first not in bench.dispatcher.children and bench.running == ["b"])
        await bench.until(lambda: bench.consumer.acked == ["a", "c"])  # it has failed
        assert bench.consumer.blamed == []

    play(story)


def test_what_would_end_its_process_is_blamed_alone(play):
    async def story(bench):
        bench.offer(("a", "await"), ("b", "leave"))
        await bench.until(lambda: bench.consumer.blamed == ["b"])
        assert bench.running == ["a"]

    play(story)


def test_it_ends_when_its_jobs_are_done_and_another_size_follows(play):
    async def story(bench):
        bench.offer(("a", "await"), ("b", "mark"))
        await bench.until(lambda: bench.consumer.acked == ["b"])
        first = bench.child
        bench.pool.resize(5)
        await bench.until(lambda: len(bench.dispatcher.children) == 2)
        second = next(child for child in bench.dispatcher.children if child is not first)
        bench.offer(*((f"{number}", "await") for number in range(5)))
        await bench.until(lambda: all(slot.current()[0] for slot in second.slots))
        bench.gate("a").touch()
        await bench.until(lambda: list(bench.dispatcher.children) == [second])
        assert sorted(bench.consumer.acked) == ["a", "b"]
        assert not bench.consumer.blamed

    play(story)
