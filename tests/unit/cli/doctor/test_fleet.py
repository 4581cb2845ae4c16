from __future__ import annotations

from umbel.cli.doctor.fleet import check
from umbel.clients.finding import Level

PONG = {"ok": "pong"}


def found(*nodes, tasks=None, software=None, own=("a",)):
    return [(each.level, each.text) for each in check([{node: PONG} for node in nodes], tasks or {}, software or {}, own)]


def test_nobody_answers():
    assert found() == [(Level.WARNING, "no worker answers")]


def test_all_is_well():
    assert found("w1@h", "w2@h", tasks={"w1@h": ["a", "b"]}, software={"w1@h": "umbel 1", "w2@h": "umbel 1"}) == [(Level.OK, "2 answer")]


def test_two_with_one_name_are_an_error():
    assert found("w@h", "w@h")[1] == (
        Level.ERROR,
        "2 workers are called w@h: commands and events of one are taken for the other's",
    )


def test_different_versions_are_told():
    _, (level, text) = found("w1@h", "w2@h", software={"w1@h": "umbel 1", "w2@h": "celery 5.7"})
    assert level is Level.WARNING
    assert "umbel 1 (1), celery 5.7 (1)" in text


def test_tasks_that_a_worker_does_not_know_are_named():
    _, (level, text) = found("w@h", tasks={"w@h": ["a"]}, own=list("abcdefgh"))
    assert (level, text) == (Level.WARNING, "w@h does not know b, c, d, e, f and 2 more")
