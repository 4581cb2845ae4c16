"""Settings of workers, beat, events and remote control."""

from __future__ import annotations

from umbel.app.config.kinds import (
    ANY,
    COUNT,
    COUNT_OR_AUTO,
    DURATION,
    FLAG,
    INTEGER,
    MAPPING,
    SECONDS,
    TEXT,
    TEXT_OR_NUMBER,
    between,
    choice,
)
from umbel.app.config.setting import Setting

_LOG = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
_TASK_LOG = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"


def _daemon(command: str) -> tuple[Setting, ...]:
    used = command in ("worker", "beat")
    return (
        Setting(f"{command}_logfile", None, TEXT, f"Log file of `umbel {command}`.", used=used),
        Setting(f"{command}_pidfile", None, TEXT, f"Process id file of `umbel {command}`.", used=used),
        Setting(f"{command}_uid", None, TEXT_OR_NUMBER, f"User that `umbel {command}` becomes.", used=used),
        Setting(f"{command}_gid", None, TEXT_OR_NUMBER, f"Group that `umbel {command}` becomes.", used=used),
        Setting(f"{command}_umask", None, TEXT_OR_NUMBER, f"File mode mask of `umbel {command}`.", used=used),
        Setting(f"{command}_executable", None, TEXT, f"Interpreter that a detached `umbel {command}` runs in.", used=used),
    )


