from __future__ import annotations

import pytest

from umbel.worker.events.elections import MOST_OPEN, Elections, Won


def elect(hostname, clock, id="e", pid=1, **fields):
    return {"type": "worker-elect", "id": id, "topic": "task", "hostname": hostname, "pid": pid, "clock": clock, **fields}


def ack(hostname, id="e"):
    return {"type": "worker-elect-ack", "id": id, "hostname": hostname}


def test_the_lowest_clock_wins_and_all_agree():
    for me in ("a", "b", "c"):
        elections = Elections()
        elections.hold("e", f"do {me}")
        assert [elections.stands(elect(name, clock)) for name, clock in (("c", 7), ("a", 5), ("b", 5))] == ["e"] * 3
        assert [elections.acknowledged(ack(name), "abc") for name in "ca"] == [None, None]
        assert elections.acknowledged(ack("b"), "abc") == Won("a.1", "task", f"do {me}")
        assert elections.acknowledged(ack("b"), "abc") is None, "it has ended"


def test_a_worker_alone_elects_itself():
    elections = Elections()
    elections.hold("e", "do")
    elections.stands(elect("me", 3))
    assert elections.acknowledged(ack("me"), ["me"]) == Won("me.1", "task", "do")


def test_an_acknowledgement_may_come_before_anybody_stands():
    elections = Elections()
    elections.hold("e", "do")
    assert elections.acknowledged(ack("me"), ["me"]) is None
    elections.stands(elect("me", 3))
    assert elections.acknowledged(ack("me"), ["me"]) is not None


def test_elections_of_others_are_acknowledged_and_not_ended():
    elections = Elections()
    assert elections.stands(elect("other", 3)) == "e"
    assert elections.acknowledged(ack("other"), ["other"]) is None


@pytest.mark.parametrize("wrong", [{"id": 5}, {"id": None}, {"topic": []}, {"clock": None}, {"clock": float("nan")}])
def test_what_is_none_is_passed_over(wrong):
    elections = Elections()
    assert elections.stands({**elect("a", 1), **wrong}) is None
    assert elections.acknowledged({"id": ["x"], "hostname": "a"}, []) is None


def test_a_flood_is_bounded():
    elections = Elections()
    for number in range(10 * MOST_OPEN):
        elections.stands(elect("a", 1, id=str(number)))
    assert len(elections._open) == MOST_OPEN
