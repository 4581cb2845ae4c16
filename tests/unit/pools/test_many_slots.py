"""A child with several slots, by the same code as children with one: a real process, its board and its socket, without a broker."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace as altered

import pytest

from umbel import Umbel
from umbel.brokers.base import Delivery
from umbel.pools.base import PoolOptions
from umbel.pools.kinds import kind_of
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import FakeConsumer, FakeStore, acknowledger, task_policy

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork server")
THREADS = altered(kind_of("prefork"), slots_per_child=None, child_main="unit.pools.many_slots:main")


class Bench:
    """A worker's pool, dispatcher and supervisor."""

    def __init__(self, slots):
        app = Umbel("proj", broker="memory://", set_as_current=False)
        options = PoolOptions(app=app, app_path="", hostname="w", slots=slots, changes={}, initializer=None, on_failure=lambda: None)
        self.consumer, self.tasks = FakeConsumer(), set()
        self.pool = THREADS.make(options)
        self.pool.prepare()
        self.acknowledger = acknowledger(self.consumer, FakeStore(), self.spawn)
        self.dispatcher = Dispatcher(self.acknowledger.before_run, None, self.pool.recycle, None, self.spawn)
        self.limits = TimeLimits(self.dispatcher, TaskLog())
        self.supervisor = Supervisor(self.dispatcher, self.acknowledger, self.limits, TaskLog(), self.pool, 5)

    def spawn(self, work):
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    def offer(self, *jobs, **limits):
        entries = []
        for name, body in jobs:
            delivery = Delivery(body, {"task": "t", "id": name}, "", "", {}, name, 0, "q", "", "q", False, 0)
            entries.append(ReservedTask(delivery, "t", name, task_policy("t"), limits.get("hard"), limits.get("soft")))
        self.dispatcher.offer(entries)

    @property
    def child(self):
        (child,) = self.dispatcher.children
        return child

    @property
    def running(self):
        """Ids of the tasks that the board says are running, in the order of the slots."""
        return [slot.given[number].id for slot in self.child.slots if (number := slot.current()[0]) in slot.given]

    async def until(self, condition):
        while not condition():
            await asyncio.sleep(0.005)


def story(function):
    """A test on a loop, with a pool of three slots."""

    def test():
        async def run():
            bench = Bench(3)
            bench.pool.open(bench.supervisor)
            try:
                async with asyncio.timeout(30):
                    await bench.supervisor.first_ready.wait()
                    await function(bench)
            finally:
                bench.pool.kill()
                await bench.supervisor.all_gone.wait()
                bench.pool._template.close()

        asyncio.run(run())

    return test


@story
async def test_its_slots_run_jobs_side_by_side(bench):
    bench.offer(("a", b"wait"), ("b", b"wait"), ("c", b""))
    assert len(bench.dispatcher.children) == 1
    await bench.until(lambda: bench.consumer.acked == ["c"] and len(bench.running) == 2)
    bench.offer(("d", b""))
    await bench.until(lambda: bench.consumer.acked == ["c", "d"])
    assert bench.running == ["a", "b"]


@story
async def test_what_waits_behind_a_long_job_is_taken_back_and_run_in_another_slot(bench):
    bench.dispatcher.pace.learn("t", 0.00001)
    bench.offer(*((f"{number}", b"wait" if number == 0 else b"") for number in range(30)))
    await bench.until(lambda: bench.running)
    await bench.until(lambda: bench.dispatcher.relieve(1e12) >= 0 and len(bench.consumer.acked) == 29)
    assert bench.running == ["0"]
    assert "0" not in bench.consumer.acked


@story
async def test_a_death_is_blamed_on_all_that_ran_and_on_nothing_that_waited(bench):
    bench.offer(("a", b"wait"), ("b", b"wait"))
    await bench.until(lambda: len(bench.running) == 2)
    first = bench.child
    bench.dispatcher.pace.learn("t", 0.00001)
    bench.offer(("c", b"die"), ("d", b""), ("e", b""))
    await bench.until(lambda: bench.dispatcher.children and bench.child is not first)
    await bench.until(lambda: len(bench.consumer.acked) == 2)
    assert sorted(bench.consumer.blamed) == ["a", "b", "c"]
    assert sorted(bench.consumer.acked) == ["d", "e"]


@story
async def test_a_soft_limit_interrupts_the_job_of_one_slot(bench):
    bench.offer(("a", b"wait"))
    bench.offer(("b", b"wait"), soft=0.01)
    await bench.until(lambda: len(bench.running) == 2)
    await bench.until(lambda: bench.limits.look(1e12) or bench.consumer.acked)
    assert bench.consumer.acked == ["b"]
    assert bench.running == ["a"]


@story
async def test_a_hard_limit_ends_the_child_and_its_neighbours_run_again_without_blame(bench):
    bench.offer(("a", b"wait"))
    bench.offer(("b", b"wait"), hard=0.01)
    await bench.until(lambda: len(bench.running) == 2)
    first = bench.child
    bench.limits.look(1e12)
    await bench.until(lambda: bench.dispatcher.children and bench.child is not first and bench.running == ["a"])
    await bench.until(lambda: bench.consumer.acked == ["b"])  # it has failed
    assert bench.consumer.blamed == []


@story
async def test_it_ends_when_its_jobs_are_done_and_another_size_follows(bench):
    bench.offer(("a", b"wait"), ("b", b""))
    await bench.until(lambda: bench.consumer.acked == ["b"])
    first = bench.child
    bench.pool.resize(5)
    await bench.until(lambda: len(bench.dispatcher.children) == 2)
    bench.offer(*((f"{number}", b"wait") for number in range(5)))
    second = next(child for child in bench.dispatcher.children if child is not first)
    await bench.until(lambda: all(slot.current()[0] for slot in second.slots))
    first.interrupt(0, first.slots[0].current()[0])
    await bench.until(lambda: list(bench.dispatcher.children) == [second])
    assert sorted(bench.consumer.acked) == ["a", "b"]
    assert not bench.consumer.blamed
