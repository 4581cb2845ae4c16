import asyncio
import contextlib
import gc
import logging
import weakref

import pytest

from umbel import Task, hooks, states
from umbel.errors import Ignore, Reject, Retry, SoftTimeLimitExceeded
from umbel.execution.model import Store, Verdict
from umbel.testing.fakes import FakeApp

SIGNATURE = {"task": "proj.next", "args": [10], "kwargs": {"k": 1}, "options": {"queue": "q"}, "immutable": False}


@pytest.fixture
def app():
    return FakeApp()


def record(app):
    return app.records.records[-1]


def record_in(execution):
    return next(iter(execution.records), None)


def test_success(app):
    @app.task(name="proj.add")
    def add(x, y):
        return x + y

    result = add.delay(30, y=42)
    execution = app.run()
    assert (execution.state, execution.verdict, execution.detail) == (states.SUCCESS, Verdict.ACK, "72")
    assert execution.task_id == result.id
    assert execution.task_name == "proj.add"
    assert execution.runtime >= 0
    assert [type(effect) for effect in execution.effects] == [Store]
    assert not execution.has_sent
    found = record(app)
    assert (found.task_id, found.status, found.result, found.traceback) == (result.id, "SUCCESS", 72, None)
    assert found.date_done == "2030-01-01T00:00:00+00:00"
    assert found.children == []
    assert found.extended == {}
    assert found.reply_to


def test_a_call_decides_whether_its_result_is_kept(app):
    @app.task(ignore_result=True)
    def quiet():
        return 5

    quiet.apply_async(ignore_result=False)
    app.run()
    assert record(app).result == 5


def test_a_task_that_is_defined_again_is_replaced(app):
    for factor in (1, 2):

        @app.task(name="proj.scale")
        def scale(x, factor=factor):
            return x * factor

        scale.delay(5)
        app.run()
        assert record(app).result == 5 * factor


def test_success_is_signalled_with_its_runtime(app):
    seen = []

    def receiver(sender, result, runtime, **_):
        seen.append((sender.name, result, runtime >= 0))

    @app.task(name="proj.add")
    def add(x, y):
        return x + y

    hooks.task_success.connect(receiver)
    try:
        add.delay(1, 2)
        app.run()
    finally:
        hooks.task_success.disconnect(receiver)
    assert seen == [("proj.add", 3, True)]


def test_extended_records(app):
    app.conf.result_extended = True

    @app.task(name="proj.add")
    def add(x, y): ...

    add.apply_async((1, 2), stamped_headers=["tenant"], tenant="t1")
    app.run()
    assert record(app).extended == {
        "name": "proj.add", "args": [1, 2], "kwargs": {}, "worker": "w1@host", "retries": 0, "queue": "celery", "stamped_headers": ["tenant"],
        "tenant": "t1",
    }  # fmt: skip


def test_failure(app):
    @app.task
    def fail():
        raise ValueError("boom", 42)

    fail.delay()
    execution = app.run()
    assert (execution.state, execution.verdict, execution.expected) == (states.FAILURE, Verdict.ACK, False)
    found = record(app)
    assert found.status == "FAILURE"
    assert found.result == {"exc_type": "ValueError", "exc_message": ["boom", 42], "exc_module": "builtins"}
    assert found.traceback == execution.traceback
    assert found.traceback.startswith("Traceback (most recent call last):\n")
    assert "umbel/execution" not in found.traceback
    assert 'raise ValueError("boom", 42)' in found.traceback
    assert "boom" in execution.detail


def test_expected_failures_are_marked(app):
    @app.task(throws=(KeyError,))
    def fail():
        raise KeyError("x")

    fail.delay()
    assert app.run().expected


def test_wrong_arguments_are_a_failure(app):
    @app.task(name="proj.add", typing=False)
    def add(x): ...

    add.delay(1, 2, 3)
    execution = app.run()
    assert execution.state == states.FAILURE
    assert record(app).result["exc_type"] == "TypeError"


