"""Settings of tasks and of the queues they go to."""

from __future__ import annotations

from umbel.app.config.kinds import ANY, COUNT, DURATION, FLAG, INTEGER, MAPPING, PRIORITY, RATE, TEXT, choice
from umbel.app.config.setting import Setting

_POLICY = {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2}

TASK = (
    Setting(
        "task_acks_late",
        True,
        FLAG,
        "Acknowledge a message when its task has ended, not when it starts: a died worker's tasks run again. Off: at most once.",
        ("CELERY_ACKS_LATE",),
        used=True,
        celery=False,
    ),
    Setting(
        "task_acks_on_failure_or_timeout",
        True,
        FLAG,
        "With late acknowledgement: acknowledge failed tasks too. Off: they go to the dead letters.",
        ("CELERY_ACKS_ON_FAILURE_OR_TIMEOUT",),
        used=True,
    ),
    Setting(
        "task_acks_on_failure",
        None,
        FLAG,
        "`task_acks_on_failure_or_timeout`, for exceptions only.",
        ("CELERY_ACKS_ON_FAILURE",),
        used=True,
    ),
    Setting(
        "task_acks_on_timeout",
        None,
        FLAG,
        "`task_acks_on_failure_or_timeout`, for time limits only.",
        ("CELERY_ACKS_ON_TIMEOUT",),
        used=True,
    ),
    Setting("task_always_eager", False, FLAG, "Run tasks in the caller instead of sending them.", ("CELERY_ALWAYS_EAGER",), used=True),
    Setting(
        "task_annotations",
        None,
        ANY,
        "Overrides of task attributes: a dict by task name (`*` for all), or a list of such.",
        ("CELERY_ANNOTATIONS",),
        used=True,
    ),
    Setting(
        "task_compression",
        None,
        TEXT,
        "How message bodies are compressed: gzip, bzip2, lzma, zstd, brotli.",
        ("CELERY_MESSAGE_COMPRESSION",),
        used=True,
    ),
    Setting(
        "task_create_missing_queues",
        True,
        FLAG,
        "Sending to an unknown queue makes it. Off: `QueueNotFound`.",
        ("CELERY_CREATE_MISSING_QUEUES",),
        used=True,
    ),
    Setting(
        "task_create_missing_queue_type",
        "classic",
        choice("classic", "quorum"),
        "RabbitMQ's type of queues made that way.",
        ("CELERY_CREATE_MISSING_QUEUE_TYPE",),
        used=True,
    ),
    Setting(
        "task_create_missing_queue_exchange_type",
        None,
        TEXT,
        "Type of the exchange of queues made that way; none is direct.",
        ("CELERY_CREATE_MISSING_QUEUE_EXCHANGE_TYPE",),
        used=True,
    ),
    Setting(
        "task_inherit_parent_priority",
        False,
        FLAG,
        "A task sent by a task gets the sender's priority.",
        ("CELERY_INHERIT_PARENT_PRIORITY",),
        used=True,
    ),
    Setting(
        "task_default_delivery_mode",
        2,
        choice(2, 1, "persistent", "transient"),
        "Whether messages survive a restart of the broker.",
        ("CELERY_DEFAULT_DELIVERY_MODE",),
        used=True,
    ),
    Setting(
        "task_default_queue", "celery", TEXT, "The queue of tasks that no route sends elsewhere.", ("CELERY_DEFAULT_QUEUE",), used=True
    ),
    Setting(
        "task_default_queue_type",
        "classic",
        choice("classic", "quorum"),
        "RabbitMQ's type of the default queue.",
        ("CELERY_DEFAULT_QUEUE_TYPE",),
        used=True,
    ),
    Setting(
        "task_default_exchange",
        None,
        TEXT,
        "Exchange of the default queue; none has the queue's name.",
        ("CELERY_DEFAULT_EXCHANGE",),
        used=True,
    ),
    Setting("task_default_exchange_type", "direct", TEXT, "Type of that exchange.", ("CELERY_DEFAULT_EXCHANGE_TYPE",), used=True),
    Setting(
        "task_default_routing_key",
        None,
        TEXT,
        "Routing key of the default queue; none is the queue's name.",
        ("CELERY_DEFAULT_ROUTING_KEY",),
        used=True,
    ),
    Setting(
        "task_default_rate_limit",
        None,
        RATE,
        "Rate limit of tasks that set none. Not there yet: a worker warns.",
        ("CELERY_DEFAULT_RATE_LIMIT",),
    ),
    Setting(
        "task_default_priority", None, PRIORITY, "Priority of messages that get none otherwise.", ("CELERY_DEFAULT_PRIORITY",), used=True
    ),
    Setting(
        "task_eager_propagates",
        False,
        FLAG,
        "With `task_always_eager`: exceptions reach the caller.",
        ("CELERY_EAGER_PROPAGATES_EXCEPTIONS",),
        used=True,
    ),
    Setting("task_ignore_result", False, FLAG, "Store no results.", ("CELERY_IGNORE_RESULT",), used=True),
    Setting("task_store_eager_result", False, FLAG, "With `task_always_eager`: store results.", ("CELERY_STORE_EAGER_RESULT",), used=True),
    Setting(
        "task_protocol", 2, choice(2, 1), "Protocol of messages that are sent; both are understood.", ("CELERY_TASK_PROTOCOL",), used=True
    ),
    Setting(
        "task_publish_retry", True, FLAG, "Publish again over a new connection when one is lost.", ("CELERY_TASK_PUBLISH_RETRY",), used=True
    ),
    Setting(
        "task_publish_retry_policy",
        _POLICY,
        MAPPING,
        "How often (`max_retries`); the waits are Umbel's own backoff.",
        ("CELERY_TASK_PUBLISH_RETRY_POLICY",),
        used=True,
    ),
    Setting(
        "task_queues",
        None,
        ANY,
        "The queues there are: a list of `Queue`, or a dict of name to options. None: the default queue only.",
        ("CELERY_QUEUES",),
        used=True,
    ),
    Setting(
        "task_queue_max_priority",
        None,
        PRIORITY,
        "`x-max-priority` of RabbitMQ queues that set none.",
        ("CELERY_QUEUE_MAX_PRIORITY",),
        used=True,
    ),
    Setting(
        "task_reject_on_worker_lost",
        None,
        FLAG,
        "What becomes of a late-acknowledged task whose process died: none runs it again, counted against `task_max_deliveries`; False ends it as failed.",
        ("CELERY_REJECT_ON_WORKER_LOST",),
        used=True,
        celery="None (ends it as failed)",
    ),
    Setting("task_repr_maxlevels", 3, INTEGER, "Depth of Celery's `argsrepr`. Umbel's is bounded by length.", ("CELERY_REPR_MAXLEVELS",)),
    Setting(
        "task_retry_on_worker_lost",
        False,
        FLAG,
        "Celery: a task whose process died is tried again as by `retry()`. Umbel: see `task_reject_on_worker_lost`.",
        ("CELERY_RETRY_ON_WORKER_LOST",),
    ),
    Setting("task_remote_tracebacks", False, FLAG, "Send tracebacks that a client can raise with.", ("CELERY_REMOTE_TRACEBACKS",)),
    Setting(
        "task_routes",
        None,
        ANY,
        "Which task goes where: a dict by name, pattern or expression, a list of pairs, a function, or an import path.",
        ("CELERY_ROUTES",),
        used=True,
    ),
    Setting("task_send_sent_event", False, FLAG, "Publish an event for each message sent.", ("CELERY_SEND_TASK_SENT_EVENT",)),
    Setting(
        "task_serializer", "json", TEXT, "How arguments are written: json, pickle, yaml, msgpack.", ("CELERY_TASK_SERIALIZER",), used=True
    ),
    Setting(
        "task_soft_time_limit",
        None,
        DURATION,
        "After this a running task gets `SoftTimeLimitExceeded`.",
        ("CELERYD_TASK_SOFT_TIME_LIMIT",),
        used=True,
    ),
    Setting(
        "task_time_limit",
        None,
        DURATION,
        "After this a running task's process is ended.",
        ("CELERYD_TASK_TIME_LIMIT", "CELERY_TASK_TIME_LIMIT"),
        used=True,
    ),
    Setting(
        "task_store_errors_even_if_ignored",
        False,
        FLAG,
        "Store failures of tasks that store no results.",
        ("CELERY_STORE_ERRORS_EVEN_IF_IGNORED",),
        used=True,
    ),
    Setting(
        "task_track_started",
        False,
        FLAG,
        "Store STARTED when a task begins.",
        ("CELERY_TRACK_STARTED", "CELERY_TASK_TRACK_STARTED"),
        used=True,
    ),
    Setting(
        "task_allow_error_cb_on_chord_header",
        False,
        FLAG,
        "A chord's error callback also follows its header's tasks.",
        ("CELERY_ALLOW_ERROR_CB_ON_CHORD_HEADER",),
    ),
    Setting(
        "task_max_deliveries",
        5,
        COUNT,
        "How many processes a message may bring down before it goes to the dead letters.",
        used=True,
        own=True,
    ),
    Setting(
        "task_store_queued", False, FLAG, "Record each task when it is sent, so that an id never sent reads UNKNOWN.", used=True, own=True
    ),
)
