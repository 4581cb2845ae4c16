"""``celery.app``, ``celery.backends``, ``celery.loaders``, ``celery.bin``."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable

_LOG: Final = "LOG_FAILURE LOG_IGNORED LOG_INTERNAL_ERROR LOG_RECEIVED LOG_REJECTED LOG_RETRY LOG_SUCCESS"

TABLES: Final = {
    "celery.app": AliasTable(
        {
            "umbel": "shared_task",
            "umbel.compat.app": "Celery",
            "umbel.compat.parts": "app_or_default bugreport disable_trace enable_trace",
            "umbel.compat.process_state": "default_app",
        },
        elsewhere=dict.fromkeys(("pop_current_task", "push_current_task"), "Task.push_request() and Task.pop_request()"),
    ),
    "celery.app.base": AliasTable({"umbel.compat.app": "Celery App=Celery"}),
    "celery.app.task": AliasTable({"umbel": "Task BaseTask=Task", "umbel.compat.parts": "Context"}),
    "celery.app.trace": AliasTable(
        {"umbel.compat.log_templates": _LOG, "umbel.states": "EXCEPTION_STATES FAILURE IGNORED REJECTED RETRY STARTED SUCCESS"},
        elsewhere=dict.fromkeys(
            ("build_tracer", "trace_task", "fast_trace_task", "TraceInfo", "task_has_custom"),
            "the signals task_prerun and task_postrun, or a base class of tasks",
        ),
    ),
    "celery.app.amqp": AliasTable({"umbel.compat.subsystems.amqp": "AMQP Queues"}),
    "celery.app.control": AliasTable(
        {"umbel.control.client": "Control", "umbel.control.inspection": "Inspect=Inspections"},
    ),
    "celery.app.defaults": AliasTable(
        {"umbel.app.config.schema": "SETTING_KEYS=SETTINGS", "umbel.compat.parts": "DEFAULTS"},
        elsewhere=dict.fromkeys(("NAMESPACES", "Option", "find", "flatten"), "app.conf.find_option(), or `umbel settings`"),
    ),
    "celery.app.log": AliasTable({"umbel.compat.subsystems.log": "Logging", "umbel.compat.legacy.logs": "TaskFormatter"}),
    "celery.app.registry": AliasTable({"umbel.app.task.registry": "TaskRegistry"}),
    "celery.app.routes": AliasTable(
        {"umbel.compat.subsystems.amqp": "Router", "umbel.app.sending.routing": "prepare=compile_routes"},
        elsewhere={"MapRoute": "a dict in task_routes"},
    ),
    "celery.app.utils": AliasTable(
        {"umbel.app.config.settings": "Settings", "umbel.compat.parts": "bugreport find_app", "umbel.clients.urls": "sanitize_url=masked"},
    ),
    "celery.app.annotations": AliasTable(elsewhere={"MapAnnotation": "a dict in task_annotations"}),
    "celery.app.backends": AliasTable({"umbel.compat.parts": "BACKEND_ALIASES by_name by_url"}),
    "celery.app.events": AliasTable({"umbel.events.client": "Events"}),
    "celery.backends": AliasTable({"umbel.compat.parts": "get_backend_by_url=by_url get_backend_cls=by_name"}),
    "celery.backends.base": AliasTable(
        {
            "umbel.compat.subsystems.backend": (
                "Backend BaseBackend=Backend BaseKeyValueStoreBackend=Backend DisabledBackend KeyValueStoreBackend=Backend"
            ),
            "umbel": "states",
        }
    ),
    "celery.backends.redis": AliasTable(
        {"umbel.compat.subsystems.backend": "RedisBackend=Backend SentinelBackend=Backend"},
        elsewhere={"ResultConsumer": "result.get(), which is told by the server"},
    ),
    "celery.backends.rpc": AliasTable({"umbel.compat.subsystems.backend": "RPCBackend=Backend"}),
    "celery.backends.database": AliasTable({"umbel.compat.subsystems.backend": "DatabaseBackend=Backend"}),
    "celery.loaders": AliasTable({"umbel.compat.parts": "get_loader_cls"}),
    "celery.loaders.base": AliasTable({"umbel.compat.subsystems.loader": "BaseLoader=Loader"}),
    "celery.loaders.app": AliasTable({"umbel.compat.subsystems.loader": "AppLoader=Loader"}),
    "celery.loaders.default": AliasTable({"umbel.compat.subsystems.loader": "Loader"}, values={"DEFAULT_CONFIG_MODULE": "celeryconfig"}),
    "celery.bin": AliasTable(),
    "celery.bin.celery": AliasTable({"umbel.compat.command": "main celery=cli"}),
    "celery.bin.worker": AliasTable({"umbel.cli.commands.worker": "worker=command"}),
    "celery.bin.base": AliasTable({"umbel.cli.options": "CeleryCommand=Command CeleryDaemonCommand=Command CeleryOption=GlobalOption"}),
    "celery.apps": AliasTable(),
    "celery.apps.worker": AliasTable({"umbel.worker.worker": "Worker"}),
    "celery.apps.beat": AliasTable({"umbel.beat": "Beat"}),
    "celery.apps.multi": AliasTable(
        {"umbel.compat.nodes": "Node"}, elsewhere={"Cluster": "one service for each worker (systemd, Kubernetes)"}
    ),
}