WORKER = (
    Setting("worker_agent", None, ANY, "Class of Celery's agent.", ("CELERYD_AGENT",)),
    Setting(
        "worker_autoscaler",
        "celery.worker.autoscale:Autoscaler",
        ANY,
        "Class that grows and shrinks the pool with `--autoscale`: `module:Class`, a subclass of `celery.worker.autoscale.Autoscaler`.",
        ("CELERYD_AUTOSCALER",),
        used=True,
    ),
    Setting(
        "worker_cancel_long_running_tasks_on_connection_loss",
        False,
        FLAG,
        "End late-acknowledged tasks when the broker's connection is lost.",
        ("CELERYD_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS",),
    ),
    Setting(
        "worker_soft_shutdown_timeout",
        0.0,
        SECONDS,
        "Time that running tasks get before a cold stop (QUIT, a second Ctrl-C).",
        ("CELERYD_SOFT_SHUTDOWN_TIMEOUT",),
        used=True,
    ),
    Setting(
        "worker_enable_soft_shutdown_on_idle",
        False,
        FLAG,
        "Celery's wait for that time even when nothing runs. Umbel's worker has handed back by then what it held.",
        ("CELERYD_ENABLE_SOFT_SHUTDOWN_ON_IDLE",),
    ),
    Setting(
        "worker_concurrency",
        None,
        COUNT_OR_AUTO,
        "Tasks at a time, in each process; none, 0 or auto is the number of processors, with asyncio, gevent and eventlet 100.",
        ("CELERYD_CONCURRENCY",),
        used=True,
    ),
    Setting("worker_consumer", "celery.worker.consumer:Consumer", ANY, "Celery's consumer class.", ("CELERYD_CONSUMER",)),
    Setting(
        "worker_direct",
        False,
        FLAG,
        "A worker also reads a queue of its own, `<hostname>.dq2` (exchange `C.dq2`, routing key `<hostname>`).",
        ("CELERY_WORKER_DIRECT",),
        used=True,
    ),
    Setting(
        "worker_disable_rate_limits",
        False,
        FLAG,
        "Run tasks as if none had a rate limit.",
        ("CELERY_DISABLE_RATE_LIMITS",),
        used=True,
    ),
    Setting(
        "worker_deduplicate_successful_tasks",
        False,
        FLAG,
        "Do not run a redelivered task that has succeeded already.",
        ("CELERYD_DEDUPLICATE_SUCCESSFUL_TASKS",),
    ),
    Setting("worker_enable_remote_control", True, FLAG, "Listen to remote control.", ("CELERY_ENABLE_REMOTE_CONTROL",), used=True),
    Setting(
        "worker_hijack_root_logger",
        True,
        FLAG,
        "The worker's command replaces the handlers of the root logger; off: it adds one where there is none.",
        ("CELERYD_HIJACK_ROOT_LOGGER",),
        used=True,
    ),
    Setting("worker_log_color", None, FLAG, "Coloured logs; none asks the terminal.", ("CELERYD_LOG_COLOR",), used=True),
    Setting(
        "worker_log_datefmt", None, TEXT, "Format of the time in log lines, as for `time.strftime`.", ("CELERYD_LOG_DATEFMT",), used=True
    ),
    Setting("worker_log_format", _LOG, TEXT, "Format of log lines; `json`: one object a line.", ("CELERYD_LOG_FORMAT",), used=True),
    Setting(
        "worker_lost_wait",
        10.0,
        SECONDS,
        "Celery's wait for the result of a process that died. Umbel knows at once.",
        ("CELERYD_WORKER_LOST_WAIT",),
    ),
    Setting(
        "worker_max_memory_per_child",
        None,
        COUNT,
        "KiB of memory above which a child is replaced after its task.",
        ("CELERYD_MAX_MEMORY_PER_CHILD",),
        used=True,
    ),
    Setting(
        "worker_max_tasks_per_child", None, COUNT, "Tasks after which a child is replaced.", ("CELERYD_MAX_TASKS_PER_CHILD",), used=True
    ),
    Setting(
        "worker_pool", "prefork", ANY, "Kind of pool: prefork, threads, asyncio, gevent, eventlet, solo.", ("CELERYD_POOL",), used=True
    ),
    Setting(
        "worker_pool_start_method",
        "fork",
        choice("fork", "spawn"),
        "How children start: forked of a clean process that has loaded the app, or each anew, as on Windows (also UMBEL_START_METHOD=spawn).",
        ("CELERYD_POOL_START_METHOD",),
        used=True,
    ),
    Setting("worker_pool_putlocks", True, FLAG, "Celery's guard of its pool.", ("CELERYD_POOL_PUTLOCKS",)),
    Setting(
        "worker_health_port",
        None,
        TEXT_OR_NUMBER,
        "Answer probes (`/livez`, `/readyz`, `/startupz`) here: a port, or `host:port`.",
        used=True,
    ),
    Setting(
        "worker_grace",
        None,
        DURATION,
        "Time that running tasks get at a stop before they go back to their queues. None: no limit.",
        used=True,
    ),
    Setting("worker_heartbeat_file", None, TEXT, "File that is touched each second while the worker's event loop turns.", used=True),
    Setting(
        "worker_metrics_port", None, TEXT_OR_NUMBER, "Serve metrics for Prometheus (`/metrics`) here: a port, or `host:port`.", used=True
    ),
    Setting(
        "worker_resources",
        None,
        MAPPING,
        'What tasks may ask for by `resources`, and how much of it this worker has: `{"gpu": 1}`.',
        used=True,
    ),
    Setting("worker_pool_restarts", False, FLAG, "Allow the remote command `pool_restart`.", ("CELERYD_POOL_RESTARTS",), used=True),
    Setting(
        "worker_processes",
        None,
        COUNT,
        "Child processes of a pool that runs several tasks in each: threads, asyncio, … Concurrency is that of one. None: one.",
        used=True,
    ),
    Setting(
        "worker_proc_alive_timeout",
        None,
        SECONDS,
        "Time that a new child has to load the app; it is replaced if it has not. None: a minute.",
        ("CELERYD_PROC_ALIVE_TIMEOUT",),
        used=True,
        celery=4.0,
    ),
    Setting(
        "worker_prefetch_multiplier",
        None,
        COUNT,
        "Messages fetched ahead per slot. None: as many as the measured rate of tasks needs; 0: no bound.",
        ("CELERYD_PREFETCH_MULTIPLIER",),
        used=True,
        celery=4,
    ),
    Setting(
        "worker_eta_task_limit",
        None,
        INTEGER,
        "Delayed tasks held in memory. Umbel keeps far-off ones in the broker.",
        ("CELERYD_ETA_TASK_LIMIT",),
    ),
    Setting(
        "worker_enable_prefetch_count_reduction",
        True,
        FLAG,
        "With `worker_prefetch_multiplier`: fetch less after a reconnection until old tasks are done. Without it that is always so.",
        ("CELERYD_ENABLE_PREFETCH_COUNT_REDUCTION",),
        used=True,
    ),
    Setting("worker_disable_prefetch", False, FLAG, "Fetch a message only for a free slot.", ("CELERYD_DISABLE_PREFETCH",), used=True),
    Setting("worker_redirect_stdouts", True, FLAG, "Log what tasks print.", ("CELERY_REDIRECT_STDOUTS",), used=True),
    Setting(
        "worker_redirect_stdouts_level",
        "WARNING",
        TEXT_OR_NUMBER,
        "Log level of what tasks print.",
        ("CELERY_REDIRECT_STDOUTS_LEVEL",),
        used=True,
    ),
    Setting("worker_send_task_events", False, FLAG, "Publish events of tasks (`-E`).", ("CELERY_SEND_EVENTS",), used=True),
    Setting("worker_revokes_max", 50_000, COUNT, "Most ids of revoked tasks that a worker remembers.", used=True, own=True),
    Setting("worker_revoke_expires", 10_800.0, DURATION, "Seconds for which a worker remembers them.", used=True, own=True),
    Setting(
        "worker_state_db",
        None,
        TEXT,
        "File that keeps revoked tasks, an SQLite file; `%n` and `%h` stand for the name and the host of the worker.",
        ("CELERYD_STATE_DB",),
        used=True,
    ),
    Setting(
        "worker_task_log_datefmt",
        None,
        TEXT,
        "Form of the time in the log lines of tasks, as of `time.strftime`.",
        ("CELERYD_TASK_LOG_DATEFMT",),
        used=True,
    ),
    Setting("worker_task_log_format", _TASK_LOG, TEXT, "Format of the log lines of tasks.", ("CELERYD_TASK_LOG_FORMAT",), used=True),
    Setting("worker_timer", None, ANY, "Celery's timer class.", ("CELERYD_TIMER",)),
    Setting("worker_timer_precision", 1.0, SECONDS, "Celery's timer precision. Umbel's timers are exact.", ("CELERYD_TIMER_PRECISION",)),
    Setting("worker_detect_quorum_queues", True, FLAG, "Adapt to quorum queues. Umbel always does.", ("CELERYD_DETECT_QUORUM_QUEUES",)),
    *_daemon("worker"),
)