@pytest.mark.parametrize(
    ("attributes", "error", "verdict", "reason"),
    [
        ({}, ValueError(), Verdict.ACK, ""),
        ({"acks_on_failure_or_timeout": False}, ValueError(), Verdict.DEAD, "failed"),
        ({"acks_on_failure_or_timeout": False}, SoftTimeLimitExceeded(), Verdict.DEAD, "time_limit"),
        ({"acks_on_failure": False}, ValueError(), Verdict.DEAD, "failed"),
        ({"acks_on_failure": False}, SoftTimeLimitExceeded(), Verdict.ACK, ""),
        ({"acks_on_timeout": False}, SoftTimeLimitExceeded(), Verdict.DEAD, "time_limit"),
        ({}, Reject("no"), Verdict.DEAD, "rejected"),
        ({}, Reject("no", requeue=True), Verdict.REQUEUE, ""),
        ({}, Ignore(), Verdict.ACK, ""),
    ],
)
def test_verdicts(app, attributes, error, verdict, reason):
    @app.task(**attributes)
    def fail():
        raise error

    fail.delay()
    execution = app.run()
    assert (execution.verdict, execution.reason) == (verdict, reason)


def test_soft_time_limit_is_stored_under_billiard_s_name(app):
    @app.task
    def slow():
        raise SoftTimeLimitExceeded

    slow.delay()
    app.run()
    assert record(app).result["exc_module"] == "billiard.exceptions"


def test_ignore_stores_nothing(app):
    @app.task
    def quiet():
        raise Ignore

    quiet.delay()
    assert app.run().state == states.IGNORED
    assert app.records.records == []


def test_reject_is_stored_as_celery_does_unless_it_goes_back(app):
    @app.task(bind=True)
    def no(self, requeue):
        raise Reject("no thanks", requeue=requeue)

    no.delay(False)
    execution = app.run()
    assert (execution.state, execution.detail) == (states.REJECTED, "no thanks")
    assert record(app).result == {"exc_type": "Reject", "exc_message": ["no thanks", False], "exc_module": "celery.exceptions"}
    no.delay(True)
    assert record_in(app.run()) is None


@pytest.mark.parametrize("way", ["task", "call"])
def test_ignored_results(app, way):
    @app.task(ignore_result=way == "task")
    def job(fail=False):
        if fail:
            raise ValueError

    options = {"ignore_result": True} if way == "call" else {}
    job.apply_async(**options)
    assert record_in(app.run()) is None
    job.apply_async((True,), **options)
    assert record_in(app.run()) is None
    job.store_errors_even_if_ignored = True
    job.apply_async((True,), **options)
    assert record_in(app.run()).status == "FAILURE"


def test_without_a_store_nothing_is_recorded():
    app = FakeApp(backend="disabled")
    job = app.task(lambda: 1)
    job.delay()
    assert record_in(app.run()) is None


def test_unknown_tasks_are_dead_letters_with_a_record(app):
    result = app.send_task("no.such", (1,))
    execution = app.run()
    assert (execution.verdict, execution.reason, execution.state) == (Verdict.DEAD, "unregistered", states.FAILURE)
    assert "no.such" in execution.detail
    found = record(app)
    assert found.task_id == result.id
    assert found.result == {"exc_type": "NotRegistered", "exc_message": ["no.such"], "exc_module": "celery.exceptions"}
    assert found.traceback is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"body": b"not json"}, "undecodable"),
        ({"body": b"[1, 2]"}, None),
        ({"body": b"[1, {}, {}]"}, None),
        ({"content_type": "application/x-python-serialize", "content_encoding": "binary"}, "content_disallowed"),
        ({"headers": {"task": "proj.job", "id": "x", "compression": "application/x-gzip"}}, "undecodable"),
        ({"headers": {}}, None),
        ({"headers": {"task": 3, "id": "x"}}, None),
        ({"body": b'[[], {}, {"callbacks": 3}]'}, None),
    ],
)
def test_unreadable_messages_are_dead_letters(app, changes, reason):
    app.task(name="proj.job")(lambda: 1)
    app.send_task("proj.job")
    job = app.job()
    for name, value in changes.items():
        setattr(job, name, value)
    execution = app.run(job)
    assert execution.verdict is Verdict.DEAD
    assert execution.state == states.FAILURE
    assert execution.reason
    if reason:
        assert execution.reason == reason
    assert record_in(execution).status == "FAILURE"
    assert execution.detail


