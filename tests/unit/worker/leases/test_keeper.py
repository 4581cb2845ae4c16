from __future__ import annotations

import asyncio
import threading
import uuid

import pytest

from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.leases import memory
from umbel.leases.base import Booking, Grant, Lease, LeaseOptions, Turn
from umbel.testing.coroutines import on_loop
from umbel.worker.leases.keeper import LeaseKeeper


class Store:
    """Leases in memory, in steps that are remembered; may be away."""

    def __init__(self):
        self.leases = memory.connect(LeaseOptions(url=f"memory:///{uuid.uuid4().hex}"))  # tests of one process must not share them
        self.steps, self.threads = [], set()
        self.away = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def _step(self, name, leases):
        self.go_on.wait(10)
        self.threads.add(threading.current_thread().name)
        if self.away:
            self.away -= 1
            raise OperationalError("away")
        self.steps.append((name, [lease.owner for lease in leases]))
        return getattr(self.leases, name)(leases)

    def acquire(self, leases):
        return self._step("acquire", leases)

    def renew(self, leases):
        return self._step("renew", leases)

    def release(self, leases):
        return self._step("release", leases)

    def take_turns(self, turns):
        self.go_on.wait(10)
        if self.away:
            self.away -= 1
            raise OperationalError("away")
        return self.leases.take_turns(turns)


@pytest.fixture
def store():
    return Store()


def lease(owner, name="n", seconds=60.0):
    return Lease(name, owner, seconds)


@on_loop
async def test_what_comes_together_goes_together_off_the_loop(store):
    keeper, answers = LeaseKeeper(lambda: store), []
    keeper.ask(lease("a"), answers.append)
    keeper.ask(lease("b"), answers.append)
    keeper.renew(lease("a"), answers.append)
    keeper.give_up(lease("c"))
    assert await keeper.done(5)
    assert store.steps == [("release", ["c"]), ("acquire", ["a", "b"]), ("renew", ["a"])]
    assert [getattr(answer, "is_held", answer) for answer in answers] == [True, False, True]
    assert all(name.startswith("umbel-leases") for name in store.threads)
    await keeper.end()


@on_loop
async def test_what_comes_meanwhile_goes_with_the_next(store):
    keeper = LeaseKeeper(lambda: store)
    store.go_on.clear()
    keeper.ask(lease("a"))
    await asyncio.sleep(0.01)
    keeper.give_up(lease("a"))
    keeper.ask(lease("b"))
    store.go_on.set()
    assert await keeper.done(5)
    assert store.steps == [("acquire", ["a"]), ("release", ["a"]), ("acquire", ["b"])]
    await keeper.end()


@on_loop
async def test_a_store_that_is_away_is_waited_for_and_told_of_once(store, caplog):
    keeper, answers = LeaseKeeper(lambda: store), []
    store.away = 3
    keeper.ask(lease("a"), answers.append)
    assert await keeper.done(10)
    assert answers == [Grant(is_held=True)]
    assert [message for message in caplog.messages if "is away" in message or "is back" in message] == [
        "The lease store is away: tasks with keys or limits across workers wait for it: away",
        "The lease store is back.",
    ]
    await keeper.end()


@on_loop
async def test_what_was_given_up_meanwhile_is_not_asked_for_when_it_is_back(store):
    keeper, answers = LeaseKeeper(lambda: store), []
    store.away = 1
    keeper.ask(lease("a"), answers.append)
    keeper.renew(lease("b"), answers.append)
    while store.away:
        await asyncio.sleep(0.001)
    keeper.give_up(lease("a"))
    keeper.give_up(lease("b"))
    keeper.ask(lease("b"), answers.append)
    assert await keeper.done(10)
    assert store.steps == [("release", ["a"]), ("acquire", ["b"])]
    assert answers == [Grant(is_held=True)]
    await keeper.end()


@on_loop
async def test_who_waits_for_a_store_that_stays_away_goes_on_after_a_while(store):
    keeper = LeaseKeeper(lambda: store)
    store.away = 10**9
    keeper.ask(lease("a"))
    assert not await keeper.done(0.05)
    keeper.stop_timeout = 1.0
    keeper._batch.asks.clear()
    store.away = 0
    await keeper.end()


@on_loop
async def test_without_a_store_nothing_is_held_up(caplog):
    def find():
        raise ImproperlyConfigured("set lease_store")

    keeper, answers = LeaseKeeper(find), []
    keeper.ask(lease("a"), answers.append)
    keeper.renew(lease("b"), answers.append)
    assert await keeper.done(5)
    assert answers == [Grant(is_held=True), True]
    assert "Tasks with keys run as any others: set lease_store" in caplog.text
    await keeper.end()


@on_loop
async def test_an_answer_that_cannot_be_dealt_with_harms_no_other(store, caplog):
    keeper, answers = LeaseKeeper(lambda: store), []
    keeper.ask(lease("a"), lambda _: 1 / 0)
    keeper.ask(lease("a", "m"), answers.append)
    assert await keeper.done(5)
    assert answers == [Grant(is_held=True)]
    assert "could not be dealt with" in caplog.text
    await keeper.end()


@on_loop
async def test_its_end_does_what_is_left(store):
    keeper = LeaseKeeper(lambda: store)
    keeper.give_up(lease("a"))
    await keeper.end()
    assert store.steps == [("release", ["a"])]
    await LeaseKeeper(lambda: store).end()


@on_loop
async def test_turns_are_taken_and_waited_for_as_leases_are(store):
    keeper, answers = LeaseKeeper(lambda: store), []
    store.away = 1
    keeper.take_turns([Turn("a", 10.0, 15.0)] * 3, answers.append)
    keeper.take_turns([Turn("b", 10.0, 15.0)], answers.append)
    assert await keeper.done(10)
    (first, second, third), (other,) = answers
    assert (first.is_booked, first.seconds, second.is_booked, third.is_booked) == (True, 0.0, True, False)
    assert second.seconds == pytest.approx(10.0)
    assert other == Booking(True, 0.0)
    await keeper.end()


@on_loop
async def test_without_a_store_every_turn_is_now():
    def find():
        raise ImproperlyConfigured("set lease_store")

    keeper, answers = LeaseKeeper(find), []
    keeper.take_turns([Turn("a", 10.0, 15.0)] * 2, answers.append)
    assert await keeper.done(5)
    assert answers == [[Booking(True, 0.0)] * 2]
    await keeper.end()
