from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.leases import deciding
from umbel.leases.base import Booking, Grant, Holder, Lease, Turn
from umbel.leases.deciding import Row

NAME = "n"


def held(**ends):
    """A row whose owners' leases were asked for, for 10 seconds each, and end then."""
    return Row({owner: (until, 10.0) for owner, until in ends.items()})


def test_what_has_ended_is_left_out():
    row, grant = deciding.acquire(held(a=100.0, b=105.0), Lease(NAME, "c", 10.0, limit=2), 100.0)
    assert grant == Grant(is_held=True, other="b", seconds=5.0)
    assert set(row.holders) == {"b", "c"}


def test_a_refusal_tells_of_the_first_that_ends():
    row, grant = deciding.acquire(held(a=108.0, b=105.0), Lease(NAME, "c", 10.0, limit=2), 100.0)
    assert grant == Grant(is_held=False, other="b", seconds=5.0)
    assert row == held(a=108.0, b=105.0)


@pytest.mark.parametrize("back", [60.0, 3600.0, 1e9])
def test_a_clock_that_was_set_back_makes_no_lease_longer_than_it_was_asked_for(back):
    row, now = held(dead=110.0), 100.0 - back
    row, grant = deciding.acquire(row, Lease(NAME, "b", 10.0), now)
    assert grant == Grant(is_held=False, other="dead", seconds=10.0)
    _, grant = deciding.acquire(row, Lease(NAME, "b", 10.0), now + 10.0)
    assert grant.is_held


def test_a_live_owner_keeps_its_lease_when_the_clock_is_set_back():
    row, is_held = deciding.renew(held(a=110.0), Lease(NAME, "a", 10.0), 5.0)
    assert is_held
    assert row.holders == {"a": (15.0, 10.0)}


def test_a_row_is_kept_as_long_as_something_of_it_counts():
    assert Row().until == 0.0
    assert held(a=7.0, b=9.0).until == 9.0
    assert Row(turn=100.0).until == 160.0, "else the slack would be had twice"


def test_holders_in_order():
    assert deciding.in_order(held(a=120.0, b=105.0, c=99.0).holders, 100.0) == [Holder("b", 5.0), Holder("a", 10.0)]


def test_turns_after_the_clock_was_set_back():
    row, _ = deciding.take(Row(), Turn(NAME, 1.0, 5.0), 1000.0)
    _, booking = deciding.take(row, Turn(NAME, 1.0, 5.0), 10.0)
    assert booking == Booking(is_booked=True, seconds=0.0)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(("acquire", "renew", "release", "pass")), st.sampled_from("abcd"), st.floats(0.1, 20.0), st.integers(1, 3)),
    max_size=60,
)


@given(ACTIONS)
def test_never_more_owners_than_the_largest_limit(actions):
    row, now, ends = Row(), 0.0, {}
    for what, owner, seconds, limit in actions:
        before = {each for each, end in ends.items() if end > now}
        if what == "pass":
            now += seconds
            continue
        lease = Lease(NAME, owner, seconds, limit)
        if what == "acquire":
            row, grant = deciding.acquire(row, lease, now)
            assert grant.is_held == (owner in before or len(before) < limit)
            assert (grant.other in before - {owner}) if before - {owner} else grant.other == ""
            if grant.is_held:
                ends[owner] = now + seconds
        elif what == "renew":
            row, is_held = deciding.renew(row, lease, now)
            assert is_held == (owner in before)
            if is_held:
                ends[owner] = max(ends[owner], now + seconds)
        else:
            row, is_held = deciding.release(row, lease, now)
            assert is_held == (owner in before)
            ends.pop(owner, None)
        assert {each for each, (end, _) in row.holders.items() if end > now} == {each for each, end in ends.items() if end > now}
        assert len({each for each, end in ends.items() if end > now}) <= max(3, len(before))


@given(st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.3)), min_size=1, max_size=200))
def test_turns_never_come_faster_than_the_rate_and_its_slack(asks):
    """Whenever they are asked for, in any second there are no more than the rate allows, and what the slack makes up for."""
    row, now, interval, slack, taken = Row(), 50.0, 0.1, 0.2, []
    for pause, within in asks:
        now += pause
        row, booking = deciding.take(row, Turn(NAME, interval, within, slack), now)
        if booking.is_booked:
            assert booking.seconds <= within + 1e-9
            taken.append(now + booking.seconds)
        if row.until <= now:
            row = Row()
    for first in range(len(taken)):
        within_a_second = [moment for moment in taken[first:] if moment <= taken[first] + 1.0]
        assert len(within_a_second) <= 10 + 1 + 2
