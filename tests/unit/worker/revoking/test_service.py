from __future__ import annotations

import asyncio
import signal

import pytest

from umbel.results.revocations.memory import MemoryRevocations
from umbel.runtime.clock import SYSTEM
from umbel.testing.coroutines import on_loop
from umbel.worker.revoking.keeping import Keeping
from umbel.worker.revoking.service import CannotTerminate, Revoking
from umbel.worker.slots.ending import Endings
from umbel.worker.slots.supervisor import Supervisor
from umbel.worker.task_index import TaskIndex
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import delivery
from unit.worker.test_intake import Bench
from unit.worker.test_pool_service import FakePool, Limits


class Stage(Bench):
    """An intake and its revoking."""

    def __init__(self, *, kills=True, stores=(), **options):
        super().__init__(**options)
        self.index = TaskIndex(self.dispatcher, self.intake.holding.room)
        keeping = Keeping([("memory", store) for store in stores], 100, 60.0, self.spawn)
        self.service = Revoking(
            self.revoked,
            self.gates,
            self.index,
            self.dispatcher,
            self.intake,
            self.acknowledger,
            keeping,
            Endings(self.dispatcher, TaskLog()),
            kills=kills,
        )
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
    supervisor = Supervisor(stage.dispatcher, stage.acknowledger, Limits(), stage.events, (), FakePool(), 5)
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
    assert list(stage.revoked.ids) == ["a"]


@on_loop
async def test_the_signal_that_was_asked_for_is_told_and_who_was_ended():
    stage = Stage()
    supervisor = Supervisor(stage.dispatcher, stage.acknowledger, Limits(), stage.events, (), FakePool(), 5)
    stage.dispatcher.add_child(stage.child)
    await stage.service.start()
    stage.intake.on_deliveries([delivery("runs"), delivery("waits")])
    stage.child.begin(1)
    assert stage.service.revoke_ids({"runs", "waits", "gone"}, signal.SIGTERM) == {"runs", "waits"}
    supervisor.on_death(stage.child, "signal 9")
    await stage.calm()
    assert sorted(stage.signals) == [("runs", signal.SIGTERM), ("waits", None)]


@on_loop
async def test_sigusr1_interrupts_the_task_and_leaves_its_child():
    stage = Stage(kills=False)
    stage.dispatcher.add_child(stage.child)
    await stage.service.start()
    stage.intake.on_deliveries([delivery("a")])
    stage.child.begin(1)
    assert stage.service.revoke_ids({"a"}, signal.SIGUSR1) == {"a"}
    assert (stage.child.interrupted, stage.child.killed) == ([1], False)


@on_loop
async def test_where_nothing_can_be_killed_that_is_said_and_all_are_revoked_all_the_same():
    stage = Stage(kills=False)
    stage.dispatcher.add_child(stage.child)
    await stage.service.start()
    stage.intake.on_deliveries([delivery("a"), delivery("b")])
    stage.child.begin(1)
    with pytest.raises(CannotTerminate, match="task a runs and cannot be ended"):
        stage.service.revoke_ids({"a", "b"}, signal.SIGKILL)
    await stage.calm()
    assert stage.consumer.acked == ["b"]
    assert list(stage.revoked.ids) == ["a", "b"] or set(stage.revoked.ids) == {"a", "b"}
    stage.service.revoke({"a"}, terminate=True)  # from a thread: it is logged
    await asyncio.sleep(0)


def stamped(task_id, **stamps):
    return delivery(task_id, stamped_headers=list(stamps), stamps=stamps)


@on_loop
async def test_stamps_revoke_what_is_here_and_what_is_to_come():
    stage = Stage(rate_limit=0.5)
    await stage.service.start()
    stage.intake.on_deliveries([stamped("ready", tenant="acme"), stamped("waits", tenant=["acme"]), stamped("stays", tenant="other")])
    assert stage.service.revoke_stamps({("tenant", "acme")}, None) == {"ready", "waits"}
    stage.intake.on_deliveries([stamped("to come", tenant="acme")])
    await stage.calm()
    assert sorted(stage.consumer.acked) == ["ready", "to come", "waits"]


@on_loop
async def test_what_is_revoked_is_kept_and_the_next_life_knows_it():
    store = MemoryRevocations()
    first, second = Stage(stores=[store]), Stage(stores=[store])
    await first.service.start()
    first.service.revoke_ids({"a"}, None)
    first.service.revoke_stamps({("tenant", "acme")}, None)
    await first.calm()
    await second.service.start()
    assert (list(second.revoked.ids), list(second.revoked.stamps)) == (["a"], [("tenant", "acme")])
    second.intake.on_deliveries([delivery("a"), stamped("b", tenant="acme"), delivery("c")])
    await second.calm()
    assert second.consumer.acked == ["a", "b"]


@on_loop
async def test_what_others_tell_ends_what_waits_here_and_leaves_what_runs():
    stage = Stage()
    stage.dispatcher.add_child(stage.child)
    await stage.service.start()
    stage.intake.on_deliveries([delivery("runs"), delivery("waits")])
    stage.child.begin(1)
    stage.service.learn({"runs": SYSTEM.now(), "waits": SYSTEM.now(), "\x1fdamaged": SYSTEM.now(), "old": SYSTEM.now() - 100})
    await stage.calm()
    assert stage.consumer.acked == ["waits"]
    assert set(stage.revoked.ids) == {"runs", "waits"}
