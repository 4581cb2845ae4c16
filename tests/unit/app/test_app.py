import asyncio
import os
import pickle
import sys
import types
from datetime import UTC, timedelta

import pytest

from umbel import Umbel, hooks
from umbel.app import connections
from umbel.app.config.settings import Settings
from umbel.errors import ImproperlyConfigured


@pytest.fixture
def make():
    made = []

    def build(*args, **options):
        app = Umbel(*args, **{"set_as_current": False, "broker": "memory://", **options})
        made.append(app)
        return app

    yield build
    for app in made:
        app.close()


def test_constructor_settings(make):
    app = make("x", backend="memory://", include=["a"], task_serializer="yaml", changes={"task_protocol": 1})
    assert (app.conf.broker_url, app.conf.result_backend, list(app.conf.include)) == ("memory://", "memory://", ["a"])
    assert (app.conf.task_serializer, app.conf.task_protocol) == ("yaml", 1)
    with pytest.raises(ImproperlyConfigured, match="did you mean"):
        make("x", task_serialiser="yaml")


def test_configuration_signals(make):
    app = make("x")
    seen = []
    app.on_configure.connect(lambda **_: seen.append("configure"), weak=False)
    app.on_after_configure.connect(lambda **_: seen.append("after"), weak=False)
    app.on_after_finalize.connect(lambda **_: seen.append("final"), weak=False)
    assert not app.configured
    _ = app.tasks
    assert seen == ["configure", "after", "final"]


def test_config_from_envvar(make, monkeypatch):
    module = types.ModuleType("env_settings")
    module.timezone = "Asia/Tokyo"
    monkeypatch.setitem(sys.modules, "env_settings", module)
    app = make("x")
    with pytest.raises(ImproperlyConfigured, match="NOT_SET"):
        app.config_from_envvar("NOT_SET")
    assert not app.config_from_envvar("NOT_SET", silent=True)
    monkeypatch.setenv("MY_SETTINGS", "env_settings")
    assert app.config_from_envvar("MY_SETTINGS")
    assert str(app.timezone) == "Asia/Tokyo"


def test_namespaces(make):
    app = make("x")
    app.config_from_object({"CELERY_TIMEZONE": "Asia/Tokyo"}, namespace="CELERY")
    assert app.conf.timezone == "Asia/Tokyo"
    assert make("x", config_source={"UMBEL_TIMEZONE": "UTC"}, namespace="UMBEL").timezone == UTC


def test_command_line(make):
    app = make("x")
    app.config_from_cmdline(["worker.prefetch_multiplier=1"])
    assert app.conf.worker_prefetch_multiplier == 1


def test_timezones(make):
    assert make("x").timezone is UTC
    assert make("x", timezone="Europe/Berlin").now().utcoffset() in (timedelta(hours=1), timedelta(hours=2))
    with pytest.raises(ImproperlyConfigured, match="Europe/Berlim"):
        _ = make("x", timezone="Europe/Berlim").timezone


def test_broker_and_store_are_made_once(make):
    app = make("x", backend="memory://")
    assert app.broker is app.broker
    assert app.publisher is app.publisher
    assert app.store is app.store
    assert make("x").store is None
    assert make("x", backend="disabled").store is None


def test_a_round_trip_through_the_memory_broker(make):
    app = make("x", backend="memory://")
    add = app.task(name="x.add")(lambda x, y: x + y)
    result = add.delay(1, 2)
    client = app.broker.queue_client()
    assert client.length("celery") == 1
    delivery = client.get("celery")
    from umbel.execution.model import Job

    execution = app.runner("w").execute(
        Job(1, delivery.headers, delivery.body, delivery.content_type, delivery.content_encoding, delivery.properties, "", "celery", False)
    )
    app.store.store(execution.records)
    client.ack(delivery)
    client.close()
    assert result.get(timeout=1) == 3
    assert app.AsyncResult(result.id).state == "SUCCESS"


