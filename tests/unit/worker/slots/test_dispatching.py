import asyncio

import pytest

from umbel.errors import OperationalError
from umbel.worker.slots.dispatching import Dispatcher
from unit.worker.stand_ins import FakeSeat, entry, outcome


def dispatcher(seats=2, max_tasks=None, trouble=None):
    went_before, retired, expired = [], [], []

    async def before_run(one):
        if trouble is not None:
            raise trouble
        went_before.append(one.id)

    spawned = []
    one = Dispatcher(before_run, max_tasks, retired.append, expired.append, spawned.append)
    one.went_before, one.retired, one.expired, one.spawned = went_before, retired, expired, spawned
    one.seats = [FakeSeat(index) for index in range(1, seats + 1)]
    for seat in one.seats:
        one.add_seat(seat)
    return one


def entries(count, name="t", **options):
    return [entry(f"{name}{n}", name, **options) for n in range(count)]


def make_quick(one, name="t"):
    one.pace.learn(name, 0.00001)


def test_unknown_tasks_go_one_to_each_idle_seat():
    one = dispatcher()
    one.offer(entries(5))
    assert [seat.sent for seat in one.seats] == [[[1]], [[2]]]
    assert len(one.ready) == 3


def test_quick_tasks_go_in_batches_shared_among_seats():
    one = dispatcher()
    make_quick(one)
    one.offer(entries(10))
    assert [len(batch) for seat in one.seats for batch in seat.sent] == [5, 5]
    assert not one.ready


def test_an_outcome_makes_room_for_the_next():
    one = dispatcher(seats=1)
    one.offer(entries(2))
    [(ended, _)] = one.finished(one.seats[0], [outcome(1, runtime=1.0)])
    assert ended.id == "t0"
    one.pump()
    assert one.seats[0].sent == [[1], [2]]
    assert not list(one.finished(one.seats[0], [outcome(99)]))


def test_what_waits_behind_a_slow_job_is_given_to_a_sibling():
    one = dispatcher()
    make_quick(one)
    one.seats[1].is_ready = False
    one.offer(entries(4))
    first = one.seats[0]
    first.begin(1, since=0.0)
    one.relieve(now=0.001)
    assert first.barrier == 0
    one.seats[1].is_ready = True
    one.relieve(now=1.0)
    assert first.barrier == first.sent[0][-1]
    assert sum(map(len, one.seats[1].sent)) == 3
    assert [e.id for e in one.stations[one.seats[1]].given.values()] == ["t1", "t2", "t3"]
    assert [e.id for e in one.stations[first].given.values()] == ["t0"]


def test_a_worker_is_jammed_for_as_long_as_no_seat_has_been_free():
    one = dispatcher()
    assert one.relieve(now=9.0) == 0
    one.offer(entries(2))
    one.seats[0].begin(1, since=1.0)
    assert one.relieve(now=9.0) == 0  # the other has yet to begin
    one.seats[1].begin(2, since=8.5)
    assert one.relieve(now=9.0) == 0.5
    list(one.finished(one.seats[0], [outcome(1)]))
    assert one.relieve(now=9.5) == 0


def test_without_seats_nothing_is_jammed():
    assert dispatcher(seats=0).relieve(now=9.0) == 0


def test_what_a_seat_has_not_begun_stays_there():
    one = dispatcher()
    make_quick(one)
    one.offer(entries(6))
    busy, slow_to_begin = one.seats
    busy.begin(busy.sent[0][0])
    waiting = one.reclaim_waiting()
    assert len(waiting) == len(busy.sent[0]) - 1 > 0
    assert len(one.stations[slow_to_begin].given) == len(slow_to_begin.sent[0]) > 0


def test_numbers_are_never_used_twice():
    one = dispatcher(seats=1)
    make_quick(one)
    one.offer(entries(3))
    one.offer(one.reclaim_all())
    sent = [number for batch in one.seats[0].sent for number in batch]
    assert len(sent) == len(set(sent))
    assert sent == sorted(sent)


def test_early_and_careful_entries_are_prepared_first_and_run_alone():
    one = dispatcher(seats=1)
    make_quick(one)
    batch = entries(3)
    batch[0].early = True
    one.offer(batch)
    assert one.seats[0].sent == []
    asyncio.run(one.spawned.pop())
    assert one.went_before == ["t0"]
    assert one.seats[0].sent == [[1]]
    assert len(one.ready) == 2


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_nothing_is_queued_behind_what_is_prepared(kind):
    one = dispatcher(seats=1)
    make_quick(one)
    first = entries(1)
    setattr(first[0], kind, True)
    one.offer(first)
    one.offer(entries(50, "u"))
    assert one.seats[0].sent == []
    asyncio.run(one.spawned.pop())
    one.pump()
    assert one.seats[0].sent == [[1]]


