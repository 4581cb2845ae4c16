from __future__ import annotations

from umbel.worker.tasks.waiting_room import WaitingRoom
from unit.worker.stand_ins import delivery


def names(deliveries):
    return [each.headers["id"] for each in deliveries]


def test_the_first_due_comes_first_and_of_one_time_the_first_that_came():
    room = WaitingRoom()
    assert [room.put(delivery(name), until) for name, until in (("c", 3.0), ("a", 1.0), ("b", 1.0), ("d", 9.0))] == [
        True,
        True,
        False,
        False,
    ]
    assert room.next_due == 1.0
    assert names(room.take_due(0.5)) == []
    assert names(room.take_due(3.0)) == ["a", "b", "c"]
    assert (len(room), room.next_due) == (1, 9.0)


def test_what_is_lost_does_not_come():
    room, lost = WaitingRoom(), delivery("lost")
    room.put(lost, 1.0)
    room.put(delivery("kept"), 2.0)
    room.forget({lost})
    assert room.next_due == 2.0
    assert names(room.take_due(5.0)) == ["kept"]


def test_all_leave_in_order():
    room = WaitingRoom()
    for name, until in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        room.put(delivery(name), until)
    assert names(room.release_all()) == ["a", "b", "c"]
    assert (len(room), room.next_due) == (0, None)
