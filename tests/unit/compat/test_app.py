"""`Celery`: an app with Celery's subsystems."""

from __future__ import annotations

import pickle

import pytest

import umbel
from umbel import Umbel
from umbel.compat.app import Celery
from umbel.compat.contrib.django_task import DjangoTask
from umbel.compat.version import CELERY
from umbel.errors import ImproperlyConfigured


@pytest.fixture
def app():
    with Celery("proj", broker="memory:///compat", backend="memory:///compat", set_as_current=False) as app:
        yield app


def test_it_is_an_app(app):
    assert umbel.Celery is Celery
    assert isinstance(app, Umbel)
    assert app._module == __name__  # where children look for it
    assert pickle.loads(pickle.dumps(app)).main == "proj"
    assert repr(app).startswith("<Celery proj at ")


def test_queues(app):
    assert set(app.amqp.queues) == {"celery"}
    assert app.amqp.default_queue.name == "celery"
    assert app.amqp.default_exchange.name == "celery"
    app.amqp.queues.add("mails", routing_key="mail")
    assert app.amqp.queues["mails"].routing_key == "mail"
    assert list(app.amqp.queues.consume_from) == ["celery", "mails"]
    assert ".> mails            exchange=mails(direct) key=mail" in app.amqp.queues.format()
    assert "mails" in app.amqp.queues
    assert len(app.amqp.queues) == 2
    with pytest.raises(TypeError, match="-X"):
        del app.amqp.queues["mails"]


def test_routes(app):
    app.conf.task_routes = {"proj.mail": {"queue": "mails"}}
    routed = app.amqp.router.route({"priority": 3}, "proj.mail")
    assert (routed["queue"].name, routed["routing_key"], routed["priority"]) == ("mails", "mails", 3)
    assert app.amqp.router.route({"queue": "own"}, "proj.mail")["queue"].name == "own"
    assert app.amqp.routes == app.conf.task_routes


def test_connections(app):
    with app.connection_for_write() as connection:
        assert connection.ensure_connection(max_retries=1) is connection
        assert connection.as_uri() == "memory:///compat"
        channel = connection.default_channel
        assert channel.queue_declare("celery").message_count == 0
        app.send_task("proj.add", (1, 2))
        assert channel.queue_declare("celery", passive=True).message_count == 1
        assert channel.queue_purge("celery") == 1
        with pytest.raises(connection.recoverable_connection_errors, match="no queue 'nowhere'"):
            channel.queue_declare("nowhere", passive=True)
    with app.pool.acquire(block=True) as connection, app.connection_or_acquire(connection) as same:
        assert same is connection


def test_producers(app):
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish({"x": 1}, routing_key="raw", declare=[umbel.Queue("raw")], headers={"kind": "test"}, expiration=2)
    client = app.broker.queue_client()
    found = client.get("raw")
    client.close()
    assert (found.body, found.headers, found.properties["expiration"]) == (b'{"x": 1}', {"kind": "test"}, "2000")

    @app.task
    def job(): ...

    with app.producer_or_acquire() as producer:
        assert job.apply_async(producer=producer).id
    with app.amqp.Producer() as producer:
        producer.publish("text", routing_key="raw", content_type="text/plain", compression="gzip")


