import asyncio

import pytest

from umbel.errors import OperationalError
from umbel.worker.slots.dispatching import Dispatcher
from unit.worker.stand_ins import FakeChild, entry, outcome


def dispatcher(children=2, max_tasks=None, trouble=None):
    went_before, recycled, expired = [], [], []

    async def before_run(one):
        if trouble is not None:
            raise trouble
        went_before.append(one.id)

    def recycle(child):
        child.is_spent = True
        if child.is_ready and child.is_idle:
            child.quit()
            recycled.append(child)

    spawned = []
    one = Dispatcher(before_run, max_tasks, recycle, expired.append, spawned.append)
    one.went_before, one.recycled, one.expired, one.spawned = went_before, recycled, expired, spawned
    one.fakes = [FakeChild(index) for index in range(1, children + 1)]
    for child in one.fakes:
        one.add_child(child)
    return one


def entries(count, name="t", **options):
    return [entry(f"{name}{n}", name, **options) for n in range(count)]


def make_quick(one, name="t"):
    one.pace.learn(name, 0.00001)


def test_unknown_tasks_go_one_to_each_idle_slot():
    one = dispatcher()
    one.offer(entries(5))
    assert [child.sent for child in one.fakes] == [[[1]], [[2]]]
    assert len(one.ready) == 3


def test_quick_tasks_go_in_batches_shared_among_slots():
    one = dispatcher()
    make_quick(one)
    one.offer(entries(10))
    assert [len(batch) for child in one.fakes for batch in child.sent] == [5, 5]
    assert not one.ready


def test_an_outcome_makes_room_for_the_next():
    one = dispatcher(children=1)
    one.offer(entries(2))
    [(ended, _)] = one.finished(one.fakes[0], [outcome(1, runtime=1.0)])
    assert ended.id == "t0"
    one.pump()
    assert one.fakes[0].sent == [[1], [2]]
    assert not list(one.finished(one.fakes[0], [outcome(99)]))


def test_what_waits_behind_a_slow_job_is_given_to_a_sibling():
    one = dispatcher(children=1)
    make_quick(one)
    one.offer(entries(4))
    first, other = one.fakes[0], FakeChild(2)
    first.begin(1, since=0.0)
    one.relieve(now=0.001)
    assert first.rows[0].barrier == 0
    one.add_child(other)
    one.relieve(now=1.0)
    assert first.rows[0].barrier == first.sent[0][-1]
    assert sum(map(len, other.sent)) == 3
    assert [e.id for e in other.slots[0].given.values()] == ["t1", "t2", "t3"]
    assert [e.id for e in first.slots[0].given.values()] == ["t0"]


def test_a_worker_is_jammed_for_as_long_as_no_slot_has_been_free():
    one = dispatcher()
    assert one.relieve(now=9.0) == 0
    one.offer(entries(2))
    one.fakes[0].begin(1, since=1.0)
    assert one.relieve(now=9.0) == 0  # the other has yet to begin
    one.fakes[1].begin(2, since=8.5)
    assert one.relieve(now=9.0) == 0.5
    list(one.finished(one.fakes[0], [outcome(1)]))
    assert one.relieve(now=9.5) == 0


def test_without_children_nothing_is_jammed():
    assert dispatcher(children=0).relieve(now=9.0) == 0


def test_what_a_slot_has_not_begun_stays_there():
    one = dispatcher()
    make_quick(one)
    one.offer(entries(6))
    busy, slow_to_begin = one.fakes
    busy.begin(busy.sent[0][0])
    waiting = one.reclaim_waiting()
    assert len(waiting) == len(busy.sent[0]) - 1 > 0
    assert len(slow_to_begin.slots[0].given) == len(slow_to_begin.sent[0]) > 0


def test_numbers_are_never_used_twice():
    one = dispatcher(children=1)
    make_quick(one)
    one.offer(entries(3))
    one.offer(one.reclaim_all())
    sent = [number for batch in one.fakes[0].sent for number in batch]
    assert len(sent) == len(set(sent))
    assert sent == sorted(sent)


def test_early_and_careful_entries_are_prepared_first_and_run_alone():
    one = dispatcher(children=1)
    make_quick(one)
    batch = entries(3)
    batch[0].early = True
    one.offer(batch)
    assert one.fakes[0].sent == []
    asyncio.run(one.spawned.pop())
    assert one.went_before == ["t0"]
    assert one.fakes[0].sent == [[1]]
    assert len(one.ready) == 2


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_nothing_is_queued_behind_what_is_prepared(kind):
    one = dispatcher(children=1)
    make_quick(one)
    first = entries(1)
    setattr(first[0], kind, True)
    one.offer(first)
    one.offer(entries(50, "u"))
    assert one.fakes[0].sent == []
    asyncio.run(one.spawned.pop())
    one.pump()
    assert one.fakes[0].sent == [[1]]


