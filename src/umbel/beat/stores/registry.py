"""From the settings to a store of schedules.

``beat_schedule_store`` names it. Else it is where all schedulers of an app look anyway: its broker's Redis, SQLite file or PostgreSQL, or its result store in Redis or SQL; and where there
is no such place (RabbitMQ without results, say), or ``beat_schedule_filename`` was set, a file of its own, as with Celery.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from umbel.beat.stores.base import ScheduleStore
from umbel.clients import urls
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins

GROUP: Final = "umbel.schedule_stores"

_REDIS: Final = frozenset({"redis", "rediss", "redis+socket", "socket", "unix", "sentinel", "valkey", "valkeys"})
#: Stores of parts of Umbel that stand above this one.
_ELSEWHERE: Final = {"django-db": "umbel.contrib.django.schedules.store:connect"}


def store_of(app: Any, url: str | None = None, filename: str | None = None) -> ScheduleStore:
    """Make the store of an app; opens nothing.

    Args:
        app: whose settings name it.
        url: in place of ``beat_schedule_store``.
        filename: of a file, which outranks both.

    Raises:
        ImproperlyConfigured: there is no store for such a URL.
    """
    conf = app.conf
    if filename:
        return _file(app, filename)
    chosen = url or conf.beat_schedule_store
    if chosen:
        return _made(app, chosen, conf.broker_transport_options)
    if conf.is_set("beat_schedule_filename"):
        return _file(app, conf.beat_schedule_filename)
    broker = urls.split(conf.broker_write_url or conf.broker_url or ())
    scheme = broker[0].partition("://")[0].lower() if broker else ""
    if scheme in _REDIS or scheme in ("sqlite", "memory", "postgresql", "postgres") or scheme.startswith(("mysql", "mariadb")):
        return _made(app, ";".join(broker), conf.broker_transport_options)
    results = app.connections.store_url() or ""
    if results.partition("://")[0].lower() in _REDIS or results.startswith(("db+", "sqlite:", "django-db:")):
        return _made(app, results, conf.result_backend_transport_options)
    return _file(app, conf.beat_schedule_filename)


def _made(app: Any, url: str, transport: Any) -> ScheduleStore:
    scheme = url.partition("://")[0].lower()
    if scheme in _ELSEWHERE:
        return _by_path(_ELSEWHERE[scheme], url, app)
    if scheme in _REDIS:
        from umbel.beat.stores.redis import RedisScheduleStore

        tls = app.conf.broker_use_ssl if url == app.conf.broker_url else app.conf.redis_backend_use_ssl
        return RedisScheduleStore(url, transport=transport, tls=tls)
    if scheme == "sqlite":
        from umbel.beat.stores.sqlite import SqliteScheduleStore
        from umbel.clients.sqlite.database import locate, synchronous_of

        return SqliteScheduleStore(locate(url), app.time, synchronous=synchronous_of(url, transport))
    if scheme == "memory":
        return _in_memory(app)
    if scheme.startswith(("db+", "postgres", "mysql", "mariadb")):
        sql = plugins.load("umbel.beat.stores.sql:SqlScheduleStore", f"{scheme}://")
        schemas = app.conf.database_table_schemas or {}
        found: ScheduleStore = sql(url, schema=schemas.get("task"), engine_options=app.conf.database_engine_options, clock=app.time)
        return found
    try:
        factory = plugins.load(plugins.target(scheme, {}, group=GROUP, what="schedule store"), f"{scheme}://")
    except ImproperlyConfigured:
        raise ImproperlyConfigured(
            f"beat_schedule_store: there is no schedule store for {scheme}:// URLs: expected redis://, db+postgresql://, db+mysql://, sqlite:/// or none"
        ) from None
    made: ScheduleStore = factory(url, app)
    return made


def _by_path(path: str, url: str, app: Any) -> ScheduleStore:
    made: ScheduleStore = plugins.load(path, url)(url, app)
    return made


def _file(app: Any, filename: str) -> ScheduleStore:
    from umbel.beat.stores.file import FileScheduleStore

    return FileScheduleStore(str(Path(filename).absolute()), app.time)


def _in_memory(app: Any) -> ScheduleStore:
    """Return the one store in memory that the app has."""
    from umbel.beat.stores.memory import MemoryScheduleStore

    found: ScheduleStore | None = vars(app).get("_memory_schedules")
    if found is None:
        found = vars(app)["_memory_schedules"] = MemoryScheduleStore(app.time)
    return found