def test_what_is_acknowledged_is_not_handed_back():
    one = dispatcher(seats=1)
    batch = entries(3)
    batch[0].early = True
    one.offer(batch)
    one.is_open = False
    assert [each.id for each in one.reclaim_all()] == ["t1", "t2"]
    batch[0].acked = True  # as whoever prepares it sees to
    assert not one.is_done
    asyncio.run(one.spawned.pop())
    assert one.seats[0].sent == [[1]]
    assert one.reclaim_all() == []
    list(one.finished(one.seats[0], [outcome(1)]))
    assert one.is_done


def test_what_is_acknowledged_outlives_its_seat_and_the_stop():
    one = dispatcher(seats=1)
    batch = entries(1)
    batch[0].early = batch[0].acked = True
    one.offer(batch)
    one.is_open = False
    one.remove_seat(one.seats[0])
    one.put_back(batch)
    asyncio.run(one.spawned.pop())
    assert one.seats[0].sent == []
    assert one.reclaim_all() == []
    assert not one.is_done
    other = FakeSeat(2)
    one.add_seat(other)
    asyncio.run(one.spawned.pop())
    assert other.sent == [[2]]
    assert one.went_before == []


def test_what_is_being_acknowledged_when_its_seat_dies_is_not_handed_back():
    one = dispatcher(seats=1)
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    one.is_open = False
    one.remove_seat(one.seats[0])
    one.put_back(batch)
    other = FakeSeat(2)
    one.add_seat(other)
    assert one.reclaim_all() == []
    assert not one.is_done
    batch[0].acked = True  # before anybody else wakes the dispatcher
    asyncio.run(one.spawned.pop(0))
    asyncio.run(one.spawned.pop(0))
    assert other.sent == [[2]]
    list(one.finished(other, [outcome(2)]))
    assert one.is_done


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_what_is_lost_while_it_is_acknowledged_and_its_seat_dies_is_not_run(is_withdrawn):
    one = dispatcher(seats=1)
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    if is_withdrawn:
        one.withdraw({batch[0].delivery})
    one.remove_seat(one.seats[0])
    one.put_back(() if is_withdrawn else batch)
    batch[0].lost = True
    one.add_seat(FakeSeat(2))
    asyncio.run(one.spawned.pop(0))
    assert not one.spawned
    assert one.is_done
    assert not one.ready


def test_a_preparation_that_fails_after_its_seat_died_does_not_run_it_twice():
    one = dispatcher(seats=1, trouble=OperationalError("away"))
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    one.remove_seat(one.seats[0])
    one.put_back(batch)
    with pytest.raises(OperationalError):
        asyncio.run(one.spawned.pop())
    assert list(one.ready) == batch


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_a_delivery_lost_while_it_is_prepared_is_not_sent(kind):
    one = dispatcher(seats=1)
    batch = entries(1)
    setattr(batch[0], kind, True)
    one.offer(batch)
    one.withdraw({batch[0].delivery})
    asyncio.run(one.spawned.pop())
    assert one.seats[0].sent == []
    assert one.outstanding == 0


def test_lost_deliveries_are_forgotten_unless_they_run():
    one = dispatcher(seats=1)
    batch = entries(3)
    one.offer(batch)
    one.seats[0].begin(1)
    running = one.withdraw({e.delivery for e in batch})
    assert running == [batch[0]]
    assert batch[0].lost
    assert not one.ready


def test_a_seat_is_replaced_after_its_last_job():
    one = dispatcher(seats=1, max_tasks=2)
    make_quick(one)
    one.offer(entries(5))
    seat = one.seats[0]
    assert seat.sent == [[1, 2]]
    list(one.finished(seat, [outcome(1), outcome(2)]))
    assert one.retired == [seat]
    assert not seat.is_ready
    one.pump()
    assert seat.sent == [[1, 2]]
    assert len(one.ready) == 3


def test_nothing_is_given_out_when_closed():
    one = dispatcher()
    one.is_open = False
    one.offer(entries(2))
    assert one.outstanding == 0


def test_what_expires_while_it_waits_is_not_started():
    one = dispatcher(seats=1)
    batch = entries(4)
    batch[1].expires = 1.0
    batch[2].expires = 4e9
    one.offer(batch)
    assert one.seats[0].sent == [[1]]
    for number in (1, 2):
        list(one.finished(one.seats[0], [outcome(number, runtime=1.0)]))
        one.pump()
    assert [e.id for e in one.expired] == ["t1"]
    assert one.seats[0].sent == [[1], [2], [3]]


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_what_cannot_be_prepared_is_ready_again(kind):
    one = dispatcher(seats=1, trouble=OperationalError("gone"))
    batch = entries(1)
    setattr(batch[0], kind, True)
    one.offer(batch)
    with pytest.raises(OperationalError):
        asyncio.run(one.spawned.pop())
    assert list(one.ready) == batch
    assert one.outstanding == 0
