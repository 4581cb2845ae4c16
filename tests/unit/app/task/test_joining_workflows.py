"""A running task that is replaced, that adds to its chord, that describes its own call."""

from __future__ import annotations

import json

import pytest

from umbel import states
from umbel.canvas.signatures import chain, group
from umbel.execution.model import Verdict
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    made = FakeApp()
    made.task(name="proj.add")(lambda x, y=0: x + y)

    @made.task(name="proj.swap", bind=True)
    def swap(self, value):
        return self.replace(self.app.tasks["proj.add"].s(value, 1))

    return made


def run_all(app):
    """Run what has been sent, and what that sends; returns what has run, with its arguments."""
    ran = []
    while app.fake.sent:
        message, to = app.fake.sent.pop(0)
        job = app.job(message, to)
        app.run(job)
        ran.append((message.headers["id"], json.loads(message.body)[0]))
    return ran


def sent(app):
    """What is on its way, oldest first: headers, body."""
    found = [(message.headers, json.loads(message.body)) for message, _ in app.fake.sent]
    app.fake.sent.clear()
    return found


def test_the_replacement_has_the_id_and_all_that_follows(app):
    link = {"task": "proj.add", "args": [1], "kwargs": {}, "options": {"queue": "q"}}
    body = {"task": "proj.add", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
    app.send_task("proj.swap", args=(5,), task_id="s", link=[link], group_id="g", group_index=3, chord=body, chain=[link])
    job = app.job()
    app.fake.sent.clear()
    execution = app.run(job)
    assert (execution.state, execution.verdict) == (states.IGNORED, Verdict.ACK)
    ((headers, (args, _, embed)),) = sent(app)
    assert (headers["task"], headers["id"], args) == ("proj.add", "s", [5, 1])
    assert (headers["group"], headers["group_index"], headers["replaced_task_nesting"]) == ("g", 3, 1)
    assert (headers["root_id"], headers["parent_id"]) == ("s", "s")
    assert [each["task"] for each in embed["callbacks"]] == ["proj.add"]
    assert embed["chord"]["options"]["task_id"] == "body"
    assert len(embed["chain"]) == 1
    assert app.records.records == [], "its result is to come"
    assert app.groups._chords == {}, "it does not count: the replacement does"


def test_a_chain_takes_its_place_by_its_last_task(app):
    @app.task(name="proj.steps", bind=True)
    def steps(self):
        add = self.app.tasks["proj.add"]
        raise self.replace(chain(add.s(1, 1), add.s(2), add.s(3)))

    app.send_task("proj.steps", task_id="s")
    job = app.job()
    app.fake.sent.clear()
    app.run(job)
    ((headers, (args, _, embed)),) = sent(app)
    assert args == [1, 1]
    assert headers["id"] != "s"
    assert embed["chain"][0]["options"]["task_id"] == "s", "reversed: the last one is in front"


def test_a_group_takes_its_place_and_its_results_are_handed_on(app):
    @app.task(name="proj.many", bind=True)
    def many(self):
        add = self.app.tasks["proj.add"]
        return self.replace(group(add.s(1, 1), add.s(2, 2)))

    app.send_task("proj.many", task_id="s")
    job = app.job()
    app.fake.sent.clear()
    app.run(job)
    found = sent(app)
    assert [body[0] for _, body in found] == [[1, 1], [2, 2]]
    (body,) = {json.dumps(body[2]["chord"]) for _, body in found}
    assert json.loads(body)["task"] == "celery.accumulate"
    assert json.loads(body)["options"]["task_id"] == "s"


def test_what_cannot_take_its_place_fails_it(app):
    @app.task(name="proj.wrong", bind=True)
    def wrong(self, kind):
        add = self.app.tasks["proj.add"]
        return self.replace({"task": add, "number": 5, "late": add.s(1).set(eta="soon")}[kind])

    for kind, said in (("task", "write its signature"), ("number", "takes signatures"), ("late", "eta")):
        app.send_task("proj.wrong", args=(kind,))
        job = app.job()
        app.fake.sent.clear()
        execution = app.run(job)
        assert execution.state == states.FAILURE
        assert said in execution.detail
        assert app.fake.sent == []


def test_in_its_caller_the_replacement_is_the_value(app):
    assert app.tasks["proj.swap"].apply((5,)).get() == 6
    assert app.tasks["proj.swap"](5) == 6


def test_on_replace_may_change_the_signature(app):
    class Careful(app.Task):
        def on_replace(self, sig):
            return super().on_replace(sig.clone(kwargs={"y": 100}))

    @app.task(name="proj.careful", bind=True, base=Careful)
    def careful(self):
        return self.replace(self.app.tasks["proj.add"].s(1))

    app.send_task("proj.careful")
    job = app.job()
    app.fake.sent.clear()
    app.run(job)
    ((_, (args, kwargs, _)),) = sent(app)
    assert (args, kwargs) == ([1], {"y": 100})


class TestAddToChord:
    def test_the_body_waits_for_the_new_member_too(self, app):
        @app.task(name="proj.grow", bind=True)
        def grow(self):
            self.add_to_chord(self.app.tasks["proj.add"].s(7, 7))
            return 1

        body = {"task": "proj.add", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
        app.groups.open("g", 1)
        app.send_task("proj.grow", task_id="m", group_id="g", group_index=0, chord=body)
        job = app.job()
        app.fake.sent.clear()
        app.run(job)
        message, to = app.fake.sent[0]
        assert message.headers["group"] == "g"
        assert [each.headers["task"] for each, _ in app.fake.sent] == ["proj.add"]
        app.fake.sent.clear()
        app.run(job)  # it is delivered again: it adds the same member
        assert [each.headers["id"] for each, _ in app.fake.sent] == [message.headers["id"]]
        app.fake.sent.clear()
        app.run(app.job(message, to))
        ((headers, (args, _, _)),) = sent(app)
        assert (headers["id"], args) == ("body", [[1, 14]])

    def test_each_task_of_a_group_becomes_a_member(self, app):
        @app.task(name="proj.grow", bind=True)
        def grow(self):
            add = self.app.tasks["proj.add"]
            self.add_to_chord(group(add.s(7, 7), chain(add.s(8, 8), add.s(1))))
            return 1

        body = {"task": "proj.add", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
        app.groups.open("g", 1)
        app.send_task("proj.grow", task_id="m", group_id="g", group_index=0, chord=body)
        ran = run_all(app)
        assert ran[-1] == ("body", [[1, 14, 17]])
        assert len(ran) == 5

    def test_the_replacement_of_a_member_may_be_a_chord_of_its_own(self, app):
        """The body of the inner one has the id of the outer one's: neither may be taken for a second message of the other."""

        @app.task(name="proj.become", bind=True)
        def become(self, values):
            add = self.app.tasks["proj.add"]
            return self.replace(group(add.s(values[0]), add.s(values[1])))

        options = {"task_id": "body", "group_id": "g"}
        body = {"task": "proj.become", "args": [], "kwargs": {}, "options": options}
        app.groups.open("g", 2)
        for place, value in enumerate((3, 4)):
            app.send_task("proj.add", args=(value,), task_id=f"m{place}", group_id="g", group_index=place, chord=body)
        assert run_all(app)[-1] == ("body", [[3, 4]])

    def test_a_task_in_no_chord_is_told(self, app):
        @app.task(name="proj.alone", bind=True)
        def alone(self):
            self.add_to_chord(self.app.tasks["proj.add"].s(7, 7))

        app.send_task("proj.alone")
        execution = app.run()
        assert "the task proj.alone is not a member of a chord" in execution.detail


def test_a_signature_of_the_call_that_runs(app):
    seen = []

    @app.task(name="proj.again", bind=True)
    def again(self, x, y=0):
        seen.append(self.signature_from_request())
        seen.append(self.signature_from_request(args=(9,), kwargs={}, queue="other", countdown=3))

    app.send_task("proj.again", args=(1,), kwargs={"y": 2}, task_id="a", retries=2)
    app.run()
    first, second = seen
    assert (first.task, first.args, first.kwargs) == ("proj.again", (1,), {"y": 2})
    assert (first.options["task_id"], first.options["retries"]) == ("a", 2)
    assert (second.args, second.kwargs, second.options["queue"], second.options["countdown"]) == ((9,), {}, "other", 3)
