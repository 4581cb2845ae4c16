"""The comparison itself, on ledgers made by hand."""

from __future__ import annotations

import os
import threading

import pytest

from chaos.ledger import Journal, Watch, audit, quantile, read


def intent(task_id, t=0.0, outcome="ok"):
    return [{"kind": "intent", "id": task_id, "t": t}, {"kind": "outcome", "id": task_id, "t": t, "outcome": outcome}]


def run(task_id, start, end=None, pid=1, redelivered=False):
    entries = [{"kind": "start", "id": task_id, "t": start, "pid": pid, "run": start, "redelivered": redelivered}]
    if end is not None:
        entries.append({"kind": "end", "id": task_id, "t": end, "pid": pid, "run": start})
    return entries


def kill(t, name="kill group", **fields):
    return [{"kind": "fault", "name": name, "t": t, **fields}]


def test_all_is_well():
    report = audit([*intent("a"), *intent("b"), *run("a", 1, 2), *run("b", 1, 2, pid=2)])
    assert (report.accepted, report.executed, report.lost, report.phantom, report.duplicates) == (2, 2, (), (), 0)
    assert (report.stuck, report.unsettled, report.recoveries, report.concurrent) == ({}, (), (), ())


def test_accepted_and_never_finished_is_lost():
    report = audit([*intent("never"), *intent("cut"), *run("cut", 1), *intent("dead"), *run("dead", 1)], dead=["dead"])
    assert report.lost == ("never", "cut")


def test_unknown_and_refused_may_be_missing():
    report = audit([*intent("u", outcome="unknown"), *intent("f", outcome="fail"), {"kind": "intent", "id": "died", "t": 0.0}])
    assert (report.lost, report.unknown, report.refused, report.accepted) == ((), 2, 1, 0)


def test_unknown_may_have_run_but_refused_may_not():
    report = audit([*intent("u", outcome="unknown"), *run("u", 1, 2), *intent("f", outcome="fail"), *run("f", 1, 2), *run("ghost", 1, 2)])
    assert report.phantom == ("f", "ghost")


def test_duplicates_are_runs_beyond_the_first():
    report = audit([*intent("a"), *run("a", 1, 2), *run("a", 3, 4, redelivered=True), *run("a", 5, 6)])
    assert (report.duplicates, report.duplicated, report.concurrent, report.unmarked) == (2, {"a": 3}, (), 1)


def test_overlapping_runs_are_concurrent():
    assert audit([*intent("a"), *run("a", 1, 4), *run("a", 3, 5, pid=2)]).concurrent == ("a",)


def test_a_killed_run_ends_with_the_kill():
    killed_then_again = [*intent("a"), *run("a", 1), *kill(2), *run("a", 3, 4, pid=2)]
    assert audit(killed_then_again).concurrent == ()
    assert audit([*intent("a"), *run("a", 1), *run("a", 1.5, 1.8, pid=2), *kill(2)]).concurrent == ("a",)


def test_recovery_counts_from_the_kill_to_the_next_start():
    entries = [*intent("a"), *intent("b"), *run("a", 1), *run("b", 1.5, pid=2), *kill(2), *run("a", 3, 4, pid=3), *run("b", 5, 6, pid=3)]
    report = audit(entries)
    assert sorted(report.recoveries) == [1, 3]
    assert report.first_recoveries == (1,)
    assert report.faults == {"kill group": 1}


def test_a_kill_counts_for_its_own_processes_only():
    entries = [*intent("a"), *run("a", 1, pid=7), *kill(2, pids=[8]), *kill(3, pids=[7]), *run("a", 5, 6, pid=9)]
    assert audit(entries).recoveries == (2,)
    assert audit([*intent("a"), *run("a", 1, pid=7), *kill(2, pids=[8]), *kill(3, pids=[7]), *run("a", 2.5, 2.6, pid=9)]).concurrent == (
        "a",
    )


def test_a_second_kill_of_whoever_held_it_begins_anew():
    entries = [
        *intent("a"),
        *run("a", 1, pid=7),
        *kill(2, pids=[7], held=["a"]),
        *kill(6, pids=[8], held=["a"]),
        *kill(8, pids=[9]),
        *run("a", 9, 10),
    ]
    assert audit(entries).recoveries == (3,)


def test_a_finished_run_is_no_recovery():
    assert audit([*intent("a"), *run("a", 1, 1.5), *kill(2), *run("a", 3, 4, pid=3)]).recoveries == ()


def test_states_and_places_are_reported():
    report = audit(
        [*intent("a"), *intent("b")], states={"a": "SUCCESS", "b": "PENDING"}, stuck={"queue": 0, "unacked": 2}, leaks={"fds": 3}
    )
    assert (report.unsettled, report.stuck, report.leaks) == (("b",), {"unacked": 2}, {"fds": 3})


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, 0), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99)]
)
def test_quantiles_are_nearest_rank(values, share, expected):
    assert quantile(values, share) == expected


def test_many_writers_never_tear_a_line(tmp_path):
    journal = Journal(tmp_path / "ledger")
    writers = [
        threading.Thread(target=lambda n=n: [journal.write("start", id=f"{n}-{i}", pad="x" * 300) for i in range(200)]) for n in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    journal.close()
    assert len({entry["id"] for entry in read(tmp_path / "ledger")}) == 800


def test_a_watch_is_woken_by_a_writer(tmp_path):
    path = os.path.relpath(tmp_path / "l")
    watch, journal = Watch(path), Journal(path)
    timer = threading.Timer(0.05, lambda: journal.write("start", id="a"))
    timer.start()
    try:
        assert watch.wait(lambda entries: [entry["id"] for entry in entries], 5) == ["a"]
        with pytest.raises(AssertionError, match="nothing such"):
            watch.wait(lambda entries: len(entries) > 1, 0.05, "nothing such")
    finally:
        timer.join()
        watch.close()
        journal.close()
