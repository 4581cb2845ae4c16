"""``celery.contrib.testing`` and ``celery.contrib.pytest``."""

from __future__ import annotations

from typing import Final

from umbel.compat.names.table import AliasTable

TABLES: Final = {
    "celery.contrib.pytest": AliasTable(
        {
            "umbel.compat.testing.plugin": (
                "celery_app celery_class_tasks celery_config celery_enable_logging celery_includes celery_parameters celery_session_app "
                "celery_session_worker celery_worker celery_worker_parameters celery_worker_pool depends_on_current_app pytest_configure "
                "use_celery_app_trap"
            )
        }
    ),
    "celery.contrib.testing": AliasTable(),
    "celery.contrib.testing.app": AliasTable({"umbel.compat.testing.app": "DEFAULT_TEST_CONFIG TestApp Trap setup_default_app"}),
    "celery.contrib.testing.worker": AliasTable(
        {
            "umbel.compat.testing.worker": (
                "TestWorkController WORKER_LOGLEVEL start_worker test_worker_started test_worker_starting test_worker_stopped"
            )
        }
    ),
    "celery.contrib.testing.tasks": AliasTable({"umbel.compat.testing.tasks": "ping"}),
    "celery.contrib.testing.manager": AliasTable({"umbel.compat.testing.waiting": "Manager ManagerMixin Sentinel"}),
    "celery.contrib.testing.mocks": AliasTable(
        elsewhere=dict.fromkeys(
            ("TaskMessage", "TaskMessage1", "task_message_from_sig"), "umbel.testing.FakeApp, which keeps what is published"
        )
    ),
}
