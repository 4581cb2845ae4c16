"""``celery`` itself, and the modules beside it."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable
from umbel.compat.version import CELERY, CELERY_INFO

_GREEN: Final = "nothing: the children of -P gevent and -P eventlet are patched, the worker is not"
_SIGNALS: Final = (
    "after_setup_logger after_setup_task_logger after_task_publish beat_embedded_init beat_init before_task_publish celeryd_after_setup celeryd_init "
    "eventlet_pool_apply eventlet_pool_postshutdown eventlet_pool_preshutdown eventlet_pool_started heartbeat_sent import_modules setup_logging "
    "task_failure task_internal_error task_postrun task_prerun task_received task_rejected task_retry task_revoked task_sent task_success "
    "task_unknown user_preload_options worker_before_create_process worker_init worker_process_init worker_process_shutdown worker_ready "
    "worker_shutdown worker_shutting_down"
)
_EXCEPTIONS: Final = (
    "AlreadyRegistered AlwaysEagerIgnored BackendError BackendGetMetaError BackendStoreError CDeprecationWarning CPendingDeprecationWarning "
    "CeleryError CeleryWarning ChordError DuplicateNodenameWarning DuplicateTaskNameWarning FixupWarning Ignore ImproperlyConfigured "
    "IncompleteStream InvalidTaskError MaxRetriesExceededError NotConfigured NotRegistered OperationalError QueueNotFound Reject Retry "
    "RetryTaskError SecurityError SecurityWarning SoftTimeLimitExceeded TaskError TaskPredicate TaskRevokedError Terminated TimeLimitExceeded "
    "TimeoutError WorkerLostError WorkerShutdown WorkerTerminate"
)
_STATES: Final = (
    "ALL_STATES EXCEPTION_STATES FAILURE IGNORED NONE_PRECEDENCE PENDING PRECEDENCE PROPAGATE_STATES READY_STATES RECEIVED REJECTED RETRY REVOKED "
    "STARTED SUCCESS UNREADY_STATES precedence state"
)
_CANVAS: Final = "Signature chain chord chunks group maybe_signature signature subtask xmap xstarmap"

TABLES: Final = {
    "celery": AliasTable(
        {
            "umbel": f"{_CANVAS} Task current_app current_task shared_task uuid",
            "umbel.compat.app": "Celery",
            "umbel.compat.parts": "bugreport",
        },
        elsewhere={"maybe_patch_concurrency": _GREEN, "execute": "celery.bin.celery, or the command itself"},
        values={
            "__version__": CELERY,
            "VERSION": CELERY_INFO,
            "version_info": CELERY_INFO,
            "SERIES": "umbel",
            "VERSION_BANNER": f"{CELERY} (umbel)",
        },
    ),
    "celery.__main__": AliasTable(values={"__program__": "from umbel.compat.command import main\n\nmain()\n"}),
    "celery.canvas": AliasTable(
        {
            "umbel.canvas.signatures": f"{_CANVAS} _chain=chain _chord=chord",
            "umbel.canvas.stamping": "StampingVisitor",
            "umbel.compat.parts": "maybe_subtask=maybe_signature",
        },
    ),
    "celery.result": AliasTable(
        {
            "umbel.result": (
                "AsyncResult EagerResult GroupResult ResultSet allow_join_result assert_will_not_block denied_join_result result_from_tuple"
            ),
            "umbel.compat.parts": "ResultBase",
        },
        elsewhere={"_set_task_join_will_block": "allow_join_result()"},
    ),
    "celery.states": AliasTable({"umbel.states": _STATES}),
    "celery.signals": AliasTable({"umbel.hooks": _SIGNALS}),
    "celery.exceptions": AliasTable({"umbel.errors": _EXCEPTIONS, "umbel.compat.parts": "CeleryCommandException reraise"}),
    "celery.schedules": AliasTable(
        {
            "umbel.schedules": "BaseSchedule ParseException crontab crontab_parser maybe_schedule schedule solar",
            "umbel.schedules.base": "schedstate",
            "umbel.compat.legacy.times": "remaining",
        },
    ),
    "celery.beat": AliasTable(
        {
            "umbel.beat": "BeatLazyFunc beat_nodename EmbeddedService event_t PersistentScheduler ScheduleEntry Scheduler SchedulingError Service"
        },
        values={"DEFAULT_MAX_INTERVAL": 300},
    ),
    "celery.bootsteps": AliasTable(
        {"umbel.compat.steps": "CLOSE ConsumerStep RUN StartStopStep Step TERMINATE"},
        elsewhere={"Blueprint": "app.worker_services (docs/guide/worker-services.md)"},
    ),
    "celery.local": AliasTable({"umbel.compat.legacy.proxies": "PromiseProxy Proxy class_property maybe_evaluate try_import"}),
    "celery.platforms": AliasTable(
        {
            "umbel.compat.legacy.platform": (
                "EX_CANTCREAT EX_FAILURE EX_OK EX_UNAVAILABLE EX_USAGE IS_WINDOWS IS_macOS SYSTEM Signals get_fdmax get_signal ignore_signal "
                "install_signal_handler isatty pyimplementation reset_signal set_process_title signal_name signals"
            )
        },
        elsewhere=dict.fromkeys(
            ("DaemonContext", "Pidfile", "create_pidlock", "detached", "maybe_drop_privileges"),
            "the worker's options -D, --pidfile, --uid and --gid",
        ),
    ),
    "celery._state": AliasTable(
        live="umbel.compat.process_state", elsewhere={"connect_on_app_finalize": "app.on_after_finalize.connect()"}
    ),
    "celery.registry": AliasTable(live="umbel.compat.process_state"),
    "celery.security": AliasTable({"umbel.compat.security": "setup_security", "umbel.app.security.certificates": "register_auth"}),
    "celery.security.certificate": AliasTable(
        {"umbel.wire.signing.auth": "Certificate", "umbel.app.security.certificates": "CertStore FSCertStore"}
    ),
    "celery.security.key": AliasTable({"umbel.wire.signing.auth": "PrivateKey"}),
    "celery.security.serialization": AliasTable(
        {"umbel.wire.signing.auth": "SecureSerializer", "umbel.app.security.certificates": "register_auth"}
    ),
}
