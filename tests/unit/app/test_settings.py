import os
import sys
import types
from datetime import timedelta

import pytest

from umbel import Umbel
from umbel.app.config import schema, sources
from umbel.app.config.settings import Settings, zone_of
from umbel.errors import ImproperlyConfigured


def settings(**options):
    return Settings(**{"environ": {}, **options})


def test_defaults():
    conf = settings()
    assert conf.task_serializer == "json"
    assert conf["task_default_queue"] == "celery"
    assert conf.result_expires == timedelta(days=1)


def test_new_and_old_names_read_and_write_the_same():
    conf = settings()
    conf.CELERY_TASK_SERIALIZER = "yaml"
    assert conf.task_serializer == conf["CELERY_TASK_SERIALIZER"] == "yaml"
    conf.broker_url = "redis://h"
    assert conf.BROKER_URL == "redis://h"


def test_precedence_from_the_weakest():
    environ = {}
    conf = settings(environ=environ, arguments={"broker_url": "redis://argument"})
    assert conf.task_default_queue == "celery"
    conf.add_defaults({"task_default_queue": "added"})
    assert conf.task_default_queue == "added"
    conf.read_from({"task_default_queue": "source", "broker_url": "redis://source"})
    assert conf.task_default_queue == "source"
    assert conf.broker_url == "redis://argument"
    conf.task_default_queue = "assigned"
    assert conf.task_default_queue == "assigned"


def test_the_memory_of_revoked_tasks_is_bounded_by_celerys_variables():
    conf = settings(environ={"CELERY_WORKER_REVOKES_MAX": "100", "CELERY_WORKER_REVOKE_EXPIRES": "60.5"})
    assert (conf.worker_revokes_max, conf.worker_revoke_expires) == (100, 60.5)
    with pytest.raises(ImproperlyConfigured, match="worker_revokes_max: expected whole number"):
        assert settings(environ={"CELERY_WORKER_REVOKES_MAX": "many"}).worker_revokes_max


def test_environment_is_stronger_than_file_and_argument_and_weaker_than_assignment():
    conf = settings(
        environ={"CELERY_BROKER_URL": "redis://old", "CELERY_RESULT_BACKEND": "redis://r"}, arguments={"broker_url": "redis://a"}
    )
    assert conf.broker_url == "redis://old"
    assert conf.result_backend == "redis://r"
    conf.broker_url = "redis://assigned"
    assert conf.broker_url == "redis://assigned"


def test_our_own_variable_is_preferred():
    conf = settings(environ={"CELERY_BROKER_URL": "redis://old", "UMBEL_BROKER_URL": "redis://new"})
    assert conf.broker_url == "redis://new"


def test_the_source_is_read_when_first_needed():
    class Source:
        reads = 0

        @property
        def task_serializer(self):
            Source.reads += 1
            return "yaml"

    conf = settings()
    conf.read_from(Source())
    assert Source.reads == 0
    assert conf.task_serializer == "yaml"
    assert Source.reads == 1


def test_loading_calls_before_and_after():
    seen = []
    conf = settings(on_load=(lambda: seen.append("before"), lambda: seen.append("after")))
    assert seen == []
    _ = conf.task_serializer, conf.timezone
    assert seen == ["before", "after"]


def test_late_defaults_are_asked_once_and_only_when_needed():
    asked = []
    conf = settings()
    conf.add_defaults(lambda: asked.append(1) or {"timezone": "Europe/Berlin"})
    assert not asked
    assert conf.timezone == "Europe/Berlin"
    assert asked == [1]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("task_serialiser", "task_serializer"),
        ("CELERY_TASK_SERIALISER", "CELERY_TASK_SERIALIZER"),
        ("TASK_SERIALIZER", "task_serializer"),
        ("broker", "broker_url"),
        ("worker_concurency", "worker_concurrency"),
    ],
)
def test_unknown_settings_are_errors_that_suggest(name, meant):
    conf = settings()
    with pytest.raises(ImproperlyConfigured, match=f"no setting {name}.*{meant}"):
        conf.update({name: 1})
    with pytest.raises(ImproperlyConfigured):
        setattr(conf, name, 1)
    with pytest.raises(AttributeError, match=meant):
        getattr(conf, name)


