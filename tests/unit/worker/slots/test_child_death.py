import pytest

from umbel.worker.slots.child_death import Fate, fate, sort_out
from umbel.worker.tasks.reserved import EndReason
from unit.worker.stand_ins import FakeChild, entry


def dead(*slots):
    """A child whose slots have so many jobs, run this one, and have started up to that one."""
    child = FakeChild(slots=len(slots))
    for slot, row, (jobs, current, started) in zip(child.slots, child.rows, slots, strict=True):
        row.current, row.started = current, started
        slot.given = {number: numbered(number) for number in jobs}
    return child


def numbered(number, **options):
    one = entry(str(number), **options)
    one.number = number
    return one


def ids(entries):
    return [one.id for one in entries]


def test_exactly_the_running_job_is_blamed():
    loss = sort_out(dead((range(1, 6), 3, 3)))
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["3"], ["1", "2"], ["4", "5"])


def test_a_death_while_committing_is_blamed_on_what_was_committed():
    loss = sort_out(dead((range(1, 5), 0, 2)))
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["1", "2"], [], ["3", "4"])


def test_an_idle_child_leaves_nobody_to_blame():
    loss = sort_out(dead((range(1, 3), 0, 0)))
    assert (ids(loss.blamed), ids(loss.waiting)) == ([], ["1", "2"])


@pytest.mark.parametrize(
    ("options", "attempts", "expected"),
    [
        ({}, 0, Fate.REDELIVER),
        ({}, 3, Fate.REDELIVER),
        ({}, 4, Fate.DEAD_LETTER),
        ({"acks_late": False}, 0, Fate.FAIL),
        ({"reject_on_worker_lost": False}, 0, Fate.FAIL),
    ],
)
def test_fates(options, attempts, expected):
    assert fate(entry(attempts=attempts, **options), 5) is expected


def test_no_limit_on_deliveries():
    assert fate(entry(attempts=1000), 0) is Fate.REDELIVER


def test_a_passed_time_limit_fails_the_task_or_dead_letters_it():
    late = entry()
    late.end_reason = EndReason.TIME_LIMIT
    assert fate(late, 5) is Fate.FAIL
    kept = entry(acks_on_timeout=False)
    kept.end_reason = EndReason.TIME_LIMIT
    assert fate(kept, 5) is Fate.DEAD_LETTER


def test_a_revoked_task_that_ended_just_before_the_kill_does_not_run_again():
    one = dead((range(1, 4), 2, 2))
    one.slots[0].given[1].end_reason = EndReason.REVOKED
    loss = sort_out(one)
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["1", "2"], [], ["3"])
    assert [fate(each, 5) for each in loss.blamed] == [Fate.REVOKE, Fate.REDELIVER]


def test_every_slot_that_was_running_is_to_blame_and_what_waited_goes_back_in_order():
    child = dead(((1, 4, 7), 4, 4), ((2, 5), 2, 2), ((3, 6), 0, 0))
    loss = sort_out(child)
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["2", "4"], ["1"], ["3", "5", "6", "7"])


def test_neighbours_of_a_job_that_passed_its_limit_are_not_to_blame_unless_they_must_not_run_again():
    child = dead(((1,), 1, 1), ((2,), 2, 2), ((3,), 3, 3))
    child.slots[0].given[1].end_reason = EndReason.TIME_LIMIT
    child.slots[2].given[3] = numbered(3, acks_late=False)
    loss = sort_out(child)
    assert (ids(loss.blamed), ids(loss.unreported)) == (["1", "3"], ["2"])


def test_of_those_that_ran_together_all_are_blamed():
    child = FakeChild()
    child.rows[0].current = child.rows[0].started = 2
    child.slots[0].given = {number: numbered(number, batch_size=9) for number in (1, 2, 3)}
    loss = sort_out(child)
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["1", "2"], [], ["3"])
