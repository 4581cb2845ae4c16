import asyncio
import json
import pickle
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from umbel.brokers.base import ConnectionState
from umbel.errors import MessageTooLarge
from umbel.messages import protocols, v1
from umbel.messages.model import TaskMessage
from umbel.runtime.clock import SYSTEM
from umbel.testing.coroutines import on_loop
from umbel.wire.serializers import content_types
from umbel.worker.gates.base import Gates
from umbel.worker.gates.rate_limits import RateLimits
from umbel.worker.gates.revoked import Revoked
from umbel.worker.gates.shared_rates import SharedRates
from umbel.worker.intake import Intake
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.tasks.admission import AdmissionPolicy
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import FakeChild, FakeConsumer, FakeStore, acknowledger, delivery, entry, outcome, task_policy


class Bench:
    """An intake with everything around it but a broker and children."""

    def __init__(self, *, careful=False, leases=False, **options):
        self.tasks = set()
        self.consumer, self.store, self.child = FakeConsumer(), FakeStore(), FakeChild()
        self.dispatcher = Dispatcher(None, None, None, None, self.spawn)
        self.events = TaskEvents()
        self.revoked = Revoked.remembering(100, 60.0)
        self.rate_limits = RateLimits(self.dispatcher.holds)
        self.asked_turns = []
        self.shared_rates = SharedRates(
            lambda turns, told: self.asked_turns.append((turns, told)), self.dispatcher.holds, self.reopen, SYSTEM.monotonic
        )
        self.gates = Gates(self.revoked.ids, self.revoked.stamps, self.rate_limits, self.shared_rates)
        self.policies = {"t": task_policy("t", **options)}
        self.acknowledger = acknowledger(self.consumer, self.store, self.spawn, leases=leases, events=self.events)
        self.intake = Intake(
            AdmissionPolicy(policies=self.policies, careful=careful),
            self.dispatcher,
            self.acknowledger,
            self.events,
            self.gates,
            self.consumer,
            self.spawn,
            upgrade=partial(protocols.upgrade, accept=content_types(["json", "pickle"]), limit=1000),
        )

    def reopen(self, line):
        self.intake.reopen(line)

    def spawn(self, chore):
        self.tasks.add(asyncio.get_running_loop().create_task(chore))

    async def calm(self):
        while any(not task.done() for task in self.tasks):
            await asyncio.wait(self.tasks)
        for task in self.tasks:
            task.result()

    def begin_and_lose(self, task_id):
        """Its delivery is lost while it runs."""
        self.dispatcher.add_child(self.child)
        first = delivery(task_id)
        self.intake.on_deliveries([first])
        self.child.begin(1)
        self.intake.on_lost([first])

    def end(self, number, **fields):
        self.acknowledger.settle(self.dispatcher.finished(self.child, [outcome(number, **fields)]))


def ready(bench):
    return [entry.id for entry in bench.dispatcher.ready]


def test_plain_messages_become_ready():
    async def story():
        bench = Bench()
        bench.intake.on_deliveries([delivery("a"), delivery("b")])
        assert ready(bench) == ["a", "b"]

    asyncio.run(story())


def test_a_far_message_goes_back_to_the_broker_and_a_near_one_is_held():
    async def story():
        bench, now = Bench(), datetime.now(UTC)
        bench.intake.on_deliveries(
            [
                delivery("far", eta=(now + timedelta(hours=1)).isoformat()),
                delivery("near", eta=(now + timedelta(seconds=0.05)).isoformat()),
                delivery("past", eta=(now - timedelta(hours=1)).isoformat()),
            ]
        )
        await bench.calm()
        assert [name for name, _ in bench.consumer.delayed] == ["far"]
        assert ready(bench) == ["past"]
        assert bench.intake.holding.held == 1
        while not ready(bench)[1:]:
            await asyncio.sleep(0.005)
        assert ready(bench) == ["past", "near"]
        assert bench.intake.holding.held == 0

    asyncio.run(story())


