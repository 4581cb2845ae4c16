import pickle
import sys
import types

import pytest

from umbel import Task, Umbel, current, shared_task
from umbel.app.proxies import current_app, current_task
from umbel.errors import AlreadyRegistered, EncodeError, ImproperlyConfigured, MaxRetriesExceededError, NotRegistered, Retry
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    return FakeApp()


def test_a_task_is_its_function(app):
    @app.task
    def add(x: int, y: int = 2) -> int:
        """Add."""
        return x + y

    import inspect

    assert add(1) == 3
    assert add.__doc__ == "Add."
    assert add.__module__ == __name__
    assert add.__name__ == "add"
    assert str(inspect.signature(add)) == "(x: int, y: int = 2) -> int"
    assert add.__wrapped__(1, 1) == 2
    assert add.name.endswith("test_tasks.add")
    assert "add" in repr(add)
    assert isinstance(add, Task)


def test_names_of_main():
    def job(): ...

    job.__module__ = "__main__"
    assert FakeApp("proj").task(job).name == "proj.job"
    assert FakeApp(None).task(job).name == "__main__.job"
    assert FakeApp("proj").task(name="mine")(job).name == "mine"


def test_bound_tasks_get_themselves(app):
    @app.task(bind=True, name="proj.me")
    def me(self, x):
        return self.name, x, self.request.called_directly, self.request.id

    assert me(1) == ("proj.me", 1, True, None)
    assert me.run(1)[0] == "proj.me"


def test_options_become_attributes(app):
    @app.task(max_retries=None, rate_limit="10/s", acks_late=False, my_own=3)
    def job(): ...

    assert (job.max_retries, job.rate_limit, job.acks_late, job.my_own) == (None, "10/s", False, 3)
    assert job.ignore_result is False
    app.conf.task_ignore_result = True
    assert job.ignore_result is True
    assert job.acks_on_failure_or_timeout is True


def test_a_filter_wraps_the_function(app):
    job = app.task(filter=lambda function: lambda: function() + 1, name="x")(lambda: 1)
    assert job() == 2


def test_the_decorator_takes_one_function(app):
    with pytest.raises(TypeError, match="decorates one function"):
        app.task("name")


def test_class_based_tasks(app):
    class Add(Task):
        name = "proj.Add"

        def run(self, x, y):
            return x + y, self.request.id is not None

    task = app.register_task(Add())
    assert app.tasks["proj.Add"] is task
    assert task(1, 2) == (3, False)
    task.delay(1, 2)
    assert app.run().records[0].result == (3, True)
    with pytest.raises(TypeError):
        task.delay(1)


def test_classes_without_a_name(app):
    class Job(app.Task):
        def run(self): ...

    assert app.register_task(Job, max_retries=9).name == f"{__name__}.Job"


def test_a_base_class_that_overrides_call(app):
    class Doubling(app.Task):
        def __call__(self, *args, **kwargs):
            return 2 * super().__call__(*args, **kwargs)

    job = app.task(base=Doubling)(lambda: 3)
    job.delay()
    assert app.run().records[0].result == 6


def test_a_base_class_that_overrides_apply_async(app):
    class Tagged(app.Task):
        def apply_async(self, args=None, kwargs=None, **options):
            return super().apply_async(args, kwargs, headers={"tag": 1}, **options)

    app.task(base=Tagged)(lambda: 3).delay()
    assert app.fake.sent[-1][0].headers["tag"] == 1


def test_the_app_s_own_task_class():
    class Mine(Task):
        mine = True

    assert FakeApp(task_cls=Mine).task(lambda: 1).mine
    assert FakeApp(task_cls=f"{__name__}:Importable").task(lambda: 1).marked


class Importable(Task):
    marked = True


def test_two_tasks_of_one_name(app):
    def one(): ...

    def two(): ...

    first = app.task(name="same")(one)
    assert app.tasks["same"] is first
    again = app.task(name="same")(one)
    assert app.tasks["same"] is again
    with pytest.raises(AlreadyRegistered, match="same"):
        app.task(name="same")(two)


