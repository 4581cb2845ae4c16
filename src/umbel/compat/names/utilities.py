"""``celery.utils``."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable

_LEGACY: Final = "umbel.compat.legacy"
_LOGS: Final = "ColorFormatter LOG_LEVELS LoggingProxy base_logger current_process get_logger get_multiprocessing_logger get_task_logger mlevel task_logger"

TABLES: Final = {
    "celery.utils": AliasTable(
        {
            "umbel": "gen_unique_id=uuid uuid",
            f"{_LEGACY}.functional": "cached_property chunks memoize noop",
            f"{_LEGACY}.importing": "gen_task_name get_cls_by_name=symbol_by_name get_full_cls_name=qualname import_from_cwd instantiate",
            f"{_LEGACY}.logs": "LOG_LEVELS",
            f"{_LEGACY}.nodenames": "nodename nodesplit worker_direct",
        }
    ),
    "celery.utils.log": AliasTable({f"{_LEGACY}.logs": _LOGS}),
    "celery.utils.nodenames": AliasTable(
        {
            f"{_LEGACY}.nodenames": (
                "NODENAME_DEFAULT NODENAME_SEP anon_nodename default_nodename gethostname host_format node_format nodename nodesplit worker_direct"
            )
        }
    ),
    "celery.utils.functional": AliasTable(
        {
            f"{_LEGACY}.functional": (
                "LRUCache chunks dictfilter first fun_accepts_kwargs is_list lookahead maybe_list memoize noop padlist regen uniq"
            ),
            f"{_LEGACY}.proxies": "maybe_evaluate",
        }
    ),
    "celery.utils.collections": AliasTable({f"{_LEGACY}.containers": "AttributeDict ConfigurationView DictAttribute LimitedSet"}),
    "celery.utils.objects": AliasTable({f"{_LEGACY}.containers": "Bunch"}),
    "celery.utils.imports": AliasTable(
        {
            f"{_LEGACY}.importing": (
                "cwd_in_path gen_task_name import_from_cwd instantiate load_extension_class_names load_extension_classes module_file qualname "
                "symbol_by_name"
            )
        }
    ),
    "celery.utils.time": AliasTable(
        {
            f"{_LEGACY}.times": (
                "get_exponential_backoff_interval humanize_seconds is_naive localize make_aware maybe_iso8601 maybe_make_aware maybe_timedelta rate "
                "remaining timezone to_utc"
            )
        }
    ),
    "celery.utils.iso8601": AliasTable({f"{_LEGACY}.times": "parse_iso8601=maybe_iso8601"}),
    "celery.utils.text": AliasTable({f"{_LEGACY}.text": "abbr dedent indent join pluralize pretty str_to_list truncate"}),
    "celery.utils.saferepr": AliasTable({f"{_LEGACY}.text": "saferepr"}),
    "celery.utils.serialization": AliasTable(
        {f"{_LEGACY}.pickling": "UnpickleableExceptionWrapper get_pickleable_exception jsonify strtobool"}
    ),
    "celery.utils.dispatch": AliasTable({f"{_LEGACY}.dispatch": "Signal"}),
    "celery.utils.dispatch.signal": AliasTable({f"{_LEGACY}.dispatch": "Signal"}),
    "celery.utils.graph": AliasTable({"umbel.results.workflow.graph": "DependencyGraph"}),
    "celery.utils.sysinfo": AliasTable(
        {f"{_LEGACY}.machine": "AUTO_CONCURRENCY CpuBudget available_cpu_count cpu_budget df is_auto_concurrency load_average"}
    ),
    "celery.utils.threads": AliasTable(
        {f"{_LEGACY}.machine": "default_socket_timeout get_ident"},
        elsewhere={"bgThread": "threading.Thread", "LocalStack": "contextvars", "Local": "contextvars"},
    ),
    "celery.utils.timer2": AliasTable(elsewhere={"Timer": "umbel.Periodic"}),
    "celery.utils.debug": AliasTable(
        elsewhere=dict.fromkeys(("memdump", "sample_mem", "blockdetection", "cry"), "kill -USR1, or a profiler")
    ),
    "celery.utils.term": AliasTable(elsewhere={"colored": "click.style() or rich"}),
    "celery.utils.deprecated": AliasTable(elsewhere={"Callable": "warnings.deprecated", "Property": "warnings.deprecated"}),
    "celery.utils.abstract": AliasTable({"umbel": "CallableSignature=Signature CallableTask=Task"}),
}