def test_decompression_is_limited(app):
    app.conf.message_max_decompressed = 100
    app.task(name="proj.job")(lambda x: 1)
    app.send_task("proj.job", ("x" * 1000,), compression="gzip")
    assert app.run().reason == "too_large"


def test_an_error_callback_that_cannot_be_sent_does_no_harm(app, caplog):
    app.conf.task_create_missing_queues = False
    app.task(name="proj.fail")(lambda: 1 / 0)
    app.send_task("proj.fail", link_error={"task": "far.away", "options": {"queue": "nowhere"}})
    assert record_in(app.run()).status == "FAILURE"
    assert "far.away" in caplog.text


def test_unknown_options_of_foreign_signatures_are_passed_over(app):
    app.task(name="proj.job")(lambda: 1)
    app.send_task("proj.job", link={"task": "far.away", "options": {"chord_size": 3, "colour": "red"}})
    assert len(app.run().publications) == 1


@pytest.mark.parametrize("protocol", [1, 2])
def test_both_protocols_and_every_serializer(app, protocol):
    app.conf.update(task_protocol=protocol, accept_content=["json", "pickle", "yaml", "msgpack"])

    @app.task(name="proj.echo", bind=True)
    def echo(self, x):
        return [self.request.id, self.request.retries, x]

    for serializer in ("json", "pickle", "yaml", "msgpack"):
        for compression in (None, "gzip"):
            result = echo.apply_async(("é",), retries=2, serializer=serializer, compression=compression)
            assert record_in(app.run()).result == [result.id, 2, "é"]


def test_the_end_of_the_process_passes_through(app):
    @app.task
    def leave(error):
        raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[error]

    for name, error in (("exit", SystemExit), ("interrupt", KeyboardInterrupt)):
        leave.delay(name)
        with pytest.raises(error):
            app.run()


def test_coroutines_run_on_one_loop_per_thread(app):
    loops = []

    @app.task(bind=True)
    async def job(self, x):
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return [x, self.request.id]

    runner = app.runner("w")
    results = [job.delay(i) for i in range(2)]
    found = [record_in(runner.execute(app.job(*sent))).result for sent in app.fake.sent]
    assert found == [[i, result.id] for i, result in enumerate(results)]
    assert loops[0] is loops[1]
    runner.close()
    assert loops[0].is_closed()


def test_coroutines_fail_too(app):
    @app.task
    async def job():
        raise ValueError("async")

    job.delay()
    runner = app.runner("w")
    execution = runner.execute(app.job())
    assert execution.state == states.FAILURE
    runner.close()


def test_started_records_where_asked_for(app):
    @app.task(track_started=True)
    def tracked(): ...

    @app.task
    def plain(): ...

    runner = app.runner("w1@host")
    result = tracked.delay()
    found = runner.started_record(app.job())
    assert (found.task_id, found.status, found.date_done) == (result.id, "STARTED", None)
    assert found.result["hostname"] == "w1@host"
    tracked.apply_async(ignore_result=True)
    assert runner.started_record(app.job()) is None
    plain.delay()
    assert runner.started_record(app.job()) is None
    app.send_task("no.such")
    assert runner.started_record(app.job()) is None


# -- what follows --------------------------------------------------------------


