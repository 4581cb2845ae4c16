"""Leases: one owner at a time, or a few."""

from __future__ import annotations

import time

import pytest

from umbel.leases.base import Grant, Lease
from umbel.testing.lease_stores.kit import BRIEF, LeaseKit


class TestLeases:
    def test_the_first_has_it_and_the_second_learns_from_whom(self, kit: LeaseKit) -> None:
        assert kit.acquire("a") == Grant(is_held=True)
        grant = kit.acquire("b")
        assert (grant.is_held, grant.other) == (False, "a")
        assert grant.seconds == pytest.approx(60.0, abs=20.0)
        assert kit.owners == ["a"]

    def test_who_has_it_may_ask_again(self, kit: LeaseKit) -> None:
        kit.acquire("a", 60.0)
        assert kit.acquire("a", 500.0).is_held
        assert kit.acquire("b").seconds == pytest.approx(500.0, abs=50.0)
        assert kit.acquire("a", 30.0).is_held, "for a shorter time, too"
        assert kit.acquire("b").seconds <= 30.0

    def test_it_ends_by_itself(self, kit: LeaseKit) -> None:
        kit.acquire("a", BRIEF)
        assert not kit.acquire("b").is_held
        time.sleep(BRIEF + 0.05)
        assert kit.owners == []
        assert kit.acquire("b").is_held

    def test_who_renews_keeps_it(self, kit: LeaseKit) -> None:
        kit.acquire("a", BRIEF)
        assert kit.renew("a", 60.0)
        time.sleep(BRIEF + 0.05)
        assert not kit.acquire("b").is_held

    def test_to_renew_makes_it_no_shorter(self, kit: LeaseKit) -> None:
        kit.acquire("a", 500.0)
        assert kit.renew("a", 1.0)
        assert kit.acquire("b").seconds == pytest.approx(500.0, abs=50.0)

    def test_one_that_has_ended_is_not_renewed(self, kit: LeaseKit) -> None:
        kit.acquire("a", BRIEF)
        time.sleep(BRIEF + 0.05)
        assert not kit.renew("a")
        assert kit.owners == []

    def test_only_its_owner_renews_it_or_gives_it_up(self, kit: LeaseKit) -> None:
        kit.acquire("a")
        assert not kit.renew("b")
        assert not kit.release("b")
        assert kit.owners == ["a"]
        assert kit.release("a")
        assert not kit.release("a"), "it has done so already"
        assert kit.acquire("b").is_held

    def test_who_was_too_late_does_not_give_up_anothers(self, kit: LeaseKit) -> None:
        kit.acquire("a", BRIEF)
        time.sleep(BRIEF + 0.05)
        kit.acquire("b")
        assert not kit.renew("a")
        assert not kit.release("a")
        assert kit.owners == ["b"]

    def test_it_may_be_taken_over(self, kit: LeaseKit) -> None:
        kit.acquire("a")
        grant = kit.acquire("b", takes_over=True)
        assert (grant.is_held, grant.other) == (True, "a")
        assert not kit.renew("a")
        assert kit.owners == ["b"]
        assert kit.acquire("b", takes_over=True).other == "", "from oneself is from nobody"

    def test_many_in_one_step_are_decided_on_in_their_order(self, kit: LeaseKit) -> None:
        one, two = kit.new(), kit.new()
        grants = kit.store.acquire([Lease(two, "a", 60.0), Lease(one, "a", 60.0), Lease(two, "b", 60.0), Lease(one, "a", 60.0)])
        assert [grant.is_held for grant in grants] == [True, True, False, True]
        assert grants[2].other == "a"
        held = [Lease(one, "a", 60.0), Lease(two, "b", 60.0), Lease(two, "a", 60.0)]
        assert kit.other.renew(held) == [True, False, True]
        assert kit.other.release(held) == [True, False, True]
        assert kit.store.holders(one) == kit.store.holders(two) == []

    def test_nothing_is_asked_for(self, kit: LeaseKit) -> None:
        assert (kit.store.acquire([]), kit.store.renew([]), kit.store.release([])) == ([], [], [])

    def test_strange_names(self, kit: LeaseKit) -> None:
        for name in ("with space", "☃ü", "a'b\"c\\", "{braces}", "100%", "x" * 200):
            lease = Lease(f"{kit.new()}:{name}", f"owner {name}", 60.0)
            assert kit.store.acquire([lease])[0].is_held
            assert [holder.owner for holder in kit.other.holders(lease.name)] == [lease.owner]
            assert kit.store.release([lease]) == [True]

    def test_names_are_compared_exactly(self, kit: LeaseKit) -> None:
        name = kit.new()
        leases = [Lease(f"{name}:{each}", "o", 60.0) for each in ("a", "A", "a ", "ä", "á")]
        assert all(grant.is_held for grant in kit.store.acquire(leases))
        assert not any(grant.is_held for grant in kit.store.acquire([lease._replace(owner="p") for lease in leases]))
        assert kit.store.release(leases) == [True] * 5

    def test_what_is_held_outlives_the_store_that_asked(self, kit: LeaseKit) -> None:
        first = kit.make()
        first.acquire([Lease(kit.lease, "a", 60.0)])
        assert kit.owners == ["a"]
        first.close()
        assert kit.owners == ["a"]
        assert first.renew([Lease(kit.lease, "a", 60.0)]) == [True], "it may be used again"


class TestCounted:
    def test_as_many_as_the_limit_says(self, kit: LeaseKit) -> None:
        assert [kit.acquire(owner, limit=3).is_held for owner in "abcd"] == [True, True, True, False]
        assert sorted(kit.owners) == ["a", "b", "c"]
        assert kit.release("b")
        assert kit.acquire("d", limit=3).is_held
        assert not kit.acquire("e", limit=3).is_held
        assert kit.acquire("a", limit=3).is_held, "it has its lease already"

    def test_the_one_that_ends_first_is_told_of(self, kit: LeaseKit) -> None:
        kit.acquire("a", 500.0, limit=2)
        kit.acquire("b", 60.0, limit=2)
        grant = kit.acquire("c", limit=2)
        assert grant.other == "b"
        assert 0 < grant.seconds <= 60.0
        assert [holder.owner for holder in kit.store.holders(kit.lease)] == ["b", "a"]

    def test_one_that_has_ended_makes_room(self, kit: LeaseKit) -> None:
        kit.acquire("a", 60.0, limit=2)
        kit.acquire("b", BRIEF, limit=2)
        time.sleep(BRIEF + 0.05)
        assert kit.acquire("c", limit=2).is_held
        assert sorted(kit.owners) == ["a", "c"]

    def test_a_limit_that_was_lowered_ends_no_lease(self, kit: LeaseKit) -> None:
        for owner in "abc":
            kit.acquire(owner, limit=3)
        assert not kit.acquire("d", limit=1).is_held
        assert kit.renew("a")
        assert kit.acquire("b", limit=1).is_held
        for owner in "abc":
            kit.release(owner)
        assert kit.acquire("d", limit=1).is_held

    def test_all_are_taken_over(self, kit: LeaseKit) -> None:
        kit.acquire("a", limit=2)
        kit.acquire("b", limit=2)
        assert kit.acquire("c", limit=2, takes_over=True).is_held
        assert kit.owners == ["c"]
