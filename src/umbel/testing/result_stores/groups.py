"""Stores that keep groups, by the contract in `umbel.results.group_store`."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from umbel.errors import EncodeError
from umbel.results.group_store import ChordClaim, ChordPart, ClaimedElsewhere, GroupStore
from umbel.testing.result_stores.kit import StoreKit


def groups_of(kit: StoreKit) -> GroupStore:
    """The groups of the store under test."""
    found = kit.writer.groups
    assert found is not None
    return found


def part(group: str, number: int, result: Any = None, status: str = "SUCCESS", index: int | None = -1) -> ChordPart:
    """The end of a chord's member."""
    return ChordPart(group, f"task-{number}", number if index == -1 else index, status, result)


def claim_of(found: object) -> ChordClaim:
    """Return what was found, which must be a claim."""
    assert isinstance(found, ChordClaim), found
    return found


class TestTrees:
    needs = "groups"

    def test_a_tree_is_kept_by_its_id(self, kit: StoreKit) -> None:
        group = str(uuid.uuid4())
        tree = [[group, None], [[["a", None], None], [["b", ["p", None]], None]]]
        assert groups_of(kit).tree(group) is None
        groups_of(kit).save(group, tree)
        reader = kit.reader.groups
        assert reader is not None
        assert reader.tree(group) == tree
        body = {"task": "total", "args": [], "kwargs": {"key": "é"}, "options": {"chain": [{"task": "x", "args": [1]}]}, "immutable": False}
        groups_of(kit).save(f"{group}.body", body)
        assert reader.tree(f"{group}.body") == body
        groups_of(kit).save(group, [[group, None], []])
        assert reader.tree(group) == [[group, None], []]
        reader.forget(group)
        assert groups_of(kit).tree(group) is None
        reader.forget(group)


