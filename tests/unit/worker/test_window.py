from umbel.worker.window import CEILING, Rate, had_better_go, window


def test_slow_tasks_have_no_reserve():
    assert window(4, 0.0, multiplier=None, held=0) == 4
    assert window(4, 1.0, multiplier=None, held=0) == 4


def test_quick_tasks_have_a_tenth_of_a_second_in_reserve():
    assert window(2, 5000.0, multiplier=None, held=0) == 502
    assert window(2, 10**6, multiplier=None, held=0) == CEILING


def test_the_users_number_is_kept():
    assert window(4, 10**6, multiplier=1, held=0) == 4
    assert window(4, 0.0, multiplier=4, held=0) == 16
    assert window(4, 0.0, multiplier=0, held=0) == 65_535


def test_what_is_held_has_room_of_its_own():
    assert window(4, 0.0, multiplier=1, held=7) == 11


def test_rate_follows_completions():
    rate = Rate(0.0)
    for tick in range(1, 41):
        rate.tick(50, 0.05, tick * 0.05)
    assert 990 < rate.value < 1001
    for tick in range(41, 81):
        rate.tick(0, 0.0, tick * 0.05)
    assert rate.value < 5


def test_slow_tasks_among_quick_ones_have_no_reserve():
    assert window(4, 40.0, runtime=0.058, multiplier=None, held=0) == 4
    assert window(4, 40.0, runtime=0.001, multiplier=None, held=0) == 8


def test_what_a_task_takes_is_remembered_for_some_seconds():
    rate = Rate(0.0)
    assert rate.runtime == 0.0
    rate.tick(1, 1.0, 0.05)
    for tick in range(2, 21):  # a second with quick tasks only
        rate.tick(2, 0.002, tick * 0.05)
    assert rate.runtime > 0.02
    for tick in range(21, 400):
        rate.tick(2, 0.002, tick * 0.05)
    assert rate.runtime < 0.003


def test_what_waits_goes_where_tasks_are_slow():
    assert had_better_go(3, 0.02, runtime=0.058)
    assert not had_better_go(3, 0.005, runtime=0.058)
    assert not had_better_go(0, 9.0, runtime=0.058)


def test_what_waits_for_a_moment_behind_a_rare_slow_task_stays():
    assert not had_better_go(360, 0.05, runtime=0.0006)
