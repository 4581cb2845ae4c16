import pytest

from umbel.worker.slots.child_death import Fate, fate, sort_out
from umbel.worker.slots.dispatching import Station
from umbel.worker.tasks.reserved import EndReason
from unit.worker.stand_ins import FakeSeat, entry


def station(count, current, started):
    seat = FakeSeat()
    seat.now, seat.highest = (current, 0.0), started
    one = Station(seat)
    for number in range(1, count + 1):
        one.given[number] = entry(str(number))
    return one


def ids(entries):
    return [one.id for one in entries]


def test_exactly_the_running_job_is_blamed():
    loss = sort_out(station(5, current=3, started=3))
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["3"], ["1", "2"], ["4", "5"])


def test_a_death_while_committing_is_blamed_on_what_was_committed():
    loss = sort_out(station(4, current=0, started=2))
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["1", "2"], [], ["3", "4"])


def test_an_idle_child_leaves_nobody_to_blame():
    loss = sort_out(station(2, current=0, started=0))
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
    one = station(3, current=2, started=2)
    one.given[1].end_reason = EndReason.REVOKED
    loss = sort_out(one)
    assert (ids(loss.blamed), ids(loss.unreported), ids(loss.waiting)) == (["1", "2"], [], ["3"])
    assert [fate(each, 5) for each in loss.blamed] == [Fate.REVOKE, Fate.REDELIVER]