def test_callbacks_and_the_next_link(app):
    app.task(name="proj.job")(lambda: 5)
    result = app.send_task("proj.job", link=SIGNATURE, chain=[{"task": "proj.last", "args": []}, {**SIGNATURE, "immutable": True}])
    execution = app.run()
    (callback, to), (following, _) = execution.publications
    assert callback.body.startswith(b'[[5, 10], {"k": 1}')
    assert to.routing_key == "q"
    assert callback.headers["root_id"] == callback.headers["parent_id"] == result.id
    assert following.body.startswith(b"[[10]")
    assert b'"chain": [{"task": "proj.last", "args": []}]' in following.body
    assert callback.properties["reply_to"] == app.fake.sent[0][0].properties["reply_to"]
    ids = [message.headers["id"] for message, _ in execution.publications]
    assert record_in(execution).children == [[[task_id, None], None] for task_id in ids]


def test_error_callbacks_get_the_id_or_are_called_with_the_exception(app):
    seen = []

    @app.task(name="proj.fail")
    def fail():
        raise ValueError("boom")

    @app.task(name="proj.inline")
    def inline(request, exc, traceback, extra=None):
        seen.append((request.id, repr(exc), "boom" in traceback, extra))

    @app.task(name="proj.by_id")
    def by_id(task_id): ...

    result = fail.apply_async(link_error=[{"task": "proj.inline", "args": ["more"]}, {"task": "proj.by_id"}, {"task": "far.away"}])
    execution = app.run()
    assert seen == [(result.id, "ValueError('boom')", True, "more")]
    assert [message.headers["task"] for message, _ in execution.publications] == ["proj.by_id", "far.away"]
    assert execution.publications[0][0].body.startswith(f'[["{result.id}"]'.encode())


def test_an_immutable_error_callback_gets_what_it_has(app):
    seen = []
    app.task(name="proj.fail")(lambda: 1 / 0)

    @app.task(name="proj.fixed")
    def fixed(first, second):
        seen.append((first, second))

    app.send_task("proj.fail", link_error=[{"task": "proj.fixed", "args": [1, 2], "immutable": True}])
    app.run()
    assert seen == [(1, 2)]


def test_the_rest_of_a_failed_chain_is_recorded(app):
    app.task(name="proj.fail")(lambda: 1 / 0)
    app.send_task("proj.fail", chain=[{"task": "b", "options": {"task_id": "last"}}, {"task": "a", "options": {"task_id": "next"}}])
    execution = app.run()
    assert [(found.task_id, found.status) for found in execution.records[1:]] == [("next", "FAILURE"), ("last", "FAILURE")]
    assert execution.publications == []


def test_a_chord_that_the_store_cannot_count_is_a_dead_letter_before_it_runs(app):
    ran = []
    app.task(name="proj.job")(lambda: ran.append(1))
    app.records.groups, app.records.shared = None, False
    app.send_task("proj.job", group_id="g", chord={"task": "proj.body"})
    execution = app.run()
    assert ran == []
    assert (execution.state, execution.verdict, execution.reason) == (states.FAILURE, Verdict.DEAD, "unsupported_workflow")
    assert "a member of a chord, whose body is 'proj.body', and this worker's result store cannot count chords" in execution.detail
    assert record(app).result["exc_type"] == "UnsupportedWorkflow"


def test_successors_that_cannot_be_sent_leave_a_success(app, caplog):
    app.task(name="proj.job")(lambda: 5)
    app.send_task("proj.job", link=[{**SIGNATURE, "options": {"queue": "q", "eta": "soon"}}])
    execution = app.run()
    assert (execution.state, execution.verdict) == (states.SUCCESS, Verdict.DEAD), "it may be replayed when that is cured"
    assert record(app).result == 5
    assert "what follows it cannot be sent" in execution.detail
    assert execution.detail in caplog.text


# -- handlers and signals ------------------------------------------------------