def test_what_is_acknowledged_is_not_handed_back():
    one = dispatcher(children=1)
    batch = entries(3)
    batch[0].early = True
    one.offer(batch)
    one.is_open = False
    assert [each.id for each in one.reclaim_all()] == ["t1", "t2"]
    batch[0].acked = True  # as whoever prepares it sees to
    assert not one.is_done
    asyncio.run(one.spawned.pop())
    assert one.fakes[0].sent == [[1]]
    assert one.reclaim_all() == []
    list(one.finished(one.fakes[0], [outcome(1)]))
    assert one.is_done


def test_what_is_acknowledged_outlives_its_child_and_the_stop():
    one = dispatcher(children=1)
    batch = entries(1)
    batch[0].early = batch[0].acked = True
    one.offer(batch)
    one.is_open = False
    one.remove_child(one.fakes[0])
    one.put_back(batch)
    asyncio.run(one.spawned.pop())
    assert one.fakes[0].sent == []
    assert one.reclaim_all() == []
    assert not one.is_done
    other = FakeChild(2)
    one.add_child(other)
    asyncio.run(one.spawned.pop())
    assert other.sent == [[2]]
    assert one.went_before == []


def test_what_is_being_acknowledged_when_its_child_dies_is_not_handed_back():
    one = dispatcher(children=1)
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    one.is_open = False
    one.remove_child(one.fakes[0])
    one.put_back(batch)
    other = FakeChild(2)
    one.add_child(other)
    assert one.reclaim_all() == []
    assert not one.is_done
    batch[0].acked = True  # before anybody else wakes the dispatcher
    asyncio.run(one.spawned.pop(0))
    asyncio.run(one.spawned.pop(0))
    assert other.sent == [[2]]
    list(one.finished(other, [outcome(2)]))
    assert one.is_done


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_what_is_lost_while_it_is_acknowledged_and_its_child_dies_is_not_run(is_withdrawn):
    one = dispatcher(children=1)
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    if is_withdrawn:
        one.withdraw({batch[0].delivery})
    one.remove_child(one.fakes[0])
    one.put_back(() if is_withdrawn else batch)
    batch[0].lost = True
    one.add_child(FakeChild(2))
    asyncio.run(one.spawned.pop(0))
    assert not one.spawned
    assert one.is_done
    assert not one.ready


def test_a_preparation_that_fails_after_its_child_died_does_not_run_it_twice():
    one = dispatcher(children=1, trouble=OperationalError("away"))
    batch = entries(1)
    batch[0].early = True
    one.offer(batch)
    one.remove_child(one.fakes[0])
    one.put_back(batch)
    with pytest.raises(OperationalError):
        asyncio.run(one.spawned.pop())
    assert list(one.ready) == batch


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_a_delivery_lost_while_it_is_prepared_is_not_sent(kind):
    one = dispatcher(children=1)
    batch = entries(1)
    setattr(batch[0], kind, True)
    one.offer(batch)
    one.withdraw({batch[0].delivery})
    asyncio.run(one.spawned.pop())
    assert one.fakes[0].sent == []
    assert one.outstanding == 0


def test_lost_deliveries_are_forgotten_unless_they_run():
    one = dispatcher(children=1)
    batch = entries(3)
    one.offer(batch)
    one.fakes[0].begin(1)
    running = one.withdraw({e.delivery for e in batch})
    assert running == [batch[0]]
    assert batch[0].lost
    assert not one.ready


def test_a_child_is_replaced_after_its_last_job():
    one = dispatcher(children=1, max_tasks=2)
    make_quick(one)
    one.offer(entries(5))
    child = one.fakes[0]
    assert child.sent == [[1, 2]]
    list(one.finished(child, [outcome(1), outcome(2)]))
    assert one.recycled == [child]
    assert not child.is_ready
    one.pump()
    assert child.sent == [[1, 2]]
    assert len(one.ready) == 3


def test_nothing_is_given_out_when_closed():
    one = dispatcher()
    one.is_open = False
    one.offer(entries(2))
    assert one.outstanding == 0


def test_what_expires_while_it_waits_is_not_started():
    one = dispatcher(children=1)
    batch = entries(4)
    batch[1].expires = 1.0
    batch[2].expires = 4e9
    one.offer(batch)
    assert one.fakes[0].sent == [[1]]
    for number in (1, 2):
        list(one.finished(one.fakes[0], [outcome(number, runtime=1.0)]))
        one.pump()
    assert [e.id for e in one.expired] == ["t1"]
    assert one.fakes[0].sent == [[1], [2], [3]]


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_what_cannot_be_prepared_is_ready_again(kind):
    one = dispatcher(children=1, trouble=OperationalError("gone"))
    batch = entries(1)
    setattr(batch[0], kind, True)
    one.offer(batch)
    with pytest.raises(OperationalError):
        asyncio.run(one.spawned.pop())
    assert list(one.ready) == batch
    assert one.outstanding == 0


