"""``celery.contrib`` and ``celery.fixups``."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable

_DEAD: Final = "`umbel dead`, or app.broker.queue_client()"

TABLES: Final = {
    "celery.contrib": AliasTable(),
    "celery.contrib.abortable": AliasTable({"umbel.compat.contrib.abortable": "ABORTED AbortableAsyncResult AbortableTask"}),
    "celery.contrib.django": AliasTable(),
    "celery.contrib.django.task": AliasTable({"umbel.compat.contrib.django_task": "DjangoTask"}),
    "celery.contrib.migrate": AliasTable(
        elsewhere=dict.fromkeys(
            (
                "migrate_task",
                "migrate_tasks",
                "move",
                "move_by_id",
                "move_by_idmap",
                "move_by_taskmap",
                "move_direct",
                "move_direct_by_id",
                "move_task_by_id",
                "republish",
                "start_filter",
                "task_id_eq",
                "task_id_in",
            ),
            _DEAD,
        )
    ),
    "celery.contrib.rdb": AliasTable(elsewhere={"set_trace": "breakpoint() with -P solo", "debugger": "breakpoint() with -P solo"}),
    "celery.contrib.sphinx": AliasTable(elsewhere={"setup": "autodoc: a task documents itself as its function does"}),
    "celery.fixups": AliasTable(),
    "celery.fixups.django": AliasTable(
        elsewhere=dict.fromkeys(("DjangoFixup", "DjangoWorkerFixup", "fixup"), "nothing: there is none to apply")
    ),
}
