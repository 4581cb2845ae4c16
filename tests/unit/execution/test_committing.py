"""The effects of executions are done in their order, once, and change what must be reported."""

from __future__ import annotations

import pytest

from umbel.execution.committing import Committer
from umbel.execution.model import Execution, Publish, RunHandlers, Store, Verdict
from umbel.results.model import Record


class EffectSink:
    def __init__(self, *, refuses=(), unwritable=()):
        self.seen, self.refuses, self.unwritable = [], refuses, unwritable

    def store(self, records):
        self.seen.append(("store", [record.task_id for record in records]))
        for record in records:
            if record.task_id in self.unwritable and record.status == "SUCCESS":
                record.status, record.result = "FAILURE", {"exc_type": "EncodeError", "exc_message": ["no"], "exc_module": "umbel.errors"}

    def publish(self, execution):
        self.seen.append(("publish", [message for message, _ in execution.publications]))
        return execution._replace(verdict=Verdict.DEAD, reason="refused") if execution.task_id in self.refuses else execution


def execution(task_id, *effects, **fields):
    return Execution(1, task_id, "t", "SUCCESS", Verdict.ACK, effects=effects, **fields)


def stored(task_id, otherwise=None):
    return Store(Record(task_id=task_id, status="SUCCESS"), otherwise)


def commit(sink, *burst):
    left, done = list(burst), []
    Committer(sink).commit(left, done)
    assert left == []
    return done


def test_all_are_stored_first_then_each_publishes_and_calls():
    sink = EffectSink()
    calls = [RunHandlers(lambda name=name: sink.seen.append(("call", name))) for name in "ab"]
    done = commit(sink, *[execution(name, stored(name), Publish(f"m{name}", None), call) for name, call in zip("ab", calls, strict=True)])
    assert sink.seen == [("store", ["a", "b"]), ("publish", ["ma"]), ("call", "a"), ("publish", ["mb"]), ("call", "b")]
    assert [each.effects for each in done] == [(), ()]


def test_executions_without_effects_are_done_as_they_are():
    one = execution("a")
    assert commit(EffectSink(), one) == [one]


def test_messages_a_task_has_sent_itself_are_confirmed():
    sink = EffectSink()
    (one,) = commit(sink, execution("a", has_sent=True))
    assert sink.seen == [("publish", [])]
    assert not one.has_sent


def test_failed_publications_are_reported_with_a_new_verdict():
    _, refused = commit(EffectSink(refuses={"b"}), execution("a", Publish("m", None)), execution("b", Publish("m", None)))
    assert (refused.verdict, refused.reason) == (Verdict.DEAD, "refused")


def test_a_result_that_cannot_be_written_makes_a_failure_of_its_task():
    sink = EffectSink(unwritable={"a"})

    def failed(error):
        return Execution(1, "a", "t", "FAILURE", Verdict.ACK, effects=(stored("a"), stored("rest of the chain")), detail=str(error))

    (one,) = commit(sink, execution("a", stored("a", failed), Publish("callback", None)))
    assert (one.state, one.detail) == ("FAILURE", "no")
    assert sink.seen == [("store", ["a"]), ("store", ["rest of the chain"])]


def test_a_second_try_does_nothing_twice():
    sink, fails = EffectSink(), [True]

    def handlers():
        if fails.pop():
            raise SystemExit

    burst, done = [execution("a", Publish("ma", None)), execution("b", Publish("mb", None), RunHandlers(handlers))], []
    with pytest.raises(SystemExit):
        Committer(sink).commit(burst, done)
    assert [each.task_id for each in done] == ["a"]
    Committer(sink).commit(burst, done)
    assert [each.task_id for each in done] == ["a", "b"]
    assert sink.seen == [("publish", ["ma"]), ("publish", ["mb"])]