def with_slots(count, **options):
    one = dispatcher(children=0, **options)
    child = FakeChild(slots=count)
    one.add_child(child)
    return one, child


def test_each_slot_of_a_child_gets_jobs_of_its_own():
    one, child = with_slots(3)
    one.offer(entries(5))
    assert child.sent_to == [[[1]], [[2]], [[3]]]
    ended = one.finished(child, [outcome(3, runtime=1.0, slot=2), outcome(1, runtime=1.0)])
    assert sorted(entry.id for entry, _ in ended) == ["t0", "t2"]
    one.pump()
    assert sorted(number for batches in child.sent_to for batch in batches for number in batch) == [1, 2, 3, 4, 5]
    assert len(child.sent_to[1]) == 1
    assert child.served == 2


def test_what_waits_in_one_slot_goes_to_another_slot_of_the_child():
    one, child = with_slots(2)
    make_quick(one)
    one.offer(entries(6))
    assert [len(batch) for batches in child.sent_to for batch in batches] == [3, 3]
    child.begin(1, since=0.0)
    child.begin(4, since=9.999, slot=1)
    one.relieve(now=10.0)
    assert [each.id for each in child.slots[1].given.values()] == ["t3", "t4", "t5", "t1", "t2"]
    assert child.sent_to[1][-1] == [7, 8]


def test_all_slots_of_a_child_together_serve_no_more_than_it_may():
    one, child = with_slots(3, max_tasks=2)
    one.offer(entries(5))
    assert child.sent_to == [[[1]], [[2]], []]
    one.finished(child, [outcome(1, runtime=1.0)])
    one.pump()
    assert one.recycled == []
    one.finished(child, [outcome(2, runtime=1.0, slot=1)])
    assert one.recycled == [child]
    one.pump()
    assert len(one.ready) == 3


def test_what_was_taken_back_does_not_count_as_served():
    one, child = with_slots(1, max_tasks=4)
    make_quick(one)
    one.offer(entries(3))
    child.begin(1, since=0.0)
    one.relieve(now=1.0)
    assert child.allotted == 1


@pytest.mark.parametrize("kind", ["early", "careful"])
def test_a_child_is_replaced_when_the_job_it_waited_for_cannot_be_prepared(kind):
    one = dispatcher(children=1, trouble=OperationalError("gone"))
    batch = entries(1)
    setattr(batch[0], kind, True)
    one.offer(batch)
    one.recycle(one.fakes[0])
    assert one.recycled == []
    with pytest.raises(OperationalError):
        asyncio.run(one.spawned.pop())
    assert one.recycled == one.fakes


def careful(count, **options):
    found = entries(count, batch_size=3, **options)
    for each in found:
        each.careful = True
    return found


def test_calls_that_run_together_are_one_job_with_nothing_around_it():
    one = dispatcher(children=2)
    make_quick(one)
    one.offer([*careful(5), *entries(1, "other")])
    for chore in one.spawned:
        asyncio.run(chore)
    assert [child.sent for child in one.fakes] == [[[1]], [[4]]]
    assert [sorted(child.slots[0].given) for child in one.fakes] == [[1, 2, 3], [4, 5]]
    assert [each.id for each in one.ready] == ["other0"]


def test_one_whose_child_has_died_runs_alone():
    one = dispatcher(children=2)
    one.offer([*careful(1, attempts=1), *careful(2)])
    for chore in one.spawned:
        asyncio.run(chore)
    assert [len(child.slots[0].given) for child in one.fakes] == [1, 2]


def test_what_is_lost_before_a_batch_is_sent_is_not_sent():
    one = dispatcher(children=1)
    batch = careful(3)
    one.offer(batch)
    batch[1].lost = True
    asyncio.run(one.spawned.pop())
    assert list(one.fakes[0].slots[0].given.values()) == [batch[0], batch[2]]


def test_a_batch_that_cannot_be_prepared_is_ready_again():
    one = dispatcher(children=1, trouble=OSError("no"))
    batch = careful(3)
    one.offer(batch)
    with pytest.raises(OSError, match="no"):
        asyncio.run(one.spawned.pop())
    assert list(one.ready) == batch


def test_what_has_expired_meanwhile_does_not_run_with_the_others():
    one = dispatcher(children=1)
    waiting = careful(3)
    waiting[1].expires = 1.0
    one.offer(waiting)
    assert [each.id for each in one.running()] == ["t0"]
    asyncio.run(one.spawned.pop(0))
    list(one.finished(one.fakes[0], [outcome(1)]))
    one.pump()
    assert [each.id for each in one.expired] == ["t1"]
    assert [each.id for each in one.running()] == ["t2"]
    asyncio.run(one.spawned.pop(0))
