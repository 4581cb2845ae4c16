"""What the end of a chord's member leads to."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from umbel import states
from umbel.canvas.kept_parts import stand_in
from umbel.canvas.shapes import chain_of, chord_of, group_of
from umbel.errors import OperationalError, Reject
from umbel.execution.committing import Committer
from umbel.execution.concluding.chords import tasks_of, values_of
from umbel.execution.model import CountChord, Verdict
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.testing.fakes import FakeApp, FakeEffectSink


def body_of(name: str = "proj.body", task_id: str = "body", **options: Any) -> dict[str, Any]:
    options = {"task_id": task_id, "queue": "q", **options}
    return {"task": name, "args": [], "kwargs": {}, "options": options, "subtask_type": None, "immutable": False}


@pytest.fixture
def app():
    made = FakeApp()
    made.task(name="proj.member")(lambda value: value * 10)

    @made.task(name="proj.fail")
    def fail(value):
        raise ValueError(f"bad {value}")

    made.task(name="proj.body")(sum)
    made.elsewhere = []
    return made


def send(app: FakeApp, number: int, body: dict[str, Any], *, name: str = "proj.member", group: str = "g") -> None:
    app.send_task(name, args=(number,), task_id=f"m{number}", group_id=group, group_index=number, chord=body)


def run_all(app: FakeApp) -> list[Any]:
    """Run what has been sent, and what that sends, as a worker does."""
    done = []
    while app.fake.sent:
        message, to = app.fake.sent.pop(0)
        if message.headers["task"] in app.tasks:
            done.append(app.run(app.job(message, to)))
        else:
            app.elsewhere.append(json.loads(message.body))
    return done


def records(app: FakeApp) -> dict[str, tuple[str, Any]]:
    return {record.task_id: (record.status, record.result) for record in app.records.records}


def test_the_body_gets_the_results_in_order(app):
    app.groups.open("g", 3)
    for number in (2, 0, 1):
        send(app, number, body_of())
    run_all(app)
    assert records(app)["body"] == ("SUCCESS", 30)


def test_the_body_runs_once_however_often_the_last_member_is_delivered(app):
    app.groups.open("g", 2)
    send(app, 0, body_of())
    send(app, 1, body_of())
    app.fake.sent.append(app.fake.sent[1])
    app.fake.sent.append(app.fake.sent[0])
    executions = run_all(app)
    assert [execution.task_name for execution in executions].count("proj.body") == 1


def test_it_is_counted_after_the_record_and_after_its_callbacks(app):
    app.groups.open("g", 2)
    app.send_task("proj.member", args=(1,), task_id="m", group_id="g", group_index=0, chord=body_of(), link=[body_of("proj.other", "o")])
    execution = app.runner("w@h").execute(app.job())
    assert [type(effect).__name__ for effect in execution.effects] == ["Store", "Publish", "CountChord"]
    assert execution.effects[2].part == ChordPart("g", "m", 0, states.SUCCESS, 10)


def test_a_failed_member_fails_the_body_and_tells_why(app):
    app.groups.open("g", 2)
    app.elsewhere = []
    body = body_of(link_error=[body_of("proj.errback", "e")], chain=[body_of("proj.last", "last")])
    send(app, 0, body)
    send(app, 1, body, name="proj.fail")
    executions = run_all(app)
    assert "proj.body" not in [execution.task_name for execution in executions]
    status, result = records(app)["body"]
    assert (status, result["exc_type"], result["exc_module"]) == ("FAILURE", "ChordError", "celery.exceptions")
    assert result["exc_message"] == ["Dependency m1 raised ValueError('bad 1')"]
    assert records(app)["last"][0] == "FAILURE", "whoever waits for what is behind the body must learn it"
    assert [sent[0] for sent in app.elsewhere] == [["body"]], "its error callback gets the body's id"


def test_error_callbacks_that_take_the_exception_are_called_here(app):
    seen = []

    @app.task(name="proj.told")
    def told(request, exc, traceback):
        seen.append((request.id, str(exc)))

    app.groups.open("g", 1)
    send(app, 0, body_of(link_error=[{"task": "proj.told", "args": [], "kwargs": {}, "options": {}}]), name="proj.fail")
    run_all(app)
    assert seen == [("body", "Dependency m0 raised ValueError('bad 0')")]


def test_a_body_that_cannot_be_sent_has_failed(app):
    app.groups.open("g", 1)
    send(app, 0, body_of(eta="soon"))
    (execution,) = run_all(app)
    assert (execution.state, execution.verdict) == (states.SUCCESS, Verdict.ACK)
    status, result = records(app)["body"]
    assert (status, result["exc_type"]) == ("FAILURE", "ChordError")
    assert result["exc_message"][0].startswith("Callback error: ")


def test_a_chord_in_a_chord_fails_both(app):
    app.groups.open("outer", 1)
    app.groups.open("inner", 1)
    inner = body_of("proj.body", "inner-body", group_id="outer", group_index=0, chord=body_of("proj.body", "outer-body"))
    send(app, 0, inner, name="proj.fail", group="inner")
    run_all(app)
    assert records(app)["inner-body"][0] == records(app)["outer-body"][0] == "FAILURE"
    assert "Dependency inner-body raised" in records(app)["outer-body"][1]["exc_message"][0]


def test_a_chord_in_a_chord_hands_its_result_on(app):
    app.groups.open("outer", 1)
    app.groups.open("inner", 1)
    inner = body_of("proj.body", "inner-body", group_id="outer", group_index=0, chord=body_of("proj.body", "outer-body"))
    send(app, 4, inner, group="inner")
    run_all(app)
    assert records(app)["outer-body"] == ("SUCCESS", 40)


def test_the_body_may_be_a_group(app):
    app.groups.open("g", 2)
    group = {"task": "celery.group", "subtask_type": "group", "args": [], "options": {"task_id": "bodies"}, "immutable": False}
    group["kwargs"] = {"tasks": [body_of(task_id="b1"), body_of(task_id="b2")]}
    send(app, 1, group)
    send(app, 2, group)
    run_all(app)
    assert records(app)["b1"] == records(app)["b2"] == ("SUCCESS", 30)


def test_a_task_that_is_in_no_chord_counts_nothing(app):
    app.send_task("proj.member", args=(1,), group_id="g", link=[body_of()])
    execution = app.runner("w@h").execute(app.job())
    assert CountChord not in [type(effect) for effect in execution.effects]


def test_what_follows_may_be_a_chord(app):
    chord = {"task": "celery.chord", "subtask_type": "chord", "args": [], "options": {}, "immutable": False}
    header = [{**body_of("proj.member", "h0")}, {**body_of("proj.member", "h1")}]
    chord["kwargs"] = {"header": header, "body": body_of(task_id="end"), "kwargs": {}}
    app.send_task("proj.member", args=(1,), chain=[chord])
    run_all(app)
    assert records(app)["end"] == ("SUCCESS", 200)


class TestTrees:
    def test_values_in_a_row(self):
        parts = tuple(ChordPart("g", name, place, "SUCCESS", name.upper()) for place, name in enumerate("ab"))
        assert values_of(ChordClaim("g", "t", parts, None)) == ["A", "B"]

    def test_values_as_the_header_nests_them(self):
        parts = tuple(ChordPart("g", name, place, "SUCCESS", name.upper()) for place, name in enumerate("abc"))
        tree = [["g", None], [[["a", None], None], [["inner", None], [[["b", None], None], [["c", None], None]]]]]
        assert values_of(ChordClaim("g", "t", parts, tree)) == ["A", ["B", "C"]]

    @pytest.mark.parametrize("tree", [{"a": 1}, [["g", None], [[["z", None], None]]], [["g", None], 5], [["g", None], [5]]])
    def test_a_tree_of_something_else_is_passed_over(self, tree):
        parts = (ChordPart("g", "a", 0, "SUCCESS", "A"),)
        assert values_of(ChordClaim("g", "t", parts, tree)) == ["A"]

    def test_all_tasks_of_a_body(self):
        chain = {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [body_of(task_id="a"), body_of(task_id="b")]}}
        assert [task["options"]["task_id"] for task in tasks_of(chain)] == ["a", "b"]
        assert [task["options"]["task_id"] for task in tasks_of(body_of(chain=[body_of(task_id="c")]))] == ["body", "c"]


@pytest.mark.parametrize(("requeue", "ended"), [(False, True), (True, False)])
def test_a_member_that_is_rejected_for_good_fails_the_chord(app, requeue, ended):
    @app.task(name="proj.reject")
    def reject(value):
        raise Reject("no", requeue=requeue)

    app.groups.open("g", 1)
    send(app, 0, body_of(), name="proj.reject")
    run_all(app)
    assert ("body" in records(app)) == ended
    if ended:
        assert records(app)["body"][1]["exc_type"] == "ChordError"


def test_a_body_that_was_sent_twice_runs_once(app):
    app.groups.open("g", 1)
    send(app, 0, body_of())
    app.run(app.job(*app.fake.sent.pop()))
    message, to = app.fake.sent.pop()
    assert not app.job(message, to).headers["x-umbel-chord-claim"].endswith(" second")
    second = dataclasses.replace(app.job(message, to), headers={**message.headers, "x-umbel-chord-claim": "g second"})
    assert app.run(app.job(message, to)).state == states.SUCCESS
    execution = app.run(second)
    assert (execution.state, execution.verdict, execution.detail) == (states.IGNORED, Verdict.ACK, "its chord has sent it twice")
    assert app.run(app.job(message, to)).state == states.SUCCESS, "it is delivered again: whoever ran it has died"


def test_a_body_that_the_broker_refuses_fails_its_chord_and_the_one_around_it(app):
    app.groups.open("outer", 1)
    app.groups.open("inner", 1)
    app.elsewhere = []
    inner = body_of("proj.body", "inner-body", group_id="outer", group_index=0, chord=body_of("proj.body", "outer-body"))
    inner["options"]["link_error"] = [body_of("proj.errback", "e")]
    send(app, 0, inner, group="inner")
    job = app.job(*app.fake.sent.pop())
    sink = FakeEffectSink(app)
    publish = sink.publish
    sink.publish = lambda execution: (
        execution._replace(verdict=Verdict.DEAD, detail="no queue takes it")
        if any(message.headers["task"] == "proj.body" for message, _ in execution.publications)
        else publish(execution)
    )
    done = []
    Committer(sink).commit([app.runner("w@h").execute(job)], done)
    assert [each.verdict for each in done] == [Verdict.DEAD]
    assert records(app)["inner-body"][0] == records(app)["outer-body"][0] == "FAILURE"
    assert "no queue takes it" in records(app)["inner-body"][1]["exc_message"][0]
    assert [message.headers["task"] for message, _ in app.fake.sent] == ["proj.errback"]


def test_a_member_that_can_never_be_counted_fails_its_chord(app):
    app.groups.open("g", 2)
    send(app, 0, body_of())
    app.groups.count = lambda parts: [ValueError("WRONGTYPE") for _ in parts]
    sink = FakeEffectSink(app)
    sink.count = app.groups.count
    Committer(sink).commit([app.runner("w@h").execute(app.job())], [])
    assert records(app)["body"][1]["exc_message"] == ["The end of m0 cannot be counted: WRONGTYPE"]


def test_a_chord_that_cannot_be_opened_is_not_sent(app):
    chord = {"task": "celery.chord", "subtask_type": "chord", "args": [], "options": {}, "immutable": False}
    chord["kwargs"] = {"header": [body_of("proj.member", "h0")], "body": body_of(task_id="end"), "kwargs": {}}
    app.send_task("proj.member", args=(1,), chain=[chord])
    job = app.job(*app.fake.sent.pop())
    sink = FakeEffectSink(app)

    def refuse(_chord):
        raise OperationalError("read only", permanent=True)

    sink.open_chord = refuse
    done = []
    Committer(sink).commit([app.runner("w@h").execute(job)], done)
    assert (done[0].verdict, app.fake.sent) == (Verdict.DEAD, [])
    assert "cannot be started: read only" in done[0].detail


def test_a_body_that_waits_in_the_store_starts_from_there(app):
    body = body_of(chain=[body_of("proj.elsewhere", "after")])
    app.groups.save("g.body", body)
    app.groups.open("g", 2)
    send(app, 0, stand_in("g.body", body))
    send(app, 1, stand_in("g.body", body))
    run_all(app)
    assert records(app)["body"] == ("SUCCESS", 10)
    assert app.groups.tree("g.body") is None
    assert [body[0] for body in app.elsewhere] == [[10]]


def test_a_body_that_waits_in_the_store_fails_with_all_that_follows_it(app):
    body = body_of(chain=[body_of("proj.elsewhere", "after")])
    app.groups.save("g.body", body)
    app.groups.open("g", 2)
    send(app, 0, stand_in("g.body", body))
    send(app, 1, stand_in("g.body", body), name="proj.fail")
    run_all(app)
    found = records(app)
    assert (found["body"][0], found["after"][0]) == ("FAILURE", "FAILURE")
    assert app.groups.tree("g.body") is None


def test_a_body_that_is_gone_is_told(app, caplog):
    app.groups.open("g", 1)
    send(app, 0, stand_in("g.body", body_of()))
    run_all(app)
    assert "Chord g: its body is gone from the result store, where it waited as g.body" in caplog.text
    assert app.fake.sent == []


@pytest.mark.parametrize("kept", [None, 5, "text", {"task": 5}, []])
def test_what_is_no_body_is_not_started(app, kept, caplog):
    app.groups.save("g.body", kept)
    app.groups.open("g", 1)
    send(app, 0, stand_in("g.body", body_of()))
    run_all(app)
    assert "its body is gone" in caplog.text


def test_the_kept_rest_of_a_chain_goes_on_with_the_result(app):
    app.groups.save("k", chain_of([body_of("proj.member", "second"), body_of("proj.elsewhere", "third")]))
    app.send_task("proj.member", args=(1,), task_id="first", chain=[stand_in("k", body_of())])
    run_all(app)
    assert records(app)["second"] == ("SUCCESS", 100)
    assert [body[0] for body in app.elsewhere] == [[100]]


def test_the_kept_rest_of_a_chain_fails_to_its_end(app):
    app.groups.save("k", chain_of([body_of("proj.member", "second"), stand_in("l", body_of())]))
    app.groups.save("l", chain_of([body_of("proj.member", "third")]))
    app.send_task("proj.fail", args=(1,), task_id="first", chain=[stand_in("k", body_of()), body_of("proj.member", "near")])
    run_all(app)
    found = records(app)
    assert [found[name][0] for name in ("first", "near", "second", "third")] == ["FAILURE"] * 4
    assert found["third"][1] == found["first"][1]


def test_a_chord_whose_body_has_a_kept_rest_fails_it_too(app):
    app.groups.save("k", chain_of([body_of("proj.member", "after")]))
    app.groups.open("g", 1)
    send(app, 0, body_of(chain=[stand_in("k", body_of())]), name="proj.fail")
    run_all(app)
    assert records(app)["after"][0] == "FAILURE"


def member(name: str, task_id: str, **options: Any) -> dict[str, Any]:
    return {"task": name, "args": [1], "kwargs": {}, "options": {"task_id": task_id, "queue": "q", **options}, "subtask_type": None}


def test_a_chain_that_fails_early_fails_the_chord_that_its_last_task_is_in(app):
    app.groups.open("g", 1)
    last = member("proj.member", "last", group_id="g", group_index=0, chord=body_of())
    app.send_task("proj.fail", args=(1,), task_id="first", chain=[last, member("proj.member", "second")])
    run_all(app)
    assert {name: status for name, (status, _) in records(app).items()} == dict.fromkeys(("first", "second", "last", "body"), "FAILURE")
    assert records(app)["body"][1]["exc_message"] == ["Dependency last raised ValueError('bad 1')"]


def test_a_chain_that_fails_before_its_last_group_does_so_too(app):
    app.groups.open("g", 2)
    members = [member("proj.member", f"m{place}", group_id="g", group_index=place) for place in range(2)]
    last = group_of(members, {"task_id": "inner", "group_id": "g", "chord": body_of()})
    app.send_task("proj.fail", args=(1,), task_id="first", chain=[last])
    run_all(app)
    assert {name: status for name, (status, _) in records(app).items()} == dict.fromkeys(("first", "m0", "m1", "body"), "FAILURE")


def test_what_waits_behind_a_chord_that_will_not_begin_learns_it(app):
    """Its header, its body, and what is behind that; no record has the id of a group."""
    chord = chord_of(group_of([member("proj.member", "m0")], {"task_id": "inner"}), body_of(chain=[member("proj.member", "behind")]))
    app.send_task("proj.fail", args=(1,), task_id="first", chain=[chord])
    run_all(app)
    assert {name: status for name, (status, _) in records(app).items()} == dict.fromkeys(("first", "m0", "body", "behind"), "FAILURE")


def test_a_rejected_task_ends_the_rest_of_its_chain(app):
    @app.task(name="proj.reject")
    def reject(value):
        raise Reject("no", requeue=False)

    errback = body_of("proj.errback", "e")
    app.send_task("proj.reject", args=(1,), task_id="first", chain=[member("proj.member", "second")], link_error=[errback])
    run_all(app)
    assert records(app)["second"][1]["exc_type"] == "Reject"
    assert [sent[0] for sent in app.elsewhere] == [["first"]]


def test_the_error_callbacks_of_a_body_are_those_of_its_first_tasks(app):
    def heard(task_id: str, **options: Any) -> dict[str, Any]:
        return body_of(task_id=task_id, link_error=[body_of("proj.errback", f"e-{task_id}")], **options)

    bodies = {
        "a task and what is behind it": (heard("a", chain=[heard("b")]), ["a"]),
        "a chain": (chain_of([heard("a"), heard("b")]), ["a"]),
        "a group": (group_of([heard("a"), chain_of([heard("b"), heard("c")])], {"task_id": "inner"}), ["a", "b"]),
        "a chord": (chord_of(group_of([heard("a")], {"task_id": "inner"}), heard("b"), {"task_id": "inner"}), ["b"]),
    }
    for name, (body, told) in bodies.items():
        app.elsewhere.clear()
        app.groups.open(name, 1)
        send(app, 0, body, name="proj.fail", group=name)
        run_all(app)
        assert [sent[0] for sent in app.elsewhere] == [[each] for each in told], name


def test_members_that_were_added_come_behind_a_header_with_groups():
    tree = [["g", None], [[["inner", None], [[["a", None], None]]], [["b", None], None]]]
    parts = tuple(ChordPart("g", each, None, states.SUCCESS, each.upper()) for each in ("b", "a", "added"))
    assert values_of(ChordClaim("g", "t", parts, tree)) == [["A"], "B", "ADDED"]