def test_a_cell_of_a_notebook_may_be_run_again(app):
    """Each run is a file of its own."""
    code = "@app.task\ndef add(x):\n    return x + {}\n"
    notebook = {"__name__": "__main__", "app": app}
    for run in (1, 2):
        exec(compile(code.format(run), f"/tmp/ipykernel_7/{run}.py", "exec"), notebook)
    assert notebook["add"](1) == 3
    assert app.tasks[notebook["add"].name](1) == 3
    other = {"__name__": "elsewhere", "app": app}
    with pytest.raises(AlreadyRegistered):
        exec(code.format(3).replace("app.task", f"app.task(name={notebook['add'].name!r})"), other)


def test_the_registry(app):
    task = app.task(name="proj.add")(lambda: 1)
    with pytest.raises(NotRegistered):
        app.tasks["no"]
    app.tasks.unregister(task)
    with pytest.raises(NotRegistered):
        app.tasks.unregister("proj.add")


def test_annotations(app):
    @app.task(name="proj.add")
    def add(x):
        return x

    app.conf.task_annotations = {"*": {"rate_limit": "1/s"}, "proj.add": {"max_retries": 9, "@run": lambda run: lambda x: run(x) * 10}}
    app.finalize()
    assert (add.rate_limit, add.max_retries, add(2)) == ("1/s", 9, 20)
    app.finalize()
    assert add(2) == 20


def test_handlers_by_annotation_are_given_the_task(app):
    told = []

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        told.append((self.name, repr(exc), task_id, args))

    app.conf.task_annotations = {"*": {"on_failure": on_failure}}

    @app.task(name="proj.fail")
    def fail(x):
        raise ValueError(x)

    app.finalize()
    fail.apply((1,), task_id="i")
    assert told == [("proj.fail", "ValueError(1)", "i", (1,))]


def test_a_handler_that_does_nothing_may_be_wrapped_by_annotation(app):
    told = []

    def wrap(handler):
        return lambda *given: (told.append(given[0]), handler(*given))

    app.conf.task_annotations = {"*": {"@on_success": wrap, "@shadow_name": lambda _: lambda args, *_: f"shown {args}"}}

    @app.task
    def answer():
        return 42

    answer.delay()
    assert app.fake.sent[-1][0].headers["shadow"] == "shown ()"
    answer.apply()
    assert told == [42]


def test_wrong_annotations(app):
    app.conf.task_annotations = 3
    with pytest.raises(ImproperlyConfigured, match="task_annotations"):
        app.finalize()


def test_retry_outside_of_a_worker_raises_what_went_wrong(app):
    @app.task(bind=True)
    def job(self, error):
        try:
            raise error
        except Exception as exc:
            raise self.retry(exc=exc)

    with pytest.raises(ZeroDivisionError):
        job(ZeroDivisionError())

    @app.task(bind=True)
    def bare(self):
        raise self.retry()

    with pytest.raises(Retry):
        bare()


def test_a_request_can_be_pretended(app):
    job = app.task(bind=True)(lambda self: self.request.retries)
    job.push_request(retries=4, id="x")
    assert job.request.retries == 4
    job.pop_request()
    assert job.request.retries == 0
    assert current.request.get() is None


def test_tasks_pickle_by_name():
    app = Umbel("pickled", broker="memory://")
    try:
        task = app.task(name="pickled.job")(lambda: 1)
        assert pickle.loads(pickle.dumps(task)) is task
    finally:
        app.close()


# -- running here --------------------------------------------------------------


def test_apply_runs_here(app):
    @app.task(bind=True)
    def job(self, x):
        return x, self.request.is_eager, self.request.id, self.request.retries

    result = job.apply((1,), task_id="mine", retries=2)
    assert result.get() == (1, True, "mine", 2)
    assert (result.id, result.state, result.successful()) == ("mine", "SUCCESS", True)
    assert not app.fake.sent
    assert not app.records.records