def test_the_backend(app):
    backend = app.backend
    assert backend is app.backend
    backend.ensure_chords_allowed()
    assert backend.get_task_meta("1") == {"status": "PENDING", "result": None}
    backend.store_result("1", {"x": 1}, "PROGRESS")
    assert backend.get_state("1") == "PROGRESS"
    backend.mark_as_failure("2", ValueError("no"), "its traceback")
    assert repr(backend.get_result("2")) == "ValueError('no')"
    assert backend.get_traceback("2") == "its traceback"
    backend.mark_as_done("3", 3)
    assert app.AsyncResult("3").get(timeout=1) == 3
    assert app.AsyncResult("3").backend.get_task_meta("3")["date_done"]
    backend.mark_as_revoked("4", "why")
    backend.mark_as_retry("5", ValueError("again"))
    backend.mark_as_started("6", pid=1)
    assert [backend.get_state(each) for each in "456"] == ["REVOKED", "RETRY", "STARTED"]
    assert backend.task_result_exists("3")
    backend.forget("3")
    assert not backend.task_result_exists("3")
    assert backend.get_key_for_task("3") == b"celery-task-meta-3"
    assert backend.get_key_for_group("g", ".j") == b"celery-taskset-meta-g.j"
    assert backend.as_uri() == app.store.public_url()
    with pytest.raises(ImproperlyConfigured, match="no client of Redis"):
        _ = backend.client
    with pytest.raises(TypeError, match=r"umbel\.results\.base\.ResultStore"):
        type("Mine", (type(backend),), {})


def test_no_backend():
    with Celery("proj", broker="memory://", backend="disabled", set_as_current=False) as app:
        assert app.store is None
        assert not app.backend
        app.backend.store_result("1", 1, "SUCCESS")
        with pytest.raises(NotImplementedError, match="set result_backend"):
            app.backend.get_task_meta("1")


def test_groups_of_the_backend(app):
    result = app.GroupResult("g", [app.AsyncResult("1")])
    app.backend.save_group("g", result)
    assert app.backend.restore_group("g") == result
    app.backend.delete_group("g")
    assert app.backend.restore_group("g") is None


def test_a_task_of_django(monkeypatch):
    assert not issubclass(Celery("proj", set_as_current=False).Task, DjangoTask)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.settings")
    assert issubclass(Celery("proj", set_as_current=False).Task, DjangoTask)
    assert issubclass(type("Mine", (Celery,), {})("proj", set_as_current=False).Task, DjangoTask)


def test_options_of_a_worker(app):
    worker = app.Worker(pool="solo", concurrency=1, loglevel="debug", without_gossip=True, exclude_queues=["x"], hostname="w@h")
    assert (worker.pool, worker.hostname, worker.options.exclude) == ("solo", "w@h", ("x",))
    assert worker.pool_cls.__name__ == "SoloPool"
    assert worker.consumer is worker

    @app.task
    def later(): ...

    worker.reload()
    assert later.name in worker._policies
    with pytest.raises(TypeError, match="nonsense"):
        app.Worker(nonsense=1)


def test_a_report_without_secrets(app):
    app.conf.result_backend = "redis://user:p,a@ss@localhost:6379/0"
    report = app.bugreport()
    assert f"software -> celery:{CELERY}" in report
    assert "p,a@ss" not in report
    assert "redis://user:********@localhost:6379/0" in report


def test_what_else_is_there(app):
    assert app.uses_utc_timezone()
    assert app.either("task_default_queue", None, "x") == "x"
    assert app.either("task_default_queue") == "celery"
    assert [queue.name for queue in app.select_queues(["a"])] == ["a"]
    assert app.subclass_with_self("umbel.compat.subsystems.loader:Loader", name="Mine").app is app
    assert app.annotations == app.conf.task_annotations
    app.user_options["worker"].add("option")
    assert app.prepare_config({"a": 1}) == {"a": 1}


def test_the_loader(app, tmp_path, monkeypatch):
    (tmp_path / "tasks_of_test_app.py").write_text("from umbel import shared_task\n\n@shared_task\ndef of_loader(): ...\n")
    monkeypatch.chdir(tmp_path)
    app.loader.import_task_module("tasks_of_test_app")
    assert "tasks_of_test_app.of_loader" in app.tasks
    assert app.loader.task_modules == {"tasks_of_test_app"}
    assert app.loader.conf is app.conf
    assert app.loader.import_module("json").__name__ == "json"
    assert app.loader.now().tzinfo


def test_packages_that_extend_celery_find_the_app_and_its_tasks(app):
    from umbel.compat import process_state

    @app.task
    def add():
        pass

    app.set_current()
    assert add._get_app() is app
    assert process_state.tasks is app.tasks
