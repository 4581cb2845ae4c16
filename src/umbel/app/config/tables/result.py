"""Settings of results and of the stores that keep them."""

from __future__ import annotations

from datetime import timedelta
from math import inf

from umbel.app.config.kinds import (
    ANY,
    COUNT,
    DURATION,
    FLAG,
    FLAG_OR_MAPPING,
    INTEGER,
    MAPPING,
    NAMES,
    NUMBER,
    PORT,
    SECONDS,
    TEXT,
    TEXT_OR_NUMBER,
)
from umbel.app.config.setting import Setting

RESULT = (
    Setting(
        "result_backend",
        None,
        ANY,
        "Result store; `disabled` keeps no results. None: the same file when the broker is SQLite, else no results.",
        ("CELERY_RESULT_BACKEND",),
        used=True,
    ),
    Setting(
        "result_accept_content",
        None,
        NAMES,
        "Serializers or content types that are decoded in results; none is `accept_content`.",
        ("RESULT_ACCEPT_CONTENT", "CELERY_RESULT_ACCEPT_CONTENT"),
        used=True,
    ),
    Setting("result_cache_max", -1, INTEGER, "Celery's cache of results in clients.", ("CELERY_MAX_CACHED_RESULTS",), optional=True),
    Setting("result_compression", None, TEXT, "Compression of results.", ("CELERY_RESULT_COMPRESSION",), used=True),
    Setting(
        "result_chord_expires",
        None,
        SECONDS,
        "Time for which the counts of a chord are kept; as long as results when not given.",
        ("CELERY_RESULT_CHORD_EXPIRES",),
        used=True,
    ),
    Setting(
        "result_failure_expires",
        None,
        SECONDS,
        "Time for which Celery keeps failures; Umbel: `result_expires`.",
        ("CELERY_RESULT_FAILURE_EXPIRES",),
    ),
    Setting("result_exchange", "celeryresults", TEXT, "Exchange of a store that is gone from Celery.", ("CELERY_RESULT_EXCHANGE",)),
    Setting("result_exchange_type", "direct", TEXT, "Its type.", ("CELERY_RESULT_EXCHANGE_TYPE",)),
    Setting(
        "result_expires",
        timedelta(days=1),
        DURATION,
        "Time for which results are kept; none is for ever.",
        ("CELERY_TASK_RESULT_EXPIRES",),
        used=True,
        optional=True,
    ),
    Setting(
        "result_persistent", None, FLAG, "Results by `rpc://` survive a restart of the broker.", ("CELERY_RESULT_PERSISTENT",), used=True
    ),
    Setting(
        "result_extended",
        False,
        FLAG,
        "Store name, arguments, worker, retries and queue with each result.",
        ("CELERY_RESULT_EXTENDED",),
        used=True,
    ),
    Setting("result_serializer", "json", TEXT, "Serializer of results.", ("CELERY_RESULT_SERIALIZER",), used=True),
    Setting(
        "result_backend_transport_options",
        {},
        MAPPING,
        "Options of the store in use: `global_keyprefix`, `master_name`, `retry_policy`, …",
        ("CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS",),
        used=True,
    ),
    Setting("result_backend_thread_safe", False, FLAG, "Celery's sharing of one store between threads. Umbel always does."),
    Setting(
        "result_chord_retry_interval",
        1.0,
        SECONDS,
        "Celery's polling of chords where the store cannot count.",
        ("CELERY_RESULT_CHORD_RETRY_INTERVAL",),
    ),
    Setting("result_chord_join_timeout", 3.0, SECONDS, "Time limit of reading a chord's results.", ("CELERY_RESULT_CHORD_JOIN_TIMEOUT",)),
    Setting(
        "result_backend_max_sleep_between_retries_ms",
        10000,
        INTEGER,
        "Longest wait between attempts to reach the store, milliseconds.",
        ("CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS",),
    ),
    Setting("result_backend_max_retries", inf, NUMBER, "Attempts to reach the store.", ("CELERY_RESULT_BACKEND_MAX_RETRIES",)),
    Setting(
        "result_backend_base_sleep_between_retries_ms",
        10,
        INTEGER,
        "First wait between attempts, milliseconds.",
        ("CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS",),
    ),
    Setting(
        "result_backend_always_retry",
        False,
        FLAG,
        "Try again after every recoverable error of the store. Umbel always does.",
        ("CELERY_RESULT_BACKEND_ALWAYS_RETRY",),
    ),
    Setting("override_backends", {}, MAPPING, "More names of result stores: alias to import path."),
)