def handled(app, **options):
    calls = []

    class Base(app.Task):
        def before_start(self, task_id, args, kwargs):
            calls.append(("before_start", args))

        def on_success(self, retval, task_id, args, kwargs):
            calls.append(("on_success", retval, self.request.id == task_id))

        def on_failure(self, exc, task_id, args, kwargs, einfo):
            calls.append(("on_failure", repr(exc), str(einfo).startswith("Traceback")))

        def on_retry(self, exc, task_id, args, kwargs, einfo):
            calls.append(("on_retry", repr(exc)))

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            calls.append(("after_return", status))

    return calls, Base


def test_handlers_in_their_order(app):
    calls, base = handled(app)

    @app.task(base=base, bind=True)
    def job(self, how):
        calls.append("body")
        if how == "retry":
            raise self.retry(exc=KeyError("again"))
        if how == "fail":
            raise ValueError("x")
        if how == "ignore":
            raise Ignore
        return how

    expected = {
        "ok": [("on_success", "ok", True), ("after_return", "SUCCESS")],
        "fail": [("on_failure", "ValueError('x')", True), ("after_return", "FAILURE")],
        "retry": [("on_retry", "KeyError('again')")],
        "ignore": [],
    }
    for how, after in expected.items():
        calls.clear()
        job.delay(how)
        app.run()
        assert calls == [("before_start", [how]), "body", *after]


def test_an_error_in_before_start_is_a_failure(app):
    class Base(app.Task):
        def before_start(self, task_id, args, kwargs):
            raise ValueError("too early")

    app.task(base=Base)(lambda: 1).delay()
    assert app.run().state == states.FAILURE


def test_a_handler_that_raises_is_logged(app, caplog):
    class Base(app.Task):
        def on_success(self, *_):
            raise ValueError("late")

    app.task(base=Base)(lambda: 1).delay()
    assert app.run().state == states.SUCCESS
    assert "on_success raised" in caplog.text


def test_signals(app):
    seen = []
    names = ("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry")

    def listen(signal, sender, **named):
        seen.append((signal.name, sender.name, named.get("state")))

    for name in names:
        getattr(hooks, name).connect(listen)
    try:
        job = app.task(name="proj.job", bind=True)(lambda self, how: how or self.retry(countdown=1))
        fail = app.task(name="proj.fail")(lambda: 1 / 0)
        job.delay(1)
        app.run()
        fail.delay()
        app.run()
        job.delay(0)
        app.run()
    finally:
        for name in names:
            getattr(hooks, name).disconnect(listen)
    assert seen == [
        ("task_prerun", "proj.job", None), ("task_success", "proj.job", None), ("task_postrun", "proj.job", "SUCCESS"),
        ("task_prerun", "proj.fail", None), ("task_failure", "proj.fail", None), ("task_postrun", "proj.fail", "FAILURE"),
        ("task_prerun", "proj.job", None), ("task_retry", "proj.job", None), ("task_postrun", "proj.job", "RETRY"),
    ]  # fmt: skip


# -- retries -------------------------------------------------------------------


def test_a_retry_is_sent_as_celery_sends_it(app):
    @app.task(name="proj.flaky", bind=True)
    def flaky(self, x):
        if self.request.retries < 1:
            raise self.retry(exc=KeyError("not yet"), countdown=1.5)
        return x

    result = flaky.apply_async((5,), queue="other", priority=3, headers={"tenant": "t"}, expires=60)
    first, _ = app.fake.sent[-1]
    execution = app.run()
    assert (execution.state, execution.verdict) == (states.RETRY, Verdict.ACK)
    ((message, to),) = execution.publications
    assert message.body == first.body
    assert {k: v for k, v in message.headers.items() if v != first.headers[k]} == {
        "eta": "2030-01-01T00:00:01.500000+00:00", "retries": 1, "parent_id": result.id,
    }  # fmt: skip
    assert message.properties == {**first.properties, "origin": first.headers["origin"]}
    assert (to.exchange, to.routing_key) == ("", "other")
    found = record_in(execution)
    assert (found.status, found.date_done) == ("RETRY", None)
    assert found.result == {"exc_type": "KeyError", "exc_message": ["not yet"], "exc_module": "builtins"}
    assert found.traceback.rstrip().endswith("Retry in 1.5s: KeyError('not yet')")
    assert found.children == [[[result.id, None], None]]
    assert record_in(app.run()).result == 5