class TestCounting:
    needs = "groups"

    @pytest.fixture
    def group(self) -> str:
        return str(uuid.uuid4())

    def test_the_last_member_gets_the_claim_and_all_results_in_order(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        chords.open(group, 3)
        assert chords.count([part(group, 2, "c")]) == [None]
        assert chords.count([part(group, 0, {"a": [1]})]) == [None]
        claim = claim_of(chords.count([part(group, 1, None)])[0])
        assert claim.group_id == group
        assert [(each.task_id, each.place, each.status, each.result) for each in claim.parts] == [
            ("task-0", 0, "SUCCESS", {"a": [1]}),
            ("task-1", 1, "SUCCESS", None),
            ("task-2", 2, "SUCCESS", "c"),
        ]
        assert claim.header is None

    def test_a_member_counts_once_and_its_first_result_stays(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        chords.open(group, 2)
        assert chords.count([part(group, 0, "first")]) == [None]
        assert chords.count([part(group, 0, "second"), part(group, 0, "third")]) == [None, None]
        claim = claim_of(chords.count([part(group, 1)])[0])
        assert [each.result for each in claim.parts] == ["first", None]

    def test_failures_are_counted_too(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        failure = {"exc_type": "ValueError", "exc_message": ["bad"], "exc_module": "builtins"}
        chords.open(group, 1)
        (found,) = claim_of(chords.count([part(group, 0, failure, "FAILURE")])[0]).parts
        assert (found.status, found.result) == ("FAILURE", failure)

    def test_members_without_a_place_come_last(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        chords.open(group, 3)
        chords.count([part(group, 9, "none", index=None), part(group, 1, "b")])
        claim = claim_of(chords.count([part(group, 0, "a")])[0])
        assert [each.result for each in claim.parts] == ["a", "b", "none"]

    def test_many_chords_in_one_call(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        for number in range(20):
            chords.open(f"{group}-{number}", 1 + number % 2)
        found = chords.count([part(f"{group}-{number}", 0) for number in range(20)])
        assert [isinstance(each, ChordClaim) for each in found] == [number % 2 == 0 for number in range(20)]
        assert chords.count([]) == []

    def test_a_member_that_ends_before_the_chord_is_opened(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        assert chords.count([part(group, 0)]) == [None]
        chords.open(group, 2)
        claim_of(chords.count([part(group, 1)])[0])

    def test_a_chord_that_grows(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        chords.open(group, 1)
        for added in ("a", "b", "a", "c"):  # one of them is told twice
            chords.grow(group, added)
        assert chords.count([part(group, number) for number in range(3)]) == [None, None, None]
        assert len(claim_of(chords.count([part(group, 3)])[0]).parts) == 4

    def test_the_tree_of_the_header_comes_back(self, kit: StoreKit, group: str) -> None:
        tree = [[group, None], [[["a", None], None], [["b", None], None]]]
        groups_of(kit).open(group, 1, tree)
        assert claim_of(groups_of(kit).count([part(group, 0)])[0]).header == tree

    def test_what_cannot_be_written_names_the_task(self, kit: StoreKit, group: str) -> None:
        groups_of(kit).open(group, 1)
        with pytest.raises(EncodeError, match="task-0"):
            groups_of(kit).count([part(group, 0, object())])

    def test_fifty_threads_get_one_claim(self, kit: StoreKit, group: str) -> None:
        chords = groups_of(kit)
        chords.open(group, 200)
        found: list[object] = []

        def work(first: int) -> None:
            for number in range(first, 200, 10):
                found.extend(chords.count([part(group, number, number)]))
                found.extend(chords.count([part(group, number, number)]))  # delivered twice

        threads = [threading.Thread(target=work, args=(first,)) for first in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        claims = [each for each in found if isinstance(each, ChordClaim)]
        assert len(claims) == 1
        assert [each.result for each in claims[0].parts] == list(range(200))


class TestClaims:
    needs = "groups"

    @pytest.fixture
    def group(self) -> str:
        return str(uuid.uuid4())

    @pytest.fixture
    def claim(self, kit: StoreKit, group: str) -> ChordClaim:
        groups_of(kit).open(group, 1)
        return claim_of(groups_of(kit).count([part(group, 0, "x")])[0])

    def test_the_same_member_again_learns_that_it_is_claimed(self, kit: StoreKit, group: str, claim: ChordClaim) -> None:
        (found,) = groups_of(kit).count([part(group, 0)])
        assert isinstance(found, ClaimedElsewhere)
        assert 0 <= found.seconds <= 6

    def test_a_claim_whose_holder_has_died_goes_to_the_redelivery(self, kit: StoreKit, group: str, claim: ChordClaim) -> None:
        assert groups_of(kit).extend(claim, 1.0)
        for _ in range(100):
            (found,) = groups_of(kit).count([part(group, 0)])
            if isinstance(found, ChordClaim):
                break
            assert isinstance(found, ClaimedElsewhere)
            threading.Event().wait(found.seconds + 0.01)
        assert [each.result for each in claim_of(found).parts] == ["x"]
        assert not groups_of(kit).extend(claim, 5.0)
        assert not groups_of(kit).close(claim)
        assert groups_of(kit).extend(claim_of(found), 5.0)
        assert groups_of(kit).close(claim_of(found))

    def test_a_closed_chord_is_not_counted_again(self, kit: StoreKit, group: str, claim: ChordClaim) -> None:
        assert groups_of(kit).close(claim)
        assert groups_of(kit).count([part(group, 0), part(group, 1)]) == [None, None]
        assert not groups_of(kit).extend(claim, 1.0)
        assert not groups_of(kit).close(claim)

    def test_a_closed_chord_may_be_opened_again(self, kit: StoreKit, group: str, claim: ChordClaim) -> None:
        chords = groups_of(kit)
        assert chords.close(claim)
        chords.open(group, 2)
        assert chords.count([part(group, 0, "new")]) == [None]
        again = claim_of(chords.count([part(group, 1, "too")])[0])
        assert [each.result for each in again.parts] == ["new", "too"]

    def test_the_message_that_comes_first_runs(self, kit: StoreKit) -> None:
        groups, chord = groups_of(kit), str(uuid.uuid4())
        assert groups.begin_body(chord, "first")
        assert not groups.begin_body(chord, "second")
        assert groups.begin_body(chord, "first"), "it is delivered again"
        assert groups.begin_body(str(uuid.uuid4()), "second")

    def test_the_body_of_a_chord_that_is_sent_again_runs_again(self, kit: StoreKit) -> None:
        groups, chord = groups_of(kit), str(uuid.uuid4())
        assert groups.begin_body(chord, "first")
        groups.open(chord, 2, anew=False)  # whoever opened it has died, and the message of that task was delivered again
        assert not groups.begin_body(chord, "second")
        groups.open(chord, 2)
        assert groups.begin_body(chord, "second")
        assert not groups.begin_body(chord, "first")