def test_apply_fails_here(app):
    job = app.task(lambda: 1 / 0)
    result = job.apply()
    assert result.failed()
    assert "ZeroDivisionError" in result.traceback
    with pytest.raises(ZeroDivisionError):
        result.get()
    with pytest.raises(ZeroDivisionError):
        job.apply(throw=True)


def test_apply_retries_at_once(app):
    @app.task(bind=True)
    def job(self, x):
        if self.request.retries < 2:
            raise self.retry(args=(x + 1,), countdown=1000)
        return x

    assert job.apply((1,)).get() == 3
    exhausted = app.task(bind=True, max_retries=1)(lambda self: self.retry())
    assert isinstance(exhausted.apply().result, MaxRetriesExceededError)
    automatic = app.task(autoretry_for=(KeyError,), max_retries=2)(lambda: {}["x"])
    assert isinstance(automatic.apply().result, KeyError)


def test_a_retry_changes_how_an_argument_is_given(app):
    @app.task(bind=True)
    def job(self, foo, bar, label=None):
        if not self.request.retries:
            raise self.retry(countdown=0, **self.asked)
        return foo, bar, label

    asked = {
        "args": [((), {"foo": 1, "bar": 2, "label": "kept"}, {"args": (2, 3)}), (2, 3, "kept")],
        "kwargs": [((1, 2), {}, {"kwargs": {"foo": 2}}), (2, 2, None)],
        "both": [((1, 2), {}, {"args": (5,), "kwargs": {"bar": 6}}), (5, 6, None)],
        "more": [((1, 2, 3), {}, {"kwargs": {"bar": 6}}), (1, 6, 3)],
        "neither": [((1, 2), {}, {}), (1, 2, None)],
    }
    for (args, kwargs, job.asked), expected in asked.values():
        assert job.apply(args, kwargs).get() == expected


def test_apply_runs_coroutines_and_callbacks(app):
    seen = []

    @app.task(name="proj.seen")
    def see(value, more):
        seen.append((value, more))

    @app.task
    async def job():
        return 5

    assert job.apply(link={"task": "proj.seen", "args": [1]}).get() == 5
    assert seen == [(5, 1)]
    app.eager_runner(stores=False).close()


def test_always_eager(app):
    app.conf.task_always_eager = True
    calls = []
    job = app.task(lambda x: calls.append(x) or x * 2)
    assert job.delay(4).get() == 8
    assert job.apply_async((4,), countdown=10).get() == 8
    with pytest.raises(TypeError):
        job.delay()
    assert not app.fake.sent
    assert calls == [4, 4]
    with pytest.raises(ZeroDivisionError):
        app.task(lambda: 1 / 0).apply_async(throw=True)
    with pytest.warns(UserWarning, match="task_always_eager"):
        app.send_task("proj.add")
    assert len(app.fake.sent) == 1


def test_always_eager_propagates_and_stores_when_told(app):
    app.conf.update(task_always_eager=True, task_eager_propagates=True, task_store_eager_result=True)
    with pytest.raises(ZeroDivisionError):
        app.task(lambda: 1 / 0).delay()
    assert [record.status for record in app.records.records] == ["FAILURE"]


def test_eager_tasks_inside_tasks_see_their_own_request(app):
    app.conf.task_always_eager = True

    @app.task(bind=True)
    def inner(self):
        return self.request.id, self.request.parent_id, outer.request.id

    @app.task(bind=True)
    def outer(self):
        return self.request.id, inner.delay().get()

    outer_id, (inner_id, parent_id, seen_outer) = outer.delay().get()
    assert parent_id == seen_outer == outer_id != inner_id


# -- shared tasks and proxies --------------------------------------------------


@pytest.fixture
def _clean():
    before = current.app.get(), current._fallback.default, current._fallback.latest
    yield
    current.app.set(before[0])
    current._fallback.default, current._fallback.latest = before[1:]