def test_purge(make):
    app = make("x")
    job = app.task(lambda: 1)
    for _ in range(3):
        job.delay()
    job.apply_async(queue="other")
    assert app.control.purge(["celery"]) == 3
    assert app.control.purge() == 1


def test_adelay_through_the_memory_broker(make):
    app = make("x")
    job = app.task(lambda: 1)

    async def send():
        return [await job.adelay() for _ in range(3)]

    assert len(asyncio.run(send())) == 3
    assert app.control.purge() == 3


def test_close_lets_go_and_the_app_works_again(make):
    app = make("x")
    before = app.broker
    app.close()
    app.close()
    assert app.broker is not before
    with make("y") as other:
        assert other.oid == other.oid


def test_declarations_are_made_again_after_a_close(make):
    app = make("x", broker="memory:///declared-again")  # a broker that goes with its last app
    job = app.task(lambda: 1)
    job.delay()
    app.close()
    job.delay()
    assert app.control.purge() == 1


def test_calls_after_a_close_are_still_recorded(make, tmp_path):
    app = make("x", broker=f"sqlite:///{tmp_path}/queues.db", task_store_queued=True)
    job = app.task(lambda: 1)
    assert job.delay().state == "PENDING"
    app.close()
    results = [job.delay(), job.apply_async(countdown=1), *job.delay_many([()])]
    assert [result.state for result in results] == ["PENDING"] * 3


def test_pickling(make):
    copy = pickle.loads(pickle.dumps(make("x", timezone="UTC")))
    assert (copy.main, copy.conf.timezone, copy.conf.broker_url) == ("x", "UTC", "memory://")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_an_identity_of_its_own(make):
    app = make("x")
    job = app.task(lambda: 1)
    job.delay()
    oid, publisher = app.oid, app.publisher
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, repr((app.oid != oid, app.publisher is not publisher, f"gen{os.getpid()}@" in app.outbox.sender.origin)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 100) == b"(True, True, True)"
    os.close(read)
    os.close(write)