def test_retries_end_with_the_exception(app):
    @app.task(bind=True, max_retries=2)
    def flaky(self):
        raise self.retry(exc=OSError(5, "io"), countdown=0)

    flaky.delay()
    states_seen = [app.run().state for _ in range(3)]
    assert states_seen == [states.RETRY, states.RETRY, states.FAILURE]
    assert record(app).result["exc_type"] == "OSError"


def test_retries_without_an_exception_end_with_max_retries_exceeded(app):
    @app.task(bind=True, max_retries=0)
    def flaky(self):
        self.retry()

    flaky.delay()
    app.run()
    assert record(app).result["exc_type"] == "MaxRetriesExceededError"
    assert record(app).result["exc_module"] == "celery.exceptions"


def test_retry_takes_new_arguments_and_options(app):
    @app.task(bind=True)
    def flaky(self, x):
        raise self.retry(args=(x + 1,), kwargs={}, queue="slow", max_retries=None)

    flaky.delay(1)
    ((message, to),) = app.run().publications
    assert message.body.startswith(b"[[2], {}")
    assert to.routing_key == "slow"
    assert message.headers["eta"] == "2030-01-01T00:03:00+00:00"  # default_retry_delay


def test_retry_keeps_what_follows(app):
    @app.task(bind=True)
    def flaky(self):
        raise self.retry(countdown=0)

    flaky.apply_async(link=SIGNATURE, link_error=SIGNATURE, chain=[SIGNATURE])
    first = app.fake.sent[-1][0].body
    ((message, _),) = app.run().publications
    assert message.body == first


def test_raising_retry_by_hand(app):
    @app.task
    def flaky():
        raise Retry("later", when=10)

    flaky.delay()
    ((message, _),) = app.run().publications
    assert message.headers["eta"] == "2030-01-01T00:00:10+00:00"
    assert message.headers["retries"] == 1


def test_a_retry_that_is_not_raised_is_sent_all_the_same(app):
    @app.task(bind=True)
    def flaky(self):
        self.retry(throw=False, countdown=1)
        return "went on"

    flaky.delay()
    execution = app.run()
    assert execution.state == states.SUCCESS
    assert len(execution.publications) == 1


def test_a_retry_that_cannot_be_written_is_a_failure(app):
    @app.task(bind=True)
    def flaky(self):
        raise self.retry(args=({1},))

    flaky.delay()
    execution = app.run()
    assert execution.state == states.FAILURE
    assert "EncodeError" in record_in(execution).result["exc_type"]


def test_a_delayed_message_goes_back_to_its_own_queue(app):
    @app.task(bind=True)
    def flaky(self):
        raise self.retry(countdown=1)

    flaky.delay()
    job = app.job()
    job.exchange, job.routing_key = "celery_delayed_27", ".".join("0" * 28) + ".my.queue"
    ((_, to),) = app.run(job).publications
    assert (to.exchange, to.routing_key) == ("", "my.queue")


def test_autoretry(app):
    @app.task(autoretry_for=(OSError,), dont_autoretry_for=(FileNotFoundError,), retry_backoff=2, retry_jitter=False, max_retries=2)
    def flaky(kind):
        raise {"io": OSError, "file": FileNotFoundError, "value": ValueError, "ignore": Ignore}[kind]("x")

    flaky.delay("io")
    found = [app.run() for _ in range(3)]
    assert [each.state for each in found] == ["RETRY", "RETRY", "FAILURE"]
    assert [each.publications[0][0].headers["eta"][17:19] for each in found[:2]] == ["02", "04"]
    assert record(app).result["exc_type"] == "OSError"
    for kind, state in (("file", "FAILURE"), ("value", "FAILURE"), ("ignore", "IGNORED")):
        flaky.delay(kind)
        assert app.run().state == state