BEAT = (
    Setting(
        "beat_max_loop_interval",
        0,
        DURATION,
        "Longest sleep between looks at the schedule; 0 leaves it to the scheduler.",
        ("CELERYBEAT_MAX_LOOP_INTERVAL",),
        used=True,
    ),
    Setting("beat_schedule", {}, MAPPING, "The periodic tasks, by name.", ("CELERYBEAT_SCHEDULE",), used=True),
    Setting(
        "beat_scheduler",
        None,
        ANY,
        "Class of the scheduler, or its name; none keeps the schedule in `beat_schedule_store`.",
        ("CELERYBEAT_SCHEDULER",),
        used=True,
        celery="celery.beat:PersistentScheduler",
    ),
    Setting(
        "beat_schedule_store",
        None,
        TEXT,
        "URL of the store of schedules: `redis://`, `db+postgresql://`, `sqlite:///`, …; none is where the broker or the results are, if that can keep them, "
        "else the file `beat_schedule_filename`.",
        used=True,
        own=True,
    ),
    Setting(
        "beat_schedule_filename",
        "celerybeat-schedule",
        TEXT,
        "File of the schedule; if it is set, the schedule is kept there.",
        ("CELERYBEAT_SCHEDULE_FILENAME",),
        used=True,
    ),
    Setting(
        "beat_sync_every",
        0,
        INTEGER,
        "Sent tasks after which a scheduler of your own is told to `sync`; 0 goes by time.",
        ("CELERYBEAT_SYNC_EVERY",),
        used=True,
    ),
    Setting(
        "beat_lease",
        15.0,
        between(SECONDS, 1),
        "Time after which another scheduler takes over from one that has died.",
        used=True,
        own=True,
    ),
    Setting(
        "beat_fire_without_store",
        False,
        FLAG,
        "While the store of schedules is away, the scheduler that led goes on from memory. With several of them, and a network that is cut in two, a task may "
        "then be sent twice.",
        used=True,
        own=True,
    ),
    Setting("beat_history_limit", 100, COUNT, "Runs of each entry that are remembered.", used=True, own=True),
    Setting("beat_history_expires", 30 * 86400.0, DURATION, "Time for which a run is remembered.", used=True, own=True),
    Setting("beat_enable_remote_control", False, FLAG, "Listen to remote control.", ("CELERYBEAT_ENABLE_REMOTE_CONTROL",)),
    Setting(
        "beat_remote_control_max_tick_age",
        None,
        SECONDS,
        "Time without a look at the schedule after which beat counts as stuck.",
        ("CELERYBEAT_REMOTE_CONTROL_MAX_TICK_AGE",),
    ),
    Setting(
        "beat_cron_starting_deadline",
        None,
        INTEGER,
        "Times of a crontab that passed longer ago than this many seconds are left out.",
        ("CELERYBEAT_CRON_STARTING_DEADLINE",),
        used=True,
    ),
    *_daemon("beat"),
)

