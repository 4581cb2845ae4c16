"""Settings that everyone reads: general, broker, messages."""

from __future__ import annotations

from umbel.app.config.kinds import (
    FLAG,
    FLAG_OR_MAPPING,
    INTEGER,
    MAPPING,
    NAMES,
    NUMBER,
    SECONDS,
    TEXT,
    URLS,
    choice,
)
from umbel.app.config.setting import Setting

GENERAL = (
    Setting(
        "accept_content", ("json",), NAMES, "Serializers or content types that this program decodes.", ("CELERY_ACCEPT_CONTENT",), used=True
    ),
    Setting("enable_utc", True, FLAG, "Write eta and expires in UTC.", ("ENABLE_UTC", "CELERY_ENABLE_UTC"), used=True),
    Setting("imports", (), NAMES, "Modules that a worker imports when it starts.", ("CELERY_IMPORTS",), used=True),
    Setting("include", (), NAMES, "More modules, imported after those of `imports`.", ("CELERY_INCLUDE",), used=True),
    Setting(
        "timezone",
        None,
        TEXT,
        "IANA name of the zone in which times without a zone are meant; none means UTC.",
        ("CELERY_TIMEZONE",),
        used=True,
    ),
)

BROKER = (
    Setting(
        "broker_url",
        "sqlite:///umbel.db",
        URLS,
        "Where messages go. Several, in order of trial, make a failover list.",
        ("BROKER_URL",),
        used=True,
        celery="amqp://",
    ),
    Setting("broker_read_url", None, URLS, "Another broker for workers to read from.", ("BROKER_READ_URL",), used=True),
    Setting("broker_write_url", None, URLS, "Another broker to publish to.", ("BROKER_WRITE_URL",), used=True),
    Setting("broker_transport", None, TEXT, "Scheme to use in place of the URL's.", ("BROKER_TRANSPORT",)),
    Setting(
        "broker_transport_options",
        {},
        MAPPING,
        "Options of the broker in use: `visibility_timeout`, `global_keyprefix`, `master_name`, …",
        ("BROKER_TRANSPORT_OPTIONS",),
        used=True,
    ),
    Setting(
        "broker_connection_timeout", 4.0, SECONDS, "How long one attempt to connect may take.", ("BROKER_CONNECTION_TIMEOUT",), used=True
    ),
    Setting("broker_connection_retry", True, FLAG, "Connect again after a lost connection.", ("BROKER_CONNECTION_RETRY",), used=True),
    Setting(
        "broker_connection_retry_on_startup",
        None,
        FLAG,
        "The same for the first connection; none follows `broker_connection_retry`.",
        ("BROKER_CONNECTION_RETRY_ON_STARTUP",),
        used=True,
    ),
    Setting(
        "broker_connection_max_retries",
        100,
        INTEGER,
        "Attempts to connect before a worker gives up; 0 or none is for ever.",
        ("BROKER_CONNECTION_MAX_RETRIES",),
        used=True,
        optional=True,
    ),
    Setting(
        "broker_channel_error_retry",
        False,
        FLAG,
        "Treat errors of a channel like a lost connection. Umbel always does.",
        ("BROKER_CHANNEL_ERROR_RETRY",),
    ),
    Setting(
        "broker_failover_strategy",
        None,
        choice("round-robin", "shuffle"),
        "In what order a failover list is tried.",
        ("BROKER_FAILOVER_STRATEGY",),
        used=True,
    ),
    Setting(
        "broker_heartbeat",
        60.0,
        SECONDS,
        "AMQP heartbeat of a worker's connection; 0 turns it off.",
        ("BROKER_HEARTBEAT",),
        used=True,
        celery=120,
        optional=True,
    ),
    Setting(
        "broker_heartbeat_checkrate",
        3.0,
        NUMBER,
        "Celery's checks per heartbeat. Umbel sends and checks by itself.",
        ("BROKER_HEARTBEAT_CHECKRATE",),
    ),
    Setting("broker_login_method", None, TEXT, "SASL mechanism: PLAIN, AMQPLAIN or EXTERNAL.", ("BROKER_LOGIN_METHOD",), used=True),
    Setting(
        "broker_native_delayed_delivery_queue_type",
        "quorum",
        choice("quorum", "classic"),
        "Type of RabbitMQ's `celery_delayed_N` queues.",
        ("BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE",),
        used=True,
    ),
    Setting(
        "broker_pool_limit",
        10,
        INTEGER,
        "Celery's number of pooled connections. Umbel pipelines over one per process.",
        ("BROKER_POOL_LIMIT",),
        optional=True,
    ),
    Setting(
        "broker_pool_acquire_timeout",
        None,
        SECONDS,
        "Celery's wait for a pooled connection; see `broker_publish_timeout`.",
        ("BROKER_POOL_ACQUIRE_TIMEOUT",),
    ),
    Setting(
        "broker_use_ssl",
        False,
        FLAG_OR_MAPPING,
        "TLS: on, or options (`ca_certs`, `certfile`, `keyfile`, `cert_reqs`).",
        ("BROKER_USE_SSL",),
        used=True,
        optional=True,
    ),
    Setting("broker_host", None, TEXT, "Replaces the URL's host.", ("BROKER_HOST",), used=True),
    Setting("broker_port", None, INTEGER, "Replaces the URL's port.", ("BROKER_PORT",), used=True),
    Setting("broker_user", None, TEXT, "Replaces the URL's user.", ("BROKER_USER",), used=True),
    Setting("broker_password", None, TEXT, "Replaces the URL's password.", ("BROKER_PASSWORD",), used=True, secret=True),
    Setting("broker_vhost", None, TEXT, "Replaces the URL's virtual host.", ("BROKER_VHOST",), used=True),
    Setting(
        "broker_lease",
        30.0,
        SECONDS,
        "How long a broker with leases (Redis, SQLite) keeps a message for a worker that gives no sign of life.",
        used=True,
        own=True,
    ),
    Setting(
        "broker_publish_window",
        4096,
        INTEGER,
        "Messages that may wait for their confirmation before publishing blocks.",
        used=True,
        own=True,
    ),
    Setting("broker_publish_timeout", 10.0, SECONDS, "How long publishing may block before it raises.", used=True, own=True),
    Setting("visibility_timeout", None, SECONDS, "The same as the key of this name in `broker_transport_options`.", used=True),
)

MESSAGE = (
    Setting(
        "message_max_body",
        16 * 1024 * 1024,
        INTEGER,
        "Bytes of body above which a received message goes to the dead letters.",
        used=True,
        own=True,
    ),
    Setting("message_max_header_bytes", 64 * 1024, INTEGER, "The same for all headers together.", used=True, own=True),
    Setting("message_max_header_count", 200, INTEGER, "The same for the number of headers.", used=True, own=True),
    Setting("message_max_depth", 8, INTEGER, "The same for tables within tables in headers.", used=True, own=True),
    Setting("message_max_decompressed", 64 * 1024 * 1024, INTEGER, "Bytes that a compressed body may become.", used=True, own=True),
)
