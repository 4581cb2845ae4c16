from __future__ import annotations

from umbel.worker.tasks.waiting_room import WaitingRoom, WaitReason
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


def lined_up(**lines):
    room = WaitingRoom()
    for line, ids in lines.items():
        for task_id in ids:
            room.line_up(delivery(task_id), line, WaitReason.RATE)
    return room


def firsts(room, now):
    return [(line, each.headers["id"]) for line, each in room.take_first(now)]


def test_the_first_of_each_line_that_is_open_is_taken():
    room = lined_up(a="12", b="3", c="4")
    for line, when in (("a", 5.0), ("b", 6.0), ("c", 9.0), ("nobody", 1.0)):
        room.open_at(line, when)
    assert (room.next_opening, room.ahead("a"), room.ahead("nobody")) == (5.0, 2, 0)
    assert firsts(room, 4.0) == []
    assert firsts(room, 6.0) == [("a", "1"), ("b", "3")]
    assert (len(room), room.lines) == (2, ("a", "c"))


def test_who_was_first_may_be_so_again():
    room = lined_up(a="12")
    ((line, one),) = room.take_first(0.0)
    room.line_up(one, line, WaitReason.RATE, first=True)
    assert firsts(room, 0.0) == [("a", "1")]
    assert firsts(room, 0.0) == [("a", "2")]
    assert room.next_opening is None


def test_a_line_is_forgotten_with_its_last():
    room, lost = lined_up(a="1"), delivery("2")
    room.line_up(lost, "b", WaitReason.RATE)
    room.open_at("b", 3.0)
    room.forget({lost})
    assert room.lines == ("a",)


def test_everybody_can_be_looked_at_and_let_go():
    room = lined_up(a="12")
    room.put(delivery("3"), 7.0)
    assert [(each.delivery.headers["id"], each.reason.value, each.until) for each in room] == [
        ("3", "due", 7.0), ("1", "rate", None), ("2", "rate", None),
    ]  # fmt: skip
    assert names(room.release_all()) == ["3", "1", "2"]
    assert (len(room), room.next_due, room.next_opening) == (0, None, None)
