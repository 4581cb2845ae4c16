from __future__ import annotations

from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.task_index import TaskIndex
from umbel.worker.tasks.waiting_room import WaitingRoom, WaitReason
from unit.worker.stand_ins import FakeChild, delivery, entry


class Hands:
    """A worker that runs one task, has one behind it, one ready, and two that wait."""

    def __init__(self):
        self.dispatcher, self.room, self.child = Dispatcher(None, None, None, None, None), WaitingRoom(), FakeChild()
        self.index = TaskIndex(self.dispatcher, self.room)
        self.dispatcher.add_child(self.child)
        self.dispatcher.pace.learn("t", 0.00001)
        self.dispatcher.offer([entry("runs"), entry("behind")])
        self.child.begin(1)
        self.child.is_ready = False
        self.dispatcher.offer([entry("ready")])
        self.room.put(delivery("due"), 9.0)
        self.room.line_up(delivery("limited"), "t", WaitReason.RATE)


def ids(tasks):
    return [task.id for task in tasks]


def test_all_that_a_worker_has_is_in_one_of_three_places():
    hands = Hands()
    assert ids(hands.index.active()) == ["runs"]
    assert sorted(ids(hands.index.reserved())) == ["behind", "ready"]
    assert [each.delivery.headers["id"] for each in hands.index.scheduled()] == ["due", "limited"]


def test_each_is_found_by_its_id():
    hands = Hands()
    assert [hands.index.find(name).id for name in ("runs", "behind", "ready")] == ["runs", "behind", "ready"]
    assert [hands.index.find(name).reason for name in ("due", "limited")] == [WaitReason.DUE, WaitReason.RATE]
    assert hands.index.find("elsewhere") is None
    assert len(list(hands.index.find_all({"runs", "ready", "due", "elsewhere"}))) == 3