def test_far_messages_that_come_together_are_moved_together():
    async def story():
        bench, eta = Bench(), (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        calls, until = [], asyncio.Event()

        async def delay(moves):
            calls.append([delivery.headers["id"] for delivery, _ in moves])
            await until.wait()

        bench.consumer.delay = delay
        bench.intake.on_deliveries([delivery("a", eta=eta), delivery("b"), delivery("c", eta=eta)])
        bench.intake.on_deliveries([delivery("d", eta=eta)])
        await asyncio.sleep(0)
        bench.intake.on_deliveries([delivery("e", eta=eta)])
        await asyncio.sleep(0)
        assert calls == [["a", "c", "d"], ["e"]]
        assert (bench.intake.holding.moving, bench.intake.holding.postponed) == (4, 0)
        until.set()
        await bench.calm()
        assert (bench.intake.holding.moving, bench.intake.holding.postponed) == (0, 4)

    asyncio.run(story())


def test_an_expired_message_is_revoked_and_acknowledged():
    async def story():
        bench = Bench()
        bench.intake.on_deliveries([delivery("late", expires="2020-01-01T00:00:00+00:00")])
        await bench.calm()
        assert bench.consumer.acked == ["late"]
        assert [(r.task_id, r.status, r.result["exc_type"]) for r in bench.store.records] == [("late", "REVOKED", "TaskRevokedError")]

    asyncio.run(story())


def test_what_cannot_run_is_dead_lettered_with_its_failure_stored():
    async def story():
        bench = Bench()
        bench.intake.on_deliveries(
            [delivery("unknown", name="nope"), delivery("odd", retries="x"), delivery("huge", flaw=MessageTooLarge("9 GB"))]
        )
        await bench.calm()
        # Each is stored by a thread of its own before it is dead-lettered, in no certain order.
        assert set(bench.consumer.dead) == {("unknown", "unregistered"), ("odd", "invalid_message"), ("huge", "too_large")}
        assert ("unknown", "NotRegistered") in {(r.task_id, r.result["exc_type"]) for r in bench.store.records}
        assert all(r.status == "FAILURE" for r in bench.store.records)

    asyncio.run(story())


def test_a_message_of_protocol_1_is_understood():
    async def story():
        bench = Bench()
        one = delivery("x")
        one.headers = {}
        one.body = json.dumps({"task": "t", "id": "old", "args": [1], "kwargs": {}, "retries": 0}).encode()
        bench.intake.on_deliveries([one])
        assert ready(bench) == ["old"]
        assert one.headers["task"] == "t"

    asyncio.run(story())


def of_protocol_1(args, **options):
    sent, one = v1.render(TaskMessage(task="t", id="old", args=args), **options), delivery("x")
    one.body, one.headers, one.content_type, one.content_encoding = sent.body, sent.headers, sent.content_type, sent.content_encoding
    return one


class Gadget:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_of_protocol_1_with_plain_values_runs():
    async def story():
        bench, plain = Bench(), [1, 2.5, "x", b"y", None, True, (1,), {2}, {"k": [10**30]}]
        one = of_protocol_1(plain, serializer="pickle")
        bench.intake.on_deliveries([one])
        assert ready(bench) == ["old"]
        assert pickle.loads(one.body)[0] == plain

    asyncio.run(story())


def test_a_pickle_of_protocol_1_with_a_class_is_dead_lettered_unopened(tmp_path):
    async def story():
        bench, details = Bench(), []
        bench.acknowledger.dead_letter = lambda _delivery, reason, detail: details.append((reason, detail))
        bench.intake.on_deliveries([of_protocol_1([Gadget(tmp_path / "canary")], serializer="pickle")])
        assert not (tmp_path / "canary").exists()
        [(reason, detail)] = details
        assert reason == "undecodable"
        assert "io.open" in detail
        assert "send protocol 2" in detail

    asyncio.run(story())


def test_a_body_of_protocol_1_may_become_no_larger_than_the_setting_says():
    async def story():
        bench = Bench()
        bench.intake.on_deliveries([of_protocol_1(["x" * 2000], compression="zlib"), of_protocol_1(["x" * 500], compression="zlib")])
        await bench.calm()
        assert [reason for _, reason in bench.consumer.dead] == ["too_large"]
        assert ready(bench) == ["old"]

    asyncio.run(story())


def test_a_body_without_headers_that_is_no_task_is_dead_lettered():
    async def story():
        bench = Bench()
        one = delivery("x")
        one.headers, one.body = {}, b"{{{"
        bench.intake.on_deliveries([one])
        await bench.calm()
        assert bench.consumer.dead == [(None, "undecodable")]
        assert bench.store.records == []

    asyncio.run(story())


def test_a_run_takes_over_its_own_message_when_it_comes_again():
    async def story():
        bench = Bench()
        bench.begin_and_lose("a")
        again = delivery("a", redelivered=True)
        bench.intake.on_deliveries([again])
        assert bench.child.sent == [[1]]
        bench.end(1)
        assert bench.consumer.acked == ["a"]

    asyncio.run(story())


def test_what_ended_after_its_delivery_was_lost_is_not_run_again():
    async def story():
        bench = Bench()
        bench.begin_and_lose("a")
        bench.end(1)
        assert bench.consumer.acked == []
        bench.intake.on_deliveries([delivery("a", redelivered=True)])
        assert bench.consumer.acked == ["a"]
        assert bench.child.sent == [[1]]
        bench.intake.on_deliveries([delivery("a", redelivered=True)])
        assert bench.child.sent == [[1], [2]]

    asyncio.run(story())


def test_lost_messages_that_had_not_started_are_forgotten():
    async def story():
        bench, now = Bench(), datetime.now(UTC)
        waiting, held = delivery("a"), delivery("b", eta=(now + timedelta(seconds=3)).isoformat())
        bench.intake.on_deliveries([waiting, held])
        bench.intake.on_lost([waiting, held])
        assert ready(bench) == []
        assert bench.intake.holding.held == 0

    asyncio.run(story())


def test_a_redelivered_message_under_a_lease_is_run_carefully():
    async def story():
        bench = Bench(careful=True)
        bench.intake.on_deliveries([delivery("a", redelivered=True), delivery("b")])
        assert [entry.careful for entry in bench.dispatcher.ready] == [True, False]

    asyncio.run(story())


def test_outcomes_other_than_done():
    async def story():
        bench = Bench()
        bench.dispatcher.add_child(bench.child)
        for number, verdict in ((1, 1), (2, 2)):
            bench.intake.on_deliveries([delivery(str(number))])
            bench.end(number, verdict=verdict, state="REJECTED")
        await bench.calm()
        assert bench.consumer.blamed == ["1"]
        assert bench.consumer.dead == [("2", "rejected")]
        assert bench.consumer.acked == []

    asyncio.run(story())


@pytest.mark.parametrize(("leases", "lost", "runs"), [(False, False, True), (False, True, False), (True, True, True)])
def test_what_is_acknowledged_early_does_not_run_if_that_may_not_have_arrived(leases, lost, runs):
    async def story():
        bench = Bench(leases=leases)
        one = entry(acks_late=False)

        async def flush():
            if lost:  # where messages are held by leases, `flush` returns when the acknowledgement has gone over the next connection
                bench.intake.on_connection(ConnectionState.LOST, "cut")
                bench.intake.on_connection(ConnectionState.CONNECTED, "again")

        bench.consumer.flush = flush
        await bench.acknowledger.before_run(one)
        assert bench.consumer.acked == ["i"]
        assert one.lost is not runs

    asyncio.run(story())


def test_runs_that_lost_their_delivery_are_forgotten_when_they_have_ended():
    async def story():
        bench = Bench()
        bench.begin_and_lose("a")
        bench.end(1)
        bench.intake.on_lost([])
        assert not bench.intake._adrift

    asyncio.run(story())


@on_loop
async def test_of_a_limited_task_one_at_a_time_becomes_ready_and_others_go_past():
    bench = Bench(rate_limit=50.0)
    bench.intake.on_deliveries([delivery("a"), delivery("b"), delivery("c")])
    assert ready(bench) == ["a"]
    assert bench.intake.holding.held == 2
    first = bench.dispatcher.ready[0]
    assert first.careful, "nothing may be queued before or behind it"
    for expected in (["a", "b"], ["a", "b", "c"]):
        bench.intake.starts(bench.dispatcher.ready[-1])
        while ready(bench) != expected:
            await asyncio.sleep(0.005)
    assert bench.intake.holding.held == 0


@on_loop
async def test_what_is_limited_and_far_from_its_turn_goes_to_the_broker():
    bench = Bench(rate_limit=0.01)
    bench.intake.on_deliveries([delivery("a"), delivery("b"), delivery("c")])
    bench.intake.starts(bench.dispatcher.ready[0])
    while bench.intake.holding.held:
        await asyncio.sleep(0.005)
    await bench.calm()
    assert sorted(name for name, _ in bench.consumer.delayed) == ["b", "c"]


@on_loop
async def test_one_that_expires_in_a_line_does_not_hold_up_the_others():
    bench, now = Bench(rate_limit=50.0), datetime.now(UTC)
    soon = (now + timedelta(seconds=0.01)).isoformat()
    bench.intake.on_deliveries([delivery("a"), *(delivery(f"late{number}", expires=soon) for number in range(3)), delivery("b")])
    await asyncio.sleep(0.02)  # the very thing under test
    bench.intake.starts(bench.dispatcher.ready[0])
    while ready(bench) != ["a", "b"]:
        await asyncio.sleep(0.005)
    await bench.calm()
    assert sorted(bench.consumer.acked) == ["late0", "late1", "late2"]


@on_loop
async def test_what_is_revoked_is_acknowledged_due_or_not():
    bench, later = Bench(), (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bench.revoked.ids.add(["a", "c"], time.monotonic())
    bench.gates.update()
    bench.intake.on_deliveries([delivery("a"), delivery("b"), delivery("c", eta=later), delivery("d", eta=later)])
    await bench.calm()
    assert ready(bench) == ["b"]
    assert bench.consumer.acked == ["a", "c"]
    assert [name for name, _ in bench.consumer.delayed] == ["d"]
    assert {(r.task_id, r.status, *r.result["exc_message"]) for r in bench.store.records} == {
        ("a", "REVOKED", "revoked"), ("c", "REVOKED", "revoked"),
    }  # fmt: skip


@on_loop
async def test_what_waits_at_a_gate_is_let_go_and_lost_like_others():
    bench = Bench(rate_limit=1.0)
    first, lost, kept = (delivery(name) for name in "abc")
    bench.intake.on_deliveries([first, lost, kept])
    bench.intake.on_lost([lost])
    assert bench.intake.let_go() == [kept]


@on_loop
async def test_those_that_have_waited_are_told_of_too():
    bench, told = Bench(), []
    bench.events.received.listen(lambda task: told.append(task.id))
    bench.intake.on_deliveries([delivery("near", eta=(datetime.now(UTC) + timedelta(seconds=0.02)).isoformat()), delivery("now")])
    while told != ["now", "near"]:
        await asyncio.sleep(0.005)
