from __future__ import annotations

import pytest

from umbel.worker.gates.base import PASS, REVOKE, Asked
from umbel.worker.gates.revoked import RevokedIds, RevokedStamps, stamps_of
from unit.worker.stand_ins import entry


def ask(gate, task_id, now=0.0, **fields):
    return gate.ask(Asked(task=entry(task_id), now=now, ahead=lambda line: 0, near=5.0, **fields))


def test_a_revoked_task_is_told_so_due_or_not():
    gate = RevokedIds(10, 60.0)
    gate.add(["a"], 0.0)
    assert (ask(gate, "a"), ask(gate, "a", is_due=False), ask(gate, "b")) == (REVOKE, REVOKE, PASS)
    assert ask(gate, "a") is REVOKE, "a retry has the same id"


def test_it_concerns_the_ids_that_it_remembers_and_no_others():
    gate = RevokedIds(10, 60.0)
    ids = gate.ids
    assert "a" not in ids
    gate.add(["a"], 100.0)
    assert "a" in ids
    assert not gate.concerns_all
    assert ask(gate, "a", now=159.0) is REVOKE
    assert ask(gate, "a", now=160.0) is PASS
    assert "a" not in ids


def test_the_oldest_is_forgotten_for_another_and_what_is_revoked_again_is_new():
    gate = RevokedIds(2, 60.0)
    gate.add(["a", "b"], 0.0)
    gate.add(["a"], 1.0)
    gate.add(["c"], 2.0)
    assert list(gate) == ["a", "c"]


def test_none_at_all_may_be_remembered():
    gate = RevokedIds(0, 60.0)
    gate.add(["a"], 0.0)
    assert not list(gate)
    assert not gate.ids


def test_what_others_remember_is_learnt_in_its_order_and_only_what_is_new_is_told():
    gate = RevokedIds(3, 60.0)
    gate.add(["b"], 50.0)
    ids = gate.ids
    assert gate.learn({"c": 60.0, "a": 40.0, "b": 10.0, "old": -1.0}, 62.0) == {"a", "c"}
    assert list(gate) == ["a", "b", "c"]
    assert gate.ids is ids
    assert gate.learn({"d": 55.0}, 62.0) == {"d"}
    assert list(gate) == ["b", "d", "c"], "the oldest was forgotten"
    assert gate.learn({"e": 20.0}, 62.0) == set(), "it is older than all, and there is no room"


def stamped(**stamps):
    task = entry("i")
    task.delivery.headers.update(stamped_headers=list(stamps), stamps=stamps)
    return task


def test_a_stamp_is_revoked_by_its_name_and_one_of_its_values():
    gate = RevokedStamps(10, 60.0)
    assert not gate.concerns_all
    gate.add([("tenant", "acme"), ("run", 7)], 0.0)
    assert gate.concerns_all

    def told(**stamps):
        return gate.ask(Asked(task=stamped(**stamps), now=0.0, ahead=lambda line: 0, near=5.0))

    assert told(tenant="acme") is told(tenant=["x", "acme"]) is told(run=[7]) is REVOKE
    assert told(tenant="other") is told(run="7") is told(other="acme") is told() is PASS
    assert told(tenant=[["acme"], {"a": 1}, None]) is PASS, "what is no plain value is no stamp"
    assert gate.ask(Asked(task=stamped(tenant="acme"), now=60.0, ahead=lambda line: 0, near=5.0)) is PASS
    assert not gate.concerns_all


@pytest.mark.parametrize("stamps", [None, 3, ["a"], "text"])
def test_headers_that_are_no_stamps_are_none(stamps):
    assert list(stamps_of({"stamps": stamps})) == []


def test_very_many_at_once_take_no_longer_than_they_must():
    """Each that is forgotten costs the same, however many have been forgotten before: else these would take minutes."""
    gate = RevokedIds(1000, 60.0)
    gate.add([str(number) for number in range(1_000_000)], 0.0)
    assert list(gate)[:2] == ["999000", "999001"]
    assert gate.learn({str(number): 1.0 for number in range(100_000)}, 2.0) == {str(number) for number in range(99_000, 100_000)}
