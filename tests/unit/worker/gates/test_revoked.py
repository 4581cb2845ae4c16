from __future__ import annotations

from umbel.worker.gates.base import PASS, REVOKE, Asked
from umbel.worker.gates.revoked import RevokedIds
from unit.worker.stand_ins import entry


def ask(gate, task_id, now=0.0, **fields):
    return gate.ask(Asked(task=entry(task_id), now=now, ahead=lambda line: 0, near=5.0, **fields))


def test_a_revoked_task_is_told_so_due_or_not():
    gate = RevokedIds(10, 60.0)
    gate.add(["a"], 0.0)
    assert (ask(gate, "a"), ask(gate, "a", is_due=False), ask(gate, "b")) == (REVOKE, REVOKE, PASS)
    assert ask(gate, "a") is REVOKE, "a retry has the same id"


def test_it_concerns_all_as_long_as_it_remembers_one():
    gate = RevokedIds(10, 60.0)
    assert not gate.concerns_all
    gate.add(["a"], 100.0)
    assert gate.concerns_all
    assert ask(gate, "a", now=159.0) is REVOKE
    assert ask(gate, "a", now=160.0) is PASS
    assert not gate.concerns_all


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
    assert not gate.concerns_all
