from umbel.brokers.amqp.backlog import Backlog
from umbel.brokers.confirms.waiting import WaitBudget


def written(backlog, numbers, now=1.0):
    """Write messages; returns the numbers behind which a mark was wanted."""
    return [number for number in numbers if backlog.wants_mark(number, now)]


def test_a_call_waits_for_its_mark():
    backlog = Backlog(WaitBudget(1.0))
    assert written(backlog, [1, 2, 3]) == [1, 2, 3]
    assert backlog.is_behind(3)
    backlog.answered(2)
    assert (backlog.routed, backlog.is_behind(3)) == (2, True)
    backlog.answered(5)
    assert (backlog.routed, backlog.is_behind(3)) == (3, False)


def test_it_stops_waiting_when_the_budget_is_spent():
    backlog = Backlog(WaitBudget(0.01))
    written(backlog, [1])
    backlog.budget.spend(0.02, now=1.02)
    assert not backlog.is_behind(1)
    assert written(backlog, range(2, 9), now=1.0201) == []


def test_a_new_channel_answers_no_old_marks():
    backlog = Backlog(WaitBudget(1.0))
    written(backlog, range(1, 20))
    backlog.restart(19)
    assert not backlog.is_behind(19)
    backlog.answered(3)
    assert backlog.routed == 19