def test_a_wrong_update_changes_nothing():
    conf = settings()
    with pytest.raises(ImproperlyConfigured):
        conf.update(task_serializer="yaml", nonsense=1)
    assert conf.task_serializer == "json"


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("task_acks_late", "false", False),
        ("task_acks_late", 1, True),
        ("worker_concurrency", "4", 4),
        ("worker_concurrency", 4.0, 4),
        ("broker_connection_timeout", "2.5", 2.5),
        ("result_expires", timedelta(hours=1), timedelta(hours=1)),
        ("result_expires", None, None),
        ("accept_content", "json, pickle", ("json", "pickle")),
        ("task_default_rate_limit", "10/m", "10/m"),
        ("task_default_delivery_mode", "transient", "transient"),
        ("broker_failover_strategy", "SHUFFLE", "shuffle"),
    ],
)
def test_values_are_converted(name, given, kept):
    conf = settings()
    conf[name] = given
    assert conf[name] == kept


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("task_acks_late", "maybe"),
        ("worker_concurrency", "four"),
        ("worker_concurrency", 4.5),
        ("worker_concurrency", True),
        ("task_time_limit", "soon"),
        ("task_default_queue", 3),
        ("task_protocol", 3),
        ("task_default_rate_limit", "10/d"),
        ("broker_transport_options", "text"),
        ("accept_content", {"json": 1}),
        ("task_serializer", None),
    ],
)
def test_values_of_another_kind_are_errors_that_say_what_was_expected(name, given):
    with pytest.raises(ImproperlyConfigured, match=f"setting {name}: expected"):
        settings()[name] = given


def test_a_secret_s_value_is_not_in_the_error():
    with pytest.raises(ImproperlyConfigured) as caught:
        settings().broker_password = ["hunter2"]
    assert "hunter2" not in str(caught.value)


def test_a_dict_default_belongs_to_one_app():
    one, other = settings(), settings()
    one.broker_transport_options["visibility_timeout"] = 5
    assert one.broker_transport_options == {"visibility_timeout": 5}
    assert other.broker_transport_options == {}


def test_every_change_raises_the_version():
    conf = settings()
    before = conf.version
    conf.task_serializer = "yaml"
    assert conf.version > before


def test_masking():
    conf = settings()
    conf.update(
        broker_url="amqp://user:hunter2@host//;redis://:hunter2@other/1",
        result_backend="redis://:hunter2@host/1",
        s3_secret_access_key="hunter2",
        redis_password="hunter2",
        broker_transport_options={"sentinel_kwargs": {"password": "hunter2"}, "master_name": "m"},
        task_default_routing_key="visible",
    )
    text = conf.humanize()
    assert "hunter2" not in text
    assert "hunter2" not in repr(conf)
    assert "host" in text
    assert "visible" in text
    assert "'master_name': 'm'" in text
    assert "task_serializer" not in text
    assert "task_serializer" in conf.humanize(with_defaults=True)
    assert conf.table(censored=False)["redis_password"] == "hunter2"


def test_several_servers_are_shown_as_they_were_written_but_for_passwords():
    conf = settings()
    for given, shown in {
        "cache+memcached://10.0.0.1:11211;10.0.0.2:11211/": "cache+memcached://10.0.0.1:11211;10.0.0.2:11211/",
        "sentinel://:hunter2@h1:1;sentinel://:hunter2@h2:2/0": "sentinel://:**@h1:1;sentinel://:**@h2:2/0",
        "azureblockblob://a=b;AccountKey=hunter2": "azureblockblob://a=b;********",
        "amqp://me:1;hunter2;x@host": "amqp://me:1;********;********",
    }.items():
        conf.result_backend = given
        assert conf.table()["result_backend"] == shown


def test_finding_by_parts():
    conf = settings()
    assert conf.find_value_for_key("serializer", "task") == "json"
    assert conf.get_by_parts("task", "default_queue") == "celery"
    assert conf.find_option("url", "broker")[:2] == ("broker", "url")
    with pytest.raises(KeyError):
        conf.find_option("nonsense")


def test_mapping_interface():
    conf = settings(arguments={"task_serializer": "yaml"})
    assert "task_serializer" in conf
    assert "nonsense" not in conf
    assert conf.get("nonsense") is None
    assert conf.without_defaults() == {"task_serializer": "yaml"}
    assert conf.value_set_for("timezone") is None
    assert conf.first("worker_concurrency", "singleton_x", "task_serializer") == "yaml"
    assert conf.is_set("task_serializer")
    assert set(conf) == set(schema.SETTINGS)
    conf.timezone = "UTC"
    del conf["timezone"]
    assert conf.timezone is None


# -- sources -------------------------------------------------------------------


def module(**names):
    found = types.ModuleType("celeryconfig")
    vars(found).update(names)
    return found


