"""Stores that keep what was revoked, by the contract in `umbel.results.revocation_store`."""

from __future__ import annotations

import uuid

import pytest

from umbel.results.revocation_store import LONGEST, RevocationStore, stamp_entry, stamp_of
from umbel.runtime.clock import SYSTEM
from umbel.testing.result_stores.kit import StoreKit

#: More than any test before has left in a server that all tests share.
PLENTY = 1_000_000


def new(count: int = 1) -> list[str]:
    """Ids that no test has had before."""
    return [uuid.uuid4().hex for _ in range(count)]


def kept(kit: StoreKit, since: float) -> dict[str, float]:
    """The entries that another store object reads."""
    return revocations(kit.make()).read(since)


def revocations(store: object) -> RevocationStore:
    """The revocations of a store that has them."""
    found: RevocationStore | None = getattr(store, "revocations", None)
    assert found is not None
    return found


class TestRevocations:
    needs = "revocations"

    def test_what_is_revoked_is_read_by_others_with_its_time(self, kit: StoreKit) -> None:
        now, (one, two) = SYSTEM.now(), new(2)
        revocations(kit.writer).add([one], now - 5, most=PLENTY, expires=60)
        revocations(kit.writer).add([two], now, most=PLENTY, expires=60)
        found = kept(kit, now - 60)
        assert {name: found[name] for name in (one, two)} == pytest.approx({one: now - 5, two: now}, abs=0.001)
        assert one not in kept(kit, now - 2)

    def test_nothing_is_kept_where_nothing_was_revoked(self, kit: StoreKit) -> None:
        assert kept(kit, SYSTEM.now() + 1_000_000) == {}  # later than whatever another test has kept
        revocations(kit.writer).add([], SYSTEM.now(), most=PLENTY, expires=60)

    def test_an_entry_is_kept_once_and_is_as_new_as_it_was_revoked_last(self, kit: StoreKit) -> None:
        now, (one,) = SYSTEM.now(), new()
        for when in (now - 9, now):
            revocations(kit.writer).add([one], when, most=PLENTY, expires=60)
        assert one in kept(kit, now - 1)

    def test_what_has_expired_goes(self, kit: StoreKit) -> None:
        now, (old, fresh) = SYSTEM.now(), new(2)
        revocations(kit.writer).add([old], now - 100, most=PLENTY, expires=200)
        revocations(kit.writer).add([fresh], now, most=PLENTY, expires=60)
        found = kept(kit, now - 1000)
        assert fresh in found
        assert old not in found

    def test_of_very_many_the_newest_stay(self, kit: StoreKit) -> None:
        now, entries = SYSTEM.now() + 3600, new(30)  # newer than what other tests have kept
        for place, entry in enumerate(entries):
            revocations(kit.writer).add([entry], now + place, most=10, expires=7200)
        assert list(kept(kit, now - 1)) == entries[-10:]

    def test_stamps_and_long_entries_are_kept_as_they_are(self, kit: StoreKit) -> None:
        now, mark = SYSTEM.now(), uuid.uuid4().hex
        stamps = [("tenant", f"{mark} ☃ é"), ("Tenant", f"{mark} ☃ é"), ("run", 7), ("x" * 200, mark)]
        entries = [stamp_entry(*stamp) for stamp in stamps] + [mark + "i" * (LONGEST - len(mark))]
        revocations(kit.writer).add(entries, now, most=PLENTY, expires=60)
        found = kept(kit, now - 1)
        assert set(entries) <= set(found)
        assert [stamp_of(entry) for entry in entries[:4]] == stamps

    def test_ids_that_differ_in_case_only_are_two(self, kit: StoreKit) -> None:
        now, (one,) = SYSTEM.now(), new()
        revocations(kit.writer).add([f"a{one}", f"A{one}"], now, most=PLENTY, expires=60)
        assert {f"a{one}", f"A{one}"} <= set(kept(kit, now - 1))

    def test_thousands_at_once(self, kit: StoreKit) -> None:
        now, entries = SYSTEM.now(), new(3000)
        revocations(kit.writer).add(entries, now, most=PLENTY, expires=60)
        assert set(entries) <= set(kept(kit, now - 1))