@pytest.mark.usefixtures("_clean")
def test_shared_tasks_belong_to_every_app():
    early = FakeApp()
    early.set_current()

    @shared_task(name="shared.double")
    def double(x):
        """Twice."""
        return 2 * x

    late = FakeApp()
    assert double(2) == 4
    assert double.__doc__ == "Twice."
    assert isinstance(double, Task)
    double.delay(1)
    assert len(early.fake.sent) == 1
    late.set_current()
    double.delay(1)
    assert len(late.fake.sent) == 1
    assert double.app is late
    assert "shared.double" in early.tasks
    assert early.tasks["shared.double"] is not late.tasks["shared.double"]


@pytest.mark.usefixtures("_clean")
def test_a_shared_task_of_a_script_is_named_after_the_app():
    app = FakeApp("shop")
    app.set_current()

    def sell():
        return 1

    sell.__module__ = "__main__"
    assert shared_task(sell).name == "shop.sell"
    assert "shop.sell" in app.tasks


@pytest.mark.usefixtures("_clean")
def test_shared_tasks_bind():
    @shared_task(bind=True, name="shared.bound")
    def bound(self, x):
        return self.name, x

    FakeApp().set_current()
    assert bound(1) == ("shared.bound", 1)


@pytest.mark.usefixtures("_clean")
def test_current_app_and_task():
    app = FakeApp()
    app.set_current()
    assert current_app.main == app.main
    assert current_app == app
    assert not current_task

    @app.task(bind=True)
    def job(self):
        return current_task.name == self.name == app.current_task.name

    assert job.apply().get()


@pytest.mark.usefixtures("_clean")
def test_an_app_is_made_where_there_is_none(monkeypatch):
    current.app.set(None)
    current._fallback.default = current._fallback.latest = None
    module = types.ModuleType("env_config")
    module.task_default_queue = "from-env"
    monkeypatch.setitem(sys.modules, "env_config", module)
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "env_config")
    assert current_app.conf.task_default_queue == "from-env"
    current_app.close()


# -- models --------------------------------------------------------------------


class Point:
    """Has what is asked of a pydantic model."""

    def __init__(self, x, context):
        self.x, self.context = x, context

    @classmethod
    def model_validate(cls, value, *, strict, context):
        if set(value) != {"x"}:
            raise ValueError("not a point")
        return cls(value["x"], context)

    def model_dump(self, *, mode):
        return {"x": self.x, "mode": mode}


def test_models_for_arguments_and_results(app):
    @app.task(pydantic=True, bind=True, name="proj.move")
    def move(self, point: Point, by: int = 1, other: Point | None = None) -> Point:
        assert point.context["celery_task_name"] == self.name
        return Point(point.x + by, None)

    move.delay({"x": 1}, by=2)
    assert app.run().records[0].result == {"x": 3, "mode": "json"}
    move.delay({"y": 1})
    assert app.run().records[0].result["exc_message"] == ["not a point"]
    with pytest.raises(TypeError):
        move.delay()


def test_models_in_coroutines(app):
    @app.task(pydantic=True)
    async def same(point: Point) -> Point:
        return point

    same.delay({"x": 1})
    runner = app.runner("w")
    assert runner.execute(app.job()).records[0].result == {"x": 1, "mode": "json"}
    runner.close()


def test_eager_arguments_are_what_a_worker_would_get(app):
    app.conf.task_always_eager = True

    @app.task
    def kinds(*args):
        return [type(each).__name__ for each in args]

    assert kinds.delay((1, 2), 3).get() == ["list", "int"]
    assert kinds.apply_async(((1, 2),), serializer="pickle").get() == ["tuple"]
    assert kinds.apply(((1, 2),)).get() == ["tuple"]
    with pytest.raises(EncodeError):
        kinds.delay({1})


