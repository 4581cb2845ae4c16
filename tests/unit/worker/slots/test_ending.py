from umbel.worker.slots import ending
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.ending import Endings
from umbel.worker.tasks.reserved import EndReason
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import FakeChild, entry, outcome


class SharedChild(FakeChild):
    is_shared = True

    def __init__(self, slots):
        super().__init__(slots=slots)
        self.told = []

    def end(self, slot, number):
        self.told.append((slot, number))


def stage(child, *entries):
    replaced = []
    dispatcher = Dispatcher(None, None, lambda child: (setattr(child, "is_spent", True), replaced.append(child)), None, None)
    dispatcher.add_child(child)
    dispatcher.offer(entries)
    for slot in child.slots:
        if slot.given:
            child.begin(slot.last, slot=slot.index)
    return dispatcher, Endings(dispatcher, TaskLog()), replaced


def test_a_child_of_one_job_is_killed_with_it():
    child, task = FakeChild(), entry()
    _, endings, _ = stage(child, task)
    endings.end_task(task, EndReason.REVOKED)
    assert child.killed
    assert task.end_reason is EndReason.REVOKED


def test_a_shared_child_is_asked_and_lives_on_when_the_job_ends(monkeypatch):
    child, tasks = SharedChild(2), [entry("a"), entry("b")]
    dispatcher, endings, replaced = stage(child, *tasks)
    endings.end_task(tasks[0], EndReason.TIME_LIMIT)
    assert child.told == [(0, 1)]
    endings.look(0.0)
    dispatcher.finished(child, [outcome(1)])
    endings.look(1e12)
    assert (replaced, child.killed) == ([], False)


def test_a_job_that_does_not_end_has_its_child_replaced_and_its_neighbours_have_a_while():
    child, tasks = SharedChild(3), [entry("a"), entry("b")]
    dispatcher, endings, replaced = stage(child, *tasks)
    endings.end_task(tasks[0], EndReason.TIME_LIMIT)
    endings.look(1e12)
    assert (replaced, child.killed) == ([child], False)
    endings.look(1e12 + ending.LEAVE - 0.1)
    assert not child.killed
    endings.look(1e12 + ending.LEAVE)
    assert child.killed
    assert dispatcher.is_given(tasks[1])


def test_a_child_without_neighbours_to_wait_for_is_killed_at_once():
    child, tasks = SharedChild(2), [entry("a"), entry("b")]
    dispatcher, endings, _ = stage(child, *tasks)
    endings.end_task(tasks[0], EndReason.TIME_LIMIT)
    endings.look(1e12)
    dispatcher.finished(child, [outcome(2, slot=1)])
    endings.look(1e12)
    assert child.killed


def test_a_job_that_ends_late_leaves_its_neighbours_all_the_time_they_need():
    child, tasks = SharedChild(2), [entry("a"), entry("b")]
    dispatcher, endings, _ = stage(child, *tasks)
    endings.end_task(tasks[0], EndReason.TIME_LIMIT)
    endings.look(1e12)
    dispatcher.finished(child, [outcome(1)])
    endings.look(1e13)
    assert not child.killed


def test_a_job_whose_result_is_being_stored_is_waited_for():
    child, task = SharedChild(1), entry()
    _, endings, replaced = stage(child, task)
    endings.end_task(task, EndReason.TIME_LIMIT)
    child.rows[0].current = 0
    endings.look(1e12)
    assert replaced == []
    child.rows[0].current = 1  # its handlers run, and hang
    endings.look(1e12)
    assert replaced == [child]
