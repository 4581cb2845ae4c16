"""The guard between a consumer and a worker, with leases in memory: copies, other workers, ends."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from umbel.errors import BadSignature, Outdated, Replayed, Unsigned
from umbel.leases import memory
from umbel.leases.base import LeaseOptions
from umbel.messages import v2
from umbel.messages.model import TaskMessage
from umbel.runtime.clock import SYSTEM
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Delivery
from umbel.wire.signing import SEAL
from umbel.wire.signing.keys import KeyRing, SecretKey
from umbel.wire.signing.seals import seal
from umbel.worker.leases.keeper import LeaseKeeper
from umbel.worker.seals.guard import Guard

RING = KeyRing(keys={"k": SecretKey(b"k" * 32)}, signing="k")
WINDOW = 3600.0


def message(age=0.0, eta=None, name=None, to=("", "q")):
    plain = v2.render(TaskMessage(task="t", id="1", args=[], kwargs={}, eta=eta))
    return seal(plain, *to, RING, SYSTEM.now() - age, name or uuid.uuid4().hex, b"")


def delivery(sealed, tag=1, *, queue="q", redelivered=False):
    parts = sealed.body, dict(sealed.headers), sealed.content_type, sealed.content_encoding, dict(sealed.properties)
    return Delivery(*parts, tag, 1, queue, "", queue, redelivered)


class Broker:
    """The consumer of a broker and the worker, on both sides of a guard."""

    def __init__(self, store, *, requires=True, window=WINDOW):
        self.keeper = LeaseKeeper(lambda: store)
        self.guard = Guard(self, RING, self.keeper, requires=requires, window=window, duration=30.0)
        self.came, self.done, self.lost = [], [], []

    async def start(self, _sink):
        pass

    def on_deliveries(self, deliveries):
        self.came += deliveries

    def on_lost(self, deliveries):
        self.lost += deliveries

    def ack(self, deliveries):
        self.done += [("ack", each.tag) for each in deliveries]

    def requeue(self, deliveries):
        self.done += [("requeue", each.tag) for each in deliveries]

    async def blame(self, each):
        self.done.append(("blame", each.tag))

    async def delay(self, moves):
        self.done += [("delay", each.tag) for each, _ in moves]

    async def dead_letter(self, each, reason, _detail):
        self.done.append((reason, each.tag))

    async def flush(self):
        pass

    async def aclose(self):
        self.done.append("closed")

    async def get(self, *given):
        """Let deliveries come; returns their flaws, once the lease store has answered."""
        known = len(self.came)
        self.guard.on_deliveries(list(given))
        await self.keeper.done(10)
        await self.keeper.done(10)  # those that were asked about twice
        return [type(each.flaw) if each.flaw else None for each in self.came[known:]]

    async def end(self):
        await self.guard.aclose()
        await self.keeper.end()


@pytest.fixture
def store():
    return memory.connect(LeaseOptions(url=f"memory:///{uuid.uuid4().hex}"))


@pytest.fixture
def started(store):
    brokers = []

    async def start(**options):
        broker = Broker(store, **options)
        await broker.guard.start(broker)
        brokers.append(broker)
        return broker

    return start


@on_loop
async def test_what_is_signed_comes_in_once_and_a_copy_does_not_neither_before_its_end_nor_after(started):
    broker, sealed = await started(), message()
    assert await broker.get(delivery(sealed, 1), delivery(sealed, 2)) == [Replayed, None]
    assert await broker.get(delivery(sealed, 3)) == [Replayed]
    broker.guard.ack([broker.came[1]])
    await broker.guard.flush()
    assert broker.done == [("ack", 1)]
    assert await broker.get(delivery(sealed, 4)) == [Replayed]
    assert await broker.get(delivery(sealed, 5, redelivered=True)) == []  # its acknowledgement was lost
    assert broker.done == [("ack", 1), ("ack", 5)]
    await broker.end()


@on_loop
async def test_what_has_a_flaw_goes_on_and_is_settled_without_a_word_to_the_lease_store(started):
    broker = await started()
    unsigned, changed, elsewhere = delivery(message()), delivery(message()), delivery(message(), queue="other")
    del unsigned.headers[SEAL]
    changed.headers["task"] = "u"
    assert await broker.get(unsigned, changed, elsewhere) == [Unsigned, BadSignature, BadSignature]
    await broker.guard.dead_letter(changed, "bad_signature", "…")
    broker.guard.ack([unsigned])
    assert broker.done == [("bad_signature", 1), ("ack", 1)]
    await broker.end()


@on_loop
async def test_unsigned_messages_may_be_taken_and_copies_need_not_be_looked_for(started):
    broker, sealed = await started(requires=False, window=0.0), message(age=1e6)
    unsigned = delivery(message())
    del unsigned.headers[SEAL]
    assert await broker.get(unsigned, delivery(sealed), delivery(sealed)) == [None, None, None]
    await broker.end()


@on_loop
async def test_a_message_that_another_worker_has_waits_until_that_one_gives_it_back(started):
    one, two, sealed = await started(), await started(), message()
    assert await one.get(delivery(sealed, 1)) == [None]
    assert await two.get(delivery(sealed, 2)) == []
    one.guard.requeue(one.came)
    while not two.came:
        await asyncio.sleep(0.02)
    assert two.came[0].flaw is None
    await one.end()
    await two.end()


@on_loop
async def test_a_message_that_another_worker_has_is_a_copy_when_that_one_has_settled_it(started):
    one, two, sealed = await started(), await started(), message()
    assert await one.get(delivery(sealed, 1)) == [None]
    assert await two.get(delivery(sealed, 2)) == []
    await one.guard.dead_letter(one.came[0], "failed", "")
    while not two.came:
        await asyncio.sleep(0.02)
    assert isinstance(two.came[0].flaw, Replayed)
    await one.end()
    await two.end()


@on_loop
async def test_what_is_given_back_in_any_way_may_come_again(started):
    broker, sealed = await started(), message()
    for tag, give_back in enumerate(
        (lambda each: broker.guard.requeue([each]), broker.guard.blame, lambda each: broker.guard.delay([(each, 0.0)]))
    ):
        assert await broker.get(delivery(sealed, tag)) == [None]
        given = give_back(broker.came[-1])
        if given is not None:
            await given
    assert [what for what, _ in broker.done] == ["requeue", "blame", "delay"]
    assert await broker.get(delivery(sealed, 9)) == [None]
    broker.guard.on_lost([broker.came[-1]])
    assert await broker.get(delivery(sealed, 10, redelivered=True)) == [None]
    assert len(broker.lost) == 1
    await broker.end()


@on_loop
async def test_what_is_old_is_refused_unless_it_was_in_time_once(started):
    broker = await started()
    eta = "2100-01-01T00:00:00+00:00"
    assert await broker.get(delivery(message(age=WINDOW + 10))) == [Outdated]
    assert await broker.get(delivery(message(age=WINDOW + 10, eta=eta))) == [None]
    sealed = message(age=WINDOW - 0.5)  # nearly too old
    assert await broker.get(delivery(sealed, 1)) == [None]
    await broker.guard.delay([(broker.came[-1], SYSTEM.now() + 60)])
    sealed_later = message(age=WINDOW + 60, name=_name(sealed))
    assert await broker.get(delivery(sealed_later, 2)) == [None]
    broker.guard.ack([broker.came[-1]])
    await broker.guard.flush()
    assert await broker.get(delivery(sealed_later, 3)) == [Outdated]
    await broker.end()


def _name(sealed):
    return sealed.headers[SEAL].split('"')[3]


@on_loop
async def test_what_was_sent_to_an_exchange_may_come_once_from_each_of_its_queues(started):
    broker, sealed = await started(), message(to=("news", "a.b"))
    assert await broker.get(delivery(sealed, 1, queue="one"), delivery(sealed, 2, queue="two")) == [None, None]
    assert await broker.get(delivery(sealed, 3, queue="two")) == [Replayed]
    await broker.end()