def test_an_eager_request_tells_how_it_was_called(app):
    @app.task(bind=True)
    def told(self):
        request = self.request
        return request.delivery_info, request.logfile, request.loglevel

    assert told.apply(exchange="e", routing_key="k", priority=4, logfile="f", loglevel="INFO").get() == (
        {"is_eager": True, "exchange": "e", "routing_key": "k", "priority": 4},
        "f",
        "INFO",
    )


def test_an_eager_request_has_its_stamps(app):
    app.conf.task_always_eager = True

    @app.task(bind=True)
    def stamped(self):
        return self.request.stamped_headers, self.request.stamps

    assert stamped.apply_async(stamped_headers=["tenant"], tenant="t1").get() == (["tenant"], {"tenant": "t1"})
    assert stamped.delay().get() == (None, {})


def test_an_app_without_autofinalize_is_not_finalized_by_looking():
    app = FakeApp(autofinalize=False)
    with pytest.raises(RuntimeError, match="finalize"):
        _ = app.tasks
    app.finalize()
    assert app.tasks is not None


def test_a_direct_call_that_retries_says_retry(app):
    @app.task(bind=True)
    def again(self, exc=None):
        try:
            1 / 0
        except ZeroDivisionError:
            raise self.retry(exc=exc)

    with pytest.raises(Retry, match="called directly") as caught:
        again()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(KeyError):
        again(KeyError("given"))


def test_a_pushed_request_is_a_direct_call_until_told_otherwise(app):
    @app.task(bind=True)
    def job(self): ...

    for given, wanted in [({"id": "x"}, True), ({"id": "x", "called_directly": False}, False)]:
        job.push_request(**given)
        try:
            assert (job.request.id, job.request.called_directly) == ("x", wanted)
        finally:
            job.pop_request()


def test_a_class_without_run_is_refused(app):
    class Empty(Task):
        name = "proj.empty"

    with pytest.raises(TypeError, match=r"Empty has no method run\(self"):
        app.register_task(Empty())


def test_states_that_are_exceptions(app):
    @app.task
    def job(): ...

    job.update_state("x", "FAILURE", ValueError("bad"))
    record = app.records.records[-1]
    assert (record.status, record.result["exc_type"], record.result["exc_message"]) == ("FAILURE", "ValueError", ["bad"])
    assert record.date_done == "2030-01-01T00:00:00+00:00"
    job.update_state("x", "PROGRESS", {"done": 1})
    assert (app.records.records[-1].result, app.records.records[-1].date_done) == ({"done": 1}, None)


def test_options_that_look_mistyped_are_told_and_kept(app, caplog):
    @app.task(name="proj.typo", max_retrys=9, retry_kwargs={"max_retrys": 5, "countdown": 3}, owner="me", bind=True)
    def typo(self):
        pass

    assert (typo.max_retrys, typo.owner) == (9, "me")
    assert [record.getMessage() for record in caplog.records] == [
        "task proj.typo: max_retrys is not an option; did you mean max_retries?",
        "task proj.typo: retry_kwargs: max_retrys is not an option; did you mean max_retries?",
    ]


def test_every_option_of_celery_is_told_of_nothing(app, caplog):
    @app.task(
        bind=True, max_retries=5, default_retry_delay=1, autoretry_for=(KeyError,), retry_backoff=2, retry_kwargs={"max_retries": 5, "queue": "q"},
        rate_limit="1/s", ignore_result=True, acks_late=True, serializer="json", Strategy="x", request_stack=None, priority=3, shared=False,
    )  # fmt: skip
    def plain(self):
        pass

    assert not caplog.records


@pytest.mark.parametrize(("rate", "told"), [("abc", 1), ("5/y", 1), ("1/m", 0), ("100 / h", 0), (10, 0), (None, 0), ("", 0)])
def test_a_rate_that_is_none_is_told(app, caplog, rate, told):
    app.task(name="proj.limited", rate_limit=rate)(print)
    assert [record.getMessage().startswith("task proj.limited: rate_limit must be a rate such as") for record in caplog.records] == [
        True
    ] * told