def test_autoretry_takes_retry_kwargs(app):
    @app.task(autoretry_for=(OSError,), retry_kwargs={"max_retries": 0, "countdown": 3})
    def flaky():
        raise OSError("x")

    flaky.delay()
    assert app.run().state == states.FAILURE


def test_tasks_sent_by_a_task_are_its_children(app):
    app.conf.task_inherit_parent_priority = True
    child = app.task(name="proj.child")(lambda: 1)
    app.task(name="proj.parent")(lambda: [child.delay().id, child.apply_async().id, child.apply_async(add_to_parent=False).id])
    result = app.send_task("proj.parent", priority=7)
    execution = app.run()
    assert execution.has_sent
    for message, _ in app.fake.sent[1:]:
        assert (message.headers["root_id"], message.headers["parent_id"]) == (result.id, result.id)
        assert message.properties["priority"] == 7
    assert record_in(execution).children == [[[task_id, None], None] for task_id in record_in(execution).result[:2]]


def test_update_state(app):
    @app.task(bind=True)
    def job(self):
        self.update_state(state="PROGRESS", meta={"done": 3})

    result = job.delay()
    app.run()
    progress, done = app.records.records
    assert (progress.task_id, progress.status, progress.result) == (result.id, "PROGRESS", {"done": 3})
    assert done.status == "SUCCESS"


def test_logs_are_quiet_on_the_way(app, caplog):
    caplog.set_level(logging.DEBUG)
    app.task(lambda: 1).delay()
    app.run()
    assert caplog.text == ""


class Large:
    """Something that a task has in its hands; it can be referred to weakly."""


def fails():
    raise ValueError("no")


async def fails_later():
    await asyncio.sleep(0)
    raise ValueError("no")


def fails_wrapped():
    try:
        fails()
    except ValueError as error:
        raise KeyError("worse") from error


def ignores():
    raise Ignore("not now")


def rejects():
    raise Reject("not here")


def retries():
    raise Retry(when=1)


@contextlib.contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("body", [fails, fails_later, fails_wrapped, ignores, rejects, retries])
@pytest.mark.parametrize("options", [{}, {"autoretry_for": (ValueError,)}, {"handled": True}])
def test_objects_of_a_failed_task_are_freed_at_once(app, body, options):
    held, seen = [], []

    class Handling(Task):
        def on_failure(self, exc, task_id, args, kwargs, einfo):
            assert exc.__traceback__ is not None
            seen.append(einfo.traceback)

        def on_retry(self, exc, task_id, args, kwargs, einfo):
            seen.append(einfo.traceback)

    if asyncio.iscoroutinefunction(body):

        async def work(self):
            large = Large()
            held.append(weakref.ref(large))
            await body()
    else:

        def work(self):
            large = Large()
            held.append(weakref.ref(large))
            body()

    options = {"base": Handling} if options.get("handled") else options
    app.task(work, name="proj.work", bind=True, **options).delay()
    with no_collector():
        app.run()
        assert [found() for found in held] == [None]
    assert bool(seen) is ("base" in options and body not in {ignores, rejects})


@pytest.mark.parametrize("options", [{}, {"exc": ValueError("x")}, {"headers": {"x": 1}, "eta": "no time"}])
def test_objects_of_a_retried_task_are_freed_at_once(app, options):
    held = []

    @app.task(bind=True)
    def work(self):
        large = Large()
        held.append(weakref.ref(large))
        try:
            fails()
        except ValueError:
            raise self.retry(**options)

    work.delay()
    with no_collector():
        app.run()
        assert [found() for found in held] == [None]
