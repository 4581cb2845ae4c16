from __future__ import annotations

from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.starts import Starts
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import FakeChild, FakeConsumer, acknowledger, entry, outcome


class Stage:
    """Two tasks in one slot, and who is told of their starts and ends."""

    def __init__(self):
        self.events, self.told = TaskEvents(), []
        self.dispatcher, self.child = Dispatcher(None, None, None, None, None), FakeChild()
        self.dispatcher.pace.learn("t", 0.00001)
        self.dispatcher.add_child(self.child)
        self.dispatcher.offer([entry("a"), entry("b")])
        self.events.started.listen(lambda task, at: self.told.append((task.id, at)))
        self.events.succeeded.listen(lambda task, outcome: self.told.append((task.id, "ended")))
        self.starts = Starts(self.dispatcher, self.events)

    def end(self, number, started):
        done = acknowledger(FakeConsumer(), None, None, events=self.events)
        done.settle(self.dispatcher.finished(self.child, [outcome(number)._replace(started=started)]))


def test_a_long_task_is_told_of_while_it_runs_and_once():
    stage = Stage()
    stage.starts.look(0.0)
    assert stage.told == []
    stage.child.begin(1, since=5.0)
    stage.starts.look(6.0)
    stage.starts.look(7.0)
    stage.child.rows[0].current = 0
    stage.starts.look(8.0)
    stage.end(1, 5.0)
    assert stage.told == [("a", 5.0), ("a", "ended")]


def test_a_short_task_is_told_of_with_its_end():
    stage = Stage()
    stage.end(1, 5.0)
    stage.end(2, 0.0)
    assert stage.told == [("a", 5.0), ("a", "ended"), ("b", "ended")], "the code of b never began"


def test_what_has_ended_is_not_remembered():
    stage = Stage()
    stage.child.begin(1, since=5.0)
    stage.starts.look(6.0)
    stage.end(1, 5.0)
    stage.starts.look(7.0)
    assert stage.events.begun == set()


def test_it_looks_while_somebody_listens():
    stage, told = Stage(), []
    nobody = Starts(None, TaskEvents())
    nobody.look(0.0)  # else it would ask a dispatcher, which is none

    def listener(task, at):
        told.append(task.id)

    stage.events.started.listen(listener, never_raises=True)
    stage.child.begin(1, since=5.0)
    stage.starts.look(6.0)
    stage.events.started.forget(listener)
    stage.child.begin(2, since=7.0)
    stage.starts.look(8.0)
    assert (told, stage.told) == (["a"], [("a", 5.0), ("b", 7.0)])