EVENT = (
    Setting("event_queue_expires", 60.0, SECONDS, "Life of an unused queue of events.", ("CELERY_EVENT_QUEUE_EXPIRES",), used=True),
    Setting("event_queue_ttl", 5.0, SECONDS, "Life of an event that nobody reads.", ("CELERY_EVENT_QUEUE_TTL",), used=True),
    Setting("event_queue_prefix", "celeryev", TEXT, "Prefix of the names of event queues.", ("CELERY_EVENT_QUEUE_PREFIX",), used=True),
    Setting("event_queue_exclusive", True, FLAG, "Event queues belong to their connection.", ("CELERY_EVENT_QUEUE_EXCLUSIVE",), used=True),
    Setting(
        "event_queue_durable", False, FLAG, "Event queues survive a restart of the broker.", ("CELERY_EVENT_QUEUE_DURABLE",), used=True
    ),
    Setting("event_serializer", "json", TEXT, "Serializer of events.", ("CELERY_EVENT_SERIALIZER",), used=True),
    Setting("event_exchange", "celeryev", TEXT, "Exchange of events.", ("CELERY_EVENT_EXCHANGE",), used=True),
    *_daemon("events"),
)

CONTROL = (
    Setting("control_queue_ttl", 300.0, SECONDS, "Life of a command that no worker reads.", ("CONTROL_QUEUE_TTL",), used=True),
    Setting("control_queue_expires", 10.0, SECONDS, "Life of an unused mailbox.", ("CONTROL_QUEUE_EXPIRES",), used=True),
    Setting("control_queue_exclusive", True, FLAG, "Mailboxes belong to their connection.", ("CONTROL_QUEUE_EXCLUSIVE",), used=True),
    Setting("control_queue_durable", False, FLAG, "Mailboxes survive a restart of the broker.", ("CONTROL_QUEUE_DURABLE",), used=True),
    Setting("control_exchange", "celery", TEXT, "Base of the names of the control exchanges.", ("CONTROL_EXCHANGE",), used=True),
)

SECURITY = (
    Setting("security_certificate", None, TEXT, "File of this program's certificate.", ("CELERY_SECURITY_CERTIFICATE",), used=True),
    Setting("security_cert_store", None, TEXT, "Pattern of the files of trusted certificates.", ("CELERY_SECURITY_CERT_STORE",), used=True),
    Setting("security_key", None, TEXT, "File of the private key.", ("CELERY_SECURITY_KEY",), used=True),
    Setting("security_key_password", None, ANY, "Password of the private key.", ("CELERY_SECURITY_KEY_PASSWORD",), used=True, secret=True),
    Setting("security_digest", "sha256", TEXT, "Digest of signatures.", ("CELERY_SECURITY_DIGEST",), used=True),
)
