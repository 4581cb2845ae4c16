"""Committing in groups: with a sink that is slow, or fails."""

from __future__ import annotations

import threading

from umbel.execution.model import Execution, Publish, RunHandlers, Store, Verdict
from umbel.pools.shared.committing import GroupCommit, commit_alone, has_handlers
from umbel.results.model import Record


class Sink:
    """Stores when it is let; fails for some ids."""

    def __init__(self, *fails):
        self.fails, self.bursts, self.published = fails, [], []
        self.let, self.begun = threading.Event(), threading.Event()
        self.let.set()

    def store(self, records):
        self.begun.set()
        assert self.let.wait(20)
        ids = [record.task_id for record in records]
        if set(ids) & set(self.fails):
            raise RuntimeError("nobody has foreseen this")
        self.bursts.append(ids)

    def publish(self, execution):
        self.published.append(execution.task_id)
        return execution


def ended(number, *more):
    record = Record(task_id=str(number), status="SUCCESS")
    return Execution(number, str(number), "t", "SUCCESS", Verdict.ACK, 0.0, 0.1, (Store(record), *more))


def told(reports):
    return [(outcome.number, outcome.slot, outcome.verdict) for outcomes in reports for outcome in outcomes]


def test_what_ends_while_one_burst_is_stored_is_stored_in_the_next():
    sink, reports = Sink(), []
    sink.let.clear()
    group = GroupCommit(sink, reports.append)
    group.put(7, ended(1))
    assert sink.begun.wait(20)
    for number in range(2, 6):
        group.put(number, ended(number))
    sink.let.set()
    group.close()
    assert sink.bursts == [["1"], ["2", "3", "4", "5"]]
    assert told(reports) == [(1, 7, 0), *((number, number, 0) for number in range(2, 6))]


def test_one_that_cannot_be_committed_costs_no_other(caplog):
    sink, reports = Sink("2"), []
    sink.let.clear()
    group = GroupCommit(sink, reports.append)
    for number in range(4):
        group.put(0, ended(number))
    sink.let.set()
    group.close()
    assert sorted(told(reports)) == [(0, 0, 0), (1, 0, 0), (2, 0, Verdict.DEAD), (3, 0, 0)]
    assert "its end cannot be committed; its message becomes a dead letter" in caplog.text


def test_handlers_run_where_they_are_told_to_and_after_what_is_stored_and_published():
    sink, reports, calls = Sink(), [], []
    execution = ended(1, Publish(None, None), RunHandlers(lambda: calls.append((list(sink.bursts), list(sink.published)))))
    assert has_handlers(execution)
    assert not has_handlers(ended(2))
    commit_alone(sink, reports.append, 3, execution, lambda function: function())
    assert calls == [([["1"]], ["1"])]
    assert told(reports) == [(1, 3, 0)]


def test_a_handler_that_would_end_the_process_does_not(caplog):
    sink, reports = Sink(), []

    def leave():
        raise SystemExit(3)

    commit_alone(sink, reports.append, 0, ended(1, RunHandlers(leave)), lambda function: function())
    assert told(reports) == [(1, 0, 0)]
    assert "a handler ended by SystemExit(3)" in caplog.text