def test_importing(make, tmp_path, monkeypatch):
    for name in ("imp_one", "imp_two"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "imp_pkg").mkdir()
    for name in ("__init__", "tasks"):
        (tmp_path / "imp_pkg" / f"{name}.py").write_text("")
    (tmp_path / "imp_bare").mkdir()
    (tmp_path / "imp_bare" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    app = make("x", imports=["imp_one"], include="imp_two")
    app.autodiscover_tasks(["imp_pkg", "imp_bare"])
    app.autodiscover_tasks(lambda: ["imp_pkg"], related_name=None)
    seen = []
    hooks.import_modules.connect(lambda **_: seen.append("signal"), weak=False, dispatch_uid="test")
    try:
        assert app.import_modules() == ["imp_one", "imp_two", "imp_pkg.tasks", "imp_pkg"]
    finally:
        hooks.import_modules.disconnect(dispatch_uid="test")
    assert seen == ["signal"]
    assert {"imp_one", "imp_two", "imp_pkg.tasks"} <= set(sys.modules)
    (tmp_path / "imp_pkg" / "broken.py").write_text("import not_installed\n")
    with pytest.raises(ModuleNotFoundError):
        app.autodiscover_tasks(["imp_pkg"], "broken", force=True)
    app.autodiscover_tasks(["imp_pkg.Config", "datetime.datetime"], force=True)  # one level up, as in Celery
    with pytest.raises(ModuleNotFoundError, match="'nowhere'"):
        app.autodiscover_tasks(["nowhere.at.all"], force=True)


def test_unfinalized_apps(make):
    app = make("x", autofinalize=False)
    with pytest.raises(RuntimeError):
        app.finalize(auto=True)


# -- options of broker and store -----------------------------------------------


def broker(**settings):
    return connections.broker_options(Settings(settings, environ={}))


def test_broker_options():
    found = broker(
        broker_url="amqp://a;amqp://b", broker_heartbeat=0, broker_connection_timeout=timedelta(seconds=2), broker_publish_window=7,
        broker_failover_strategy="shuffle", broker_connection_max_retries=0, message_max_body=10, task_publish_retry_policy={"max_retries": 9},
    )  # fmt: skip
    assert found.urls == ("amqp://a", "amqp://b")
    assert (found.heartbeat, found.connect_timeout, found.window, found.failover) == (0, 2, 7, "shuffle")
    assert (found.max_retries, found.limits.body, found.publish_retries) == (None, 10, 9)
    assert broker(task_publish_retry=False).publish_retries == 0
    assert broker().urls == ("sqlite:///umbel.db",)
    assert connections.broker_options(Settings({"broker_read_url": "redis://r"}, environ={}), role="read").urls == ("redis://r",)


@pytest.mark.parametrize(("visibility", "lease"), [(None, 30), (5, 5), (3600, 30)])
def test_a_visibility_timeout_can_only_shorten_the_lease(visibility, lease):
    assert broker(broker_transport_options={"visibility_timeout": visibility} if visibility else {}).lease == lease
    assert broker(visibility_timeout=visibility).lease == lease


def test_parts_of_the_url_can_be_replaced():
    found = broker(broker_url="amqp://u:p@h:1/v?a=1", broker_host="other", broker_password="s/x", broker_vhost="my vhost")
    assert found.urls == ("amqp://u:s%2Fx@other:1/my%20vhost?a=1",)


@pytest.mark.parametrize(
    ("given", "broker_url", "expected"),
    [
        (None, "sqlite:///umbel.db", "sqlite:///umbel.db"),
        (None, "sqlite:////var/q.db", "sqlite:////var/q.db"),
        (None, "redis://h", None),
        ("", "sqlite:///umbel.db", None),
        ("disabled", "sqlite:///umbel.db", None),
        ("rpc", "amqp://h", "rpc://"),
        ("redis://r/1", "amqp://h", "redis://r/1"),
    ],
)
def test_url_of_the_result_store(given, broker_url, expected):
    assert connections.store_url(Settings({"result_backend": given}, environ={}), [broker_url]) == expected


def test_store_options():
    found = connections.store_options(
        Settings({"result_expires": timedelta(hours=1), "result_accept_content": ["json", "yaml"], "redis_max_connections": 5}, environ={}),
        "redis://h",
    )
    assert (found.expires, found.accept, found.max_connections) == (3600, frozenset({"json", "yaml"}), 5)
    assert connections.store_options(Settings({"result_expires": None}, environ={}), "redis://h").expires is None


def test_rpc_is_told_the_broker():
    found = connections.store_options(Settings({"broker_url": "amqp://h/v", "broker_use_ssl": True}, environ={}), "rpc://")
    assert found.transport["broker"].urls == ("amqp://h/v",)
    assert found.transport["broker"].ssl is True


def test_a_handle_keeps_what_it_is_given(make):
    app = make(backend="cache+memory://")
    parent = app.AsyncResult("first")
    handle = app.AsyncResult("second", backend=app.store, task_name="proj.add", parent=parent)
    assert (handle.parent, handle.backend) == (parent, app.store)
    with pytest.raises(TypeError):
        app.AsyncResult("third", parents=parent)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("memcached://h:1/", "cache+memcached://h:1/"), ("cache+memcached://h/", "cache+memcached://h/"), ("memory", "cache+memory://")],
)
def test_cache_stands_for_the_cache_backend(backend, expected):
    settings = Settings({"result_backend": "cache", "cache_backend": backend}, environ={})
    assert connections.store_url(settings, ["amqp://h"]) == expected


def test_cache_alone_is_told():
    with pytest.raises(ImproperlyConfigured, match="cache_backend is empty"):
        connections.store_url(Settings({"result_backend": "cache"}, environ={}), [])


def test_stores_get_their_own_settings():
    settings = Settings({"cache_backend_options": {"timeout": 1}, "mongodb_backend_settings": {"database": "d"}}, environ={})
    assert connections.store_options(settings, "cache+memcached://h/").transport == {"cache": {"timeout": 1}}
    assert connections.store_options(settings, "mongodb://h").transport == {"mongodb": {"database": "d"}}