REDIS = (
    Setting(
        "redis_backend_use_ssl",
        None,
        FLAG_OR_MAPPING,
        "TLS of the Redis result store: options by redis-py's names.",
        ("CELERY_REDIS_BACKEND_USE_SSL",),
        used=True,
    ),
    Setting("redis_db", None, TEXT_OR_NUMBER, "Database number, beside `redis_host`.", ("CELERY_REDIS_DB",), used=True),
    Setting(
        "redis_host",
        None,
        TEXT,
        "Host of the Redis result store where `result_backend` is just `redis`.",
        ("CELERY_REDIS_HOST",),
        used=True,
    ),
    Setting(
        "redis_max_connections",
        None,
        COUNT,
        "Connections of the Redis result store for the threads of a process, at least 2 (unset or 0: 16); each event loop has one more.",
        ("CELERY_REDIS_MAX_CONNECTIONS",),
        used=True,
    ),
    Setting("redis_username", None, TEXT, "User, beside `redis_host`.", ("CELERY_REDIS_USERNAME",), used=True),
    Setting("redis_password", None, TEXT, "Password, beside `redis_host`.", ("CELERY_REDIS_PASSWORD",), used=True, secret=True),
    Setting("redis_port", None, PORT, "Port, beside `redis_host`.", ("CELERY_REDIS_PORT",), used=True),
    Setting(
        "redis_socket_timeout",
        120.0,
        DURATION,
        "Time limit of one operation of the Redis result store.",
        ("CELERY_REDIS_SOCKET_TIMEOUT",),
        used=True,
        optional=True,
    ),
    Setting(
        "redis_socket_connect_timeout",
        None,
        DURATION,
        "Time limit of connecting to the Redis result store.",
        ("CELERY_REDIS_SOCKET_CONNECT_TIMEOUT",),
        used=True,
    ),
    Setting("redis_retry_on_timeout", False, FLAG, "Try again after a timeout. Umbel always does.", ("CELERY_REDIS_RETRY_ON_TIMEOUT",)),
    Setting("redis_socket_keepalive", False, FLAG, "Keep-alive of sockets.", ("CELERY_REDIS_SOCKET_KEEPALIVE",)),
    Setting("redis_backend_health_check_interval", None, SECONDS, "Ping of idle connections."),
    Setting("redis_backend_credential_provider", None, ANY, "A redis-py credential provider, or its import path."),
    Setting("redis_client_name", None, TEXT, "Name of connections in Redis's list of clients."),
)

DATABASE = (
    Setting("database_url", None, TEXT, "URL of the SQL result store.", ("CELERY_RESULT_DBURI",)),
    Setting(
        "database_engine_options",
        {"pool_pre_ping": True, "pool_recycle": 3600},
        MAPPING,
        "Keywords of SQLAlchemy's `create_engine`.",
        ("CELERY_RESULT_ENGINE_OPTIONS",),
        optional=True,
    ),
    Setting("database_engine_callback", None, ANY, "Function that gets the engine made.", ("DATABASE_ENGINE_CALLBACK",)),
    Setting("database_short_lived_sessions", False, FLAG, "A new session per operation.", ("CELERY_RESULT_DB_SHORT_LIVED_SESSIONS",)),
    Setting("database_table_schemas", None, MAPPING, "Schemas of the tables `task` and `group`.", ("DATABASE_TABLE_SCHEMAS",)),
    Setting("database_table_names", None, MAPPING, "Names of the tables `task` and `group`.", ("CELERY_RESULT_DB_TABLENAMES",)),
    Setting(
        "database_create_tables_at_setup",
        True,
        FLAG,
        "Make the tables at once, not at the first result.",
        ("DATABASE_CREATE_TABLES_AT_SETUP",),
    ),
)
