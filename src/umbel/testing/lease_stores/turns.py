"""Turns: a rate that many share."""

from __future__ import annotations

import time

import pytest

from umbel.leases.base import Booking, Turn
from umbel.testing.lease_stores.kit import LeaseKit


def take(kit: LeaseKit, interval: float, within: float, slack: float = 0.0) -> Booking:
    """Ask for a turn at the name `lease`."""
    (booking,) = kit.store.take_turns([Turn(kit.lease, interval, within, slack)])
    return booking


class TestTurns:
    def test_the_first_is_now_and_others_follow_at_intervals(self, kit: LeaseKit) -> None:
        found = [take(kit, 100.0, 1000.0) for _ in range(4)]
        assert all(booking.is_booked for booking in found)
        assert [booking.seconds for booking in found] == pytest.approx([0.0, 100.0, 200.0, 300.0], abs=30.0)

    def test_one_that_is_too_far_is_not_booked(self, kit: LeaseKit) -> None:
        assert take(kit, 100.0, 0.0) == Booking(is_booked=True, seconds=0.0)
        late = take(kit, 100.0, 10.0)
        assert not late.is_booked
        assert late.seconds == pytest.approx(90.0, abs=30.0)
        assert take(kit, 100.0, 150.0).seconds == pytest.approx(100.0, abs=30.0), "what was not booked costs nobody a turn"

    def test_many_at_once_by_many(self, kit: LeaseKit) -> None:
        stores = (kit.store, kit.other)
        found = [booking.seconds for number in range(6) for booking in stores[number % 2].take_turns([Turn(kit.lease, 50.0, 5000.0)] * 5)]
        assert sorted(found) == pytest.approx([50.0 * number for number in range(30)], abs=30.0)

    def test_time_without_turns_is_not_saved_up(self, kit: LeaseKit) -> None:
        take(kit, 0.05, 1.0)
        time.sleep(0.5)
        found = [take(kit, 50.0, 1000.0).seconds for _ in range(3)]
        assert found == pytest.approx([0.0, 50.0, 100.0], abs=20.0)

    def test_but_for_a_slack(self, kit: LeaseKit) -> None:
        found = [take(kit, 10.0, 1000.0, slack=20.0).seconds for _ in range(5)]
        assert found == pytest.approx([0.0, 0.0, 0.0, 10.0, 20.0], abs=5.0)

    def test_a_rate_that_was_raised_holds_at_once(self, kit: LeaseKit) -> None:
        take(kit, 1000.0, 0.0)
        assert take(kit, 1.0, 5.0).is_booked

    def test_leases_and_turns_of_one_name_have_nothing_to_do_with_each_other(self, kit: LeaseKit) -> None:
        kit.acquire("a")
        assert take(kit, 100.0, 0.0).is_booked
        assert kit.owners == ["a"]
        assert kit.release("a")
        assert not take(kit, 100.0, 0.0).is_booked

    def test_nothing_is_asked_for(self, kit: LeaseKit) -> None:
        assert kit.store.take_turns([]) == []