def test_a_module_may_have_other_names_too():
    found = sources.load(
        module(os=os, broker_url="redis://h", helper=lambda: 1, Timeout=3, task_router=lambda *a: None, _private=1, DEBUG=True)
    )
    assert found == {"broker_url": "redis://h"}


def test_a_module_s_misspelt_setting_is_an_error_that_names_the_module():
    with pytest.raises(ImproperlyConfigured, match=r"task_serialiser \(in celeryconfig\); did you mean task_serializer"):
        sources.load(module(task_serialiser="json"))
    with pytest.raises(ImproperlyConfigured, match="CELERY_TASK_SERIALISER"):
        sources.load(module(CELERY_TASK_SERIALISER="json"))


def test_a_dict_is_taken_strictly():
    with pytest.raises(ImproperlyConfigured, match="helper"):
        sources.load({"broker_url": "redis://h", "helper": 1})


def test_classes_and_objects():
    class Config:
        broker_url = "redis://h"
        enable_utc = False

    assert sources.load(Config) == sources.load(Config()) == {"broker_url": "redis://h", "enable_utc": False}


def test_the_settings_of_an_old_project():
    old = module(
        CELERY_ACCEPT_CONTENT=["json"], CELERY_TIMEZONE="Asia/Shanghai", CELERY_INCLUDE=["a.tasks"], CELERYBEAT_SCHEDULER="celery.beat:PersistentScheduler",
        CELERYBEAT_SCHEDULE_FILENAME="f", BROKER_URL="redis://h", BROKER_TRANSPORT_OPTIONS={"fanout_prefix": True}, CELERY_RESULT_BACKEND="redis://r",
        CELERY_RESULT_SERIALIZER="json", CELERY_RESULT_PERSISTENT=True, CELERY_TASK_RESULT_EXPIRES=60, CELERY_TASK_SERIALIZER="json",
        CELERY_TASK_TIME_LIMIT=10, CELERY_TASK_IGNORE_RESULT=True, CELERYD_CONCURRENCY=4, CELERYD_MAX_TASKS_PER_CHILD=100, CELERY_REDIS_MAX_CONNECTIONS=20,
    )  # fmt: skip
    found = sources.load(old)
    assert found["task_time_limit"] == 10
    assert found["task_ignore_result"] is True
    assert found["result_expires"] == 60
    assert found["timezone"] == "Asia/Shanghai"
    assert len(found) == 17


def test_mixing_old_and_new_names_is_refused_and_the_minority_named():
    with pytest.raises(ImproperlyConfigured, match="rename CELERY_TIMEZONE → timezone"):
        sources.load({"broker_url": "redis://h", "task_serializer": "json", "CELERY_TIMEZONE": "UTC"})
    with pytest.raises(ImproperlyConfigured, match="rename task_serializer → CELERY_TASK_SERIALIZER"):
        sources.load({"BROKER_URL": "redis://h", "task_serializer": "json", "CELERY_TIMEZONE": "UTC"})


def test_attributes_without_the_namespace_are_not_touched():
    class Django:
        CELERY_TIMEZONE = "UTC"

        @property
        def SECRET_KEY(self):
            raise ValueError("it must not be empty")

    assert sources.load(Django(), "CELERY") == {"timezone": "UTC"}


def test_a_namespace_is_required_of_every_name_and_others_are_not_looked_at():
    django = {
        "CELERY_BROKER_URL": "redis://h",
        "CELERY_TASK_ALWAYS_EAGER": True,
        "DEBUG": True,
        "BROKER_URL": "x",
        "CELERY_DB_REUSE_MAX": 5,
    }
    assert sources.load(django, "CELERY") == {"broker_url": "redis://h", "task_always_eager": True}
    with pytest.raises(ImproperlyConfigured, match="did you mean CELERY_TASK_SERIALIZER"):
        sources.load({"CELERY_TASK_SERIALISER": "json"}, "CELERY")
    assert sources.load({"umbel_timezone": "UTC"}, "umbel") == {"timezone": "UTC"}


def test_add_ons_keep_their_settings():
    assert sources.load({"redbeat_redis_url": "redis://h"}) == {"redbeat_redis_url": "redis://h"}
    assert sources.load({"ONCE": {"backend": "b"}, "singleton_lock_expiry": 5}) == {"once": {"backend": "b"}, "singleton_lock_expiry": 5}


