from __future__ import annotations

import asyncio

from umbel.testing.coroutines import on_loop
from umbel.worker.revoking import Revoking
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.task_index import TaskIndex
from unit.worker.stand_ins import delivery
from unit.worker.test_intake import Bench
from unit.worker.test_pool_service import FakePool, Limits


class Stage(Bench):
    """An intake and its revoking."""

    def __init__(self, **options):
        super().__init__(**options)
        index = TaskIndex(self.dispatcher, self.intake.holding.room)
        self.service = Revoking(self.revoked, self.gates, index, self.dispatcher, self.intake, self.acknowledger)
        self.signals = []
        self.events.revoked.listen(lambda delivery, signum: self.signals.append((delivery.headers["id"], signum)))

    async def revoke(self, *ids, terminate=False):
        await self.service.start()
        self.service.revoke(set(ids), terminate=terminate)
        await asyncio.sleep(0)
        await self.calm()

    def states(self):
        return {record.task_id: record.status for record in self.store.records}


@on_loop
async def test_what_waits_or_is_ready_ends_at_once():
    stage = Stage(rate_limit=0.5)
    stage.intake.on_deliveries([delivery("ready"), delivery("waits"), delivery("stays")])
    await stage.revoke("ready", "waits", "to come")
    assert sorted(stage.consumer.acked) == ["ready", "waits"]
    assert stage.states() == {"ready": "REVOKED", "waits": "REVOKED"}
    assert sorted(stage.signals) == [("ready", None), ("waits", None)]
    stage.intake.on_deliveries([delivery("to come")])
    await stage.calm()
    assert stage.states()["to come"] == "REVOKED"
    assert stage.intake.holding.held == 1


@on_loop
async def test_what_a_child_has_not_begun_is_taken_back_and_the_others_stay():
    stage = Stage()
    stage.dispatcher.pace.learn("t", 0.00001)
    stage.dispatcher.add_child(stage.child)
    stage.intake.on_deliveries([delivery(name) for name in "abc"])
    stage.child.begin(1)
    await stage.revoke("b")
    assert stage.consumer.acked == ["b"]
    assert [task.id for task in stage.dispatcher.running()] == ["a", "c"]


@on_loop
async def test_what_runs_goes_on_unless_it_is_to_be_terminated():
    stage = Stage()
    supervisor = Supervisor(stage.dispatcher, stage.acknowledger, Limits(), stage.events, FakePool(), 5)
    stage.dispatcher.add_child(stage.child)
    stage.intake.on_deliveries([delivery("a")])
    stage.child.begin(1)
    await stage.revoke("a")
    assert not stage.child.killed
    await stage.revoke("a", terminate=True)
    assert stage.child.killed
    supervisor.on_death(stage.child, "signal 9")
    await stage.calm()
    assert (stage.consumer.acked, stage.consumer.blamed) == (["a"], [])
    assert stage.states() == {"a": "REVOKED"}
    assert stage.signals == [("a", 9)]


@on_loop
async def test_what_is_about_to_begin_is_ended_as_soon_as_it_has_begun():
    stage = Stage(acks_late=False)
    stage.dispatcher._before_run = stage.acknowledger.before_run
    stage.dispatcher.add_child(stage.child)
    stage.intake.on_deliveries([delivery("a")])
    await stage.calm()
    await stage.revoke("a", terminate=True)
    assert not stage.child.killed
    stage.child.begin(1)
    while not stage.child.killed:
        await asyncio.sleep(0.01)


def test_before_the_worker_starts_ids_are_remembered():
    async def made():
        return Stage()

    stage = asyncio.run(made())
    stage.service.revoke({"a"}, terminate=True)
    assert list(stage.revoked) == ["a"]
