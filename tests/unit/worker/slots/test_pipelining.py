from umbel.worker.slots.pipelining import AHEAD, MOST, OVERDUE, Pace, is_overdue, room


def test_an_unknown_or_slow_task_goes_to_an_idle_slot_alone():
    assert room(None, 0) == 1
    assert room(None, 1) == 0
    assert room(1.0, 0) == 1
    assert room(1.0, 1) == 0


def test_quick_tasks_are_pipelined_up_to_a_bound():
    assert room(0.00001, 0) == MOST
    assert room(0.0005, 0) == int(AHEAD / 0.0005)
    assert room(0.0005, 3) == int(AHEAD / 0.0005) - 3
    assert room(0.0005, 100) <= 0


def test_overdue_is_long_and_longer_than_usual():
    assert is_overdue(OVERDUE * 2, None)
    assert is_overdue(OVERDUE * 2, 0.0001)
    assert not is_overdue(OVERDUE / 2, 0.0001)
    assert not is_overdue(OVERDUE * 2, OVERDUE * 1.5)


def test_pace_rises_quickly_and_falls_slowly():
    pace = Pace()
    assert pace.usual("t") is None
    pace.learn("t", 0.001)
    pace.learn("t", 1.0)
    assert pace.usual("t") > 0.2
    pace.learn("t", 0.001)
    assert pace.usual("t") > 0.2