def test_import_paths(monkeypatch):
    monkeypatch.setitem(sys.modules, "some_config", module(timezone="UTC", nested=types.SimpleNamespace(timezone="Asia/Tokyo")))
    assert sources.load("some_config") == {"timezone": "UTC"}
    assert sources.load("some_config:nested") == {"timezone": "Asia/Tokyo"}
    assert sources.load("some_config.nested") == {"timezone": "Asia/Tokyo"}
    with pytest.raises(ImportError):
        sources.load("no_such_config")


def test_a_missing_module_may_be_silent():
    conf = settings()
    conf.read_from("no_such_config", silent=True)
    assert conf.timezone is None
    conf = settings()
    conf.read_from("no_such_config")
    with pytest.raises(ImportError):
        _ = conf.timezone
    with pytest.raises(ImportError):
        _ = conf.timezone


def test_command_line_words():
    found = sources.from_arguments(
        ["broker.heartbeat=10", "worker.prefetch_multiplier=(int)1", "task_serializer=yaml", "task_acks_late=False"]
    )
    assert found == {"broker_heartbeat": 10, "worker_prefetch_multiplier": 1, "task_serializer": "yaml", "task_acks_late": False}
    assert sources.from_arguments(["task.acks-late=true", "result_expires=none"]) == {"task_acks_late": True, "result_expires": None}
    assert sources.from_arguments(["include=['a', 'b']", 'imports=(list)["a"]', "x=(tuple)a, b"]) == {
        "include": ["a", "b"],
        "imports": ["a"],
        "x": ["a", "b"],
    }
    for nonsense in ("nonsense", "=1", "x=(int)ten", "x=(bool)maybe", "x=(json){"):
        with pytest.raises(ImproperlyConfigured):
            sources.from_arguments([nonsense])


def test_a_zone_may_be_an_object():
    from zoneinfo import ZoneInfo

    conf = Settings({"timezone": ZoneInfo("Asia/Shanghai")})
    assert zone_of(conf) is conf.timezone


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("worker_concurrency", -1, "at least 0"),
        ("task_time_limit", -4, "at least 0"),
        ("task_soft_time_limit", timedelta(seconds=-1), "at least 0"),
        ("worker_prefetch_multiplier", "-2", "at least 0"),
        ("broker_publish_window", 0, "at least 1"),
        ("broker_port", 65536, "from 0 to 65535"),
        ("task_default_priority", 256, "from 0 to 255"),
        ("broker_lease", float("nan"), "at least 0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_the_settings_name(name, value, expected):
    with pytest.raises(ImproperlyConfigured, match=f"setting {name}: expected .*{expected}"):
        settings(arguments={name: value})


def test_celerys_values_for_no_limit_are_taken():
    conf = settings(arguments={"worker_concurrency": 0, "task_time_limit": 0, "result_expires": 0, "broker_heartbeat": 0})
    assert (conf.worker_concurrency, conf.task_time_limit, conf.result_expires) == (0, 0, 0)


@pytest.mark.parametrize("zone", ["Asia/Beijing", "../zone", "Europe"])
def test_a_zone_that_does_not_exist_is_refused_at_once(zone):
    with pytest.raises(ImproperlyConfigured, match="setting timezone: expected name of a zone such as Europe/Berlin") as raised:
        settings(arguments={"timezone": zone})
    assert raised.value.__suppress_context__


def test_zones():
    for zone in ("UTC", "utc", "", "Asia/Shanghai", None):
        assert settings(arguments={"timezone": zone}).timezone == zone


@pytest.mark.parametrize("name", ["database", "db"])
def test_the_url_of_an_sql_result_store(name):
    from umbel.app.connections import store_url

    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        app.conf.update(result_backend=name)
        with pytest.raises(ImproperlyConfigured, match=f"result_backend is '{name}' and database_url is empty"):
            store_url(app.conf, ())
        for url in ("sqlite:///x.db", "db+sqlite:///x.db"):
            app.conf.update(database_url=url)
            assert store_url(app.conf, ()) == "db+sqlite:///x.db"


def test_the_settings_of_an_sql_result_store():
    from umbel.app.connections import store_options

    def callback(engine): ...

    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        app.conf.update(database_engine_callback=callback, database_table_names={"task": "t"}, database_table_schemas={"task": "s"})
        found = store_options(app.conf, "db+sqlite:///x.db").transport["database"]
    assert found == {
        "engine_options": {"pool_pre_ping": True, "pool_recycle": 3600},
        "engine_callback": callback,
        "table_names": {"task": "t"},
        "table_schemas": {"task": "s"},
    }
