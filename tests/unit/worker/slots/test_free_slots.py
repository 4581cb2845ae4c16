"""Slots are found at once, however many there are."""

from __future__ import annotations

import sys

import pytest

from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.free_slots import FreeSlots, single
from unit.worker.stand_ins import FakeChild, entry, outcome


def free(children, max_tasks=None):
    slots = FreeSlots(max_tasks)
    for child in children:
        for slot in child.slots:
            slots.add(slot)
    return slots


def give(slots, slot, count):
    for number in range(count):
        slot.given[number] = entry(str(number))
    slot.child.allotted += count
    slots.place(slot)


def test_idle_slots_wait_in_line_and_who_has_just_become_idle_comes_first():
    children = [FakeChild(index) for index in (1, 2, 3)]
    slots = free(children)
    first = slots.take_idle()
    assert first.child is children[0]
    slots.place(first)
    assert slots.take_idle() is first
    assert slots.take_idle().child is children[1]
    assert slots.take_idle().child is children[2]
    assert slots.take_idle() is None


def test_of_busy_slots_the_one_with_the_fewest_jobs_comes_first():
    child = FakeChild(slots=3)
    slots = free([child])
    for _ in child.slots:
        slots.take_idle()
    for slot, count in zip(child.slots, (5, 2, 64), strict=True):
        give(slots, slot, count)
    assert slots.roomy == 3
    assert [len(slots.take_roomy().given) for _ in range(3)] == [2, 5, 64]
    assert slots.take_roomy() is None
    assert slots.roomy == 0


def test_a_slot_without_room_for_many_jobs_is_not_topped_up():
    child = FakeChild()
    slots = free([child])
    give(slots, slots.take_idle(), 65)
    assert slots.taking == 1
    assert slots.take_roomy() is None


def test_a_slot_moves_as_its_jobs_end():
    child = FakeChild()
    slots = free([child])
    slot = slots.take_idle()
    give(slots, slot, 65)
    del slot.given[0]
    slots.place(slot)
    assert slots.roomy == 1
    slot.given.clear()
    slots.place(slot)
    assert slots.roomy == 0
    assert slots.take_idle() is slot


def test_nothing_is_queued_around_a_single_job():
    child = FakeChild()
    slots = free([child])
    slot = slots.take_idle()
    slot.is_single = True
    give(slots, slot, 1)
    assert slots.take_roomy() is None
    assert single(slot) is slot.given[0]
    slot.given.clear()
    slots.place(slot)
    assert single(slot) is None
    assert slots.take_idle() is slot


@pytest.mark.parametrize("change", ["is_ready", "is_spent"])
def test_slots_of_a_child_that_takes_no_more_are_passed_over(change):
    leaving, staying = FakeChild(1), FakeChild(2)
    slots = free([leaving, staying])
    setattr(leaving, change, change == "is_spent")
    assert slots.take_idle().child is staying
    assert slots.take_idle() is None
    assert slots.taking == 1


def test_a_stalled_slot_is_not_topped_up_until_it_has_reported():
    child = FakeChild()
    slots = free([child])
    slot = slots.take_idle()
    give(slots, slot, 1)
    slot.is_stalled = True
    slots.place(slot)
    assert (slots.taking, slots.roomy) == (0, 0)
    slot.is_stalled = False
    slots.place(slot)
    assert (slots.taking, slots.roomy) == (1, 1)


def test_a_child_that_is_gone_is_forgotten_wherever_its_slots_are():
    gone, other = FakeChild(1, slots=3), FakeChild(2)
    slots = free([gone, other])
    slots.take_idle()
    give(slots, slots.take_idle(), 3)
    slots.remove(gone)
    assert (slots.taking, slots.roomy) == (1, 0)
    assert slots.take_idle().child is other
    assert slots.take_idle() is None


def test_a_child_gets_no_more_than_it_may_serve_in_all_its_slots():
    child = FakeChild(slots=3)
    slots = free([child], max_tasks=2)
    for _ in range(2):
        give(slots, slots.take_idle(), 1)
    assert slots.quota(child) == 0
    last = slots.take_idle()
    slots.place(last)
    assert slots.take_idle() is None


def _lines_of_one_job(children, backlog, runtime):
    """How many lines of Python it takes to hear of a job's end and to give the next one out."""
    dispatcher = Dispatcher(None, None, None, None, None)
    fakes = [FakeChild(index) for index in range(children)]
    for child in fakes:
        dispatcher.add_child(child)
    if runtime:
        dispatcher.pace.learn("t", runtime)
    dispatcher.offer([entry(str(number)) for number in range(backlog)])
    busy = fakes[children // 2]
    jobs = list(busy.slots[0].given)
    assert jobs
    lines = 0

    def trace(frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        dispatcher.finished(busy, [outcome(jobs[0], runtime=runtime or 1.0)])
        dispatcher.pump()
        dispatcher.offer([entry("new")])
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize(
    ("per_slot", "runtime"),
    [
        pytest.param(3, None, id="slow tasks, and a backlog"),
        pytest.param(0.5, None, id="slow tasks, and idle slots"),
        pytest.param(5, 0.00001, id="quick tasks, and room in every slot"),
        pytest.param(200, 0.00001, id="quick tasks, and room nowhere"),
    ],
)
def test_a_job_costs_the_same_at_ten_slots_and_at_a_thousand(per_slot, runtime):
    few, many = (_lines_of_one_job(count, int(count * per_slot) + count // 2 + 1, runtime) for count in (10, 1000))
    assert many <= few + 30
