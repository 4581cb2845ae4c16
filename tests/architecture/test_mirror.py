"""Unit tests mirror the source: ``src/umbel/a/b.py`` is tested in ``tests/unit/a/test_b.py``, or the table below says where, and why there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "umbel"
UNIT = ROOT / "tests" / "unit"

#: The least part of all modules that has a unit test in the mirrored place. It only ever gets larger.
MIRRORED = 0.32

REAL_SERVER = "it talks to a server: it is tested on a real one"
REAL_WORKER = "it acts in a worker: it is tested on workers that run as processes"
THROUGH = "its users' tests go through it; alone it decides nothing"
TOGETHER = "several modules, tested by what they do together"
CONTRACT = "the contract suite of all brokers or stores"
NOTHING = "names only"

#: A module, or a folder with a slash at its end → its tests, and why they are not in the mirrored place. The longest entry that fits counts.
ELSEWHERE: dict[str, tuple[tuple[str, ...], str]] = {
    "__main__.py": (("tests/system",), THROUGH),
    "_version.py": (("tests/unit/cli/test_main.py",), NOTHING),
    "errors.py": (("tests/unit/test_errors_permanent.py", "tests/unit/wire/test_failures.py"), TOGETHER),
    "exceptions.py": (("tests/unit/test_names_of_celery.py",), NOTHING),
    "reasons.py": (("tests/system/test_poison.py",), NOTHING),
    "result.py": (("tests/unit/test_names_of_celery.py",), NOTHING),
    "signals.py": (("tests/unit/test_names_of_celery.py",), NOTHING),
    "states.py": (("tests/unit/test_names_of_celery.py",), NOTHING),
    "typing.py": (("tests/typing/test_api.py",), NOTHING),
    "app/": (("tests/unit/app/test_app.py", "tests/unit/app/test_tasks.py"), TOGETHER),
    "app/config/": (("tests/unit/app/test_settings.py", "tests/architecture/test_settings.py"), TOGETHER),
    "app/sending/": (("tests/unit/app/test_publishing.py", "tests/unit/app/test_routing.py"), TOGETHER),
    "app/task/": (("tests/unit/app/test_tasks.py", "tests/unit/app/test_options.py"), TOGETHER),
    "beat/": (("tests/unit/beat/test_store_scheduler.py",), TOGETHER),
    "beat/stores/": (("tests/contracts/test_schedule_stores.py",), CONTRACT),
    "brokers/amqp/": (("tests/integration/test_amqp_consumer.py", "tests/integration/test_amqp_publisher.py"), REAL_SERVER),
    "brokers/base.py": (("tests/contracts/test_brokers.py",), CONTRACT),
    "brokers/defaults/": (("tests/contracts/test_defaults.py",), CONTRACT),
    "brokers/fanout/": (("tests/contracts/test_brokers.py",), CONTRACT),
    "brokers/memory/": (("tests/contracts/test_brokers.py",), CONTRACT),
    "brokers/redis/": (("tests/integration/redis",), REAL_SERVER),
    "brokers/enlisting.py": (("tests/integration/postgresql/test_enlisting.py",), REAL_SERVER),
    "brokers/mysql/": (("tests/contracts/test_brokers.py",), CONTRACT),
    "brokers/postgresql/": (("tests/contracts/test_brokers.py", "tests/integration/postgresql"), REAL_SERVER),
    "brokers/sqlite/": (("tests/integration/sqlite",), REAL_SERVER),
    "canvas/": (("tests/unit/canvas/test_meaning.py",), TOGETHER),
    "cli/": (("tests/unit/cli/test_commands.py", "tests/unit/cli/test_main.py"), TOGETHER),
    "cli/commands/worker.py": (("tests/unit/cli/test_worker.py",), TOGETHER),
    "cli/demo/living.py": (("tests/system/test_dashboard.py",), REAL_WORKER),
    "cli/demo/shop.py": (("tests/system/test_dashboard.py",), REAL_WORKER),
    "cli/demo/": (("tests/unit/cli/test_main.py",), TOGETHER),
    "clients/": (("tests/contracts/test_brokers.py",), REAL_SERVER),
    "clients/amqp/": (("tests/integration/test_amqp_consumer.py", "tests/integration/test_amqp_tls.py"), REAL_SERVER),
    "clients/redis/": (("tests/integration/redis/test_connections.py",), REAL_SERVER),
    "clients/postgresql/": (("tests/contracts/test_brokers.py", "tests/integration/postgresql"), REAL_SERVER),
    "clients/sqlite/": (("tests/integration/sqlite/test_database.py",), REAL_SERVER),
    "dashboard/": (("tests/system/test_dashboard.py",), TOGETHER),
    "events/": (("tests/unit/events/test_state.py", "tests/unit/events/test_dispatcher.py"), TOGETHER),
    "events/model.py": (("tests/golden/test_events.py", "tests/unit/events/test_rendering.py"), THROUGH),
    "control/": (("tests/unit/control/test_client.py", "tests/golden/test_control.py"), TOGETHER),
    "compat/": (("tests/unit/compat/test_app.py",), TOGETHER),
    "compat/alias/": (("tests/unit/compat/alias/test_finder.py", "tests/unit/compat/names/test_tables.py"), TOGETHER),
    "compat/celery.py": (("tests/unit/compat/alias/test_finder.py",), NOTHING),
    "compat/command.py": (("tests/integration/test_drop_in.py",), THROUGH),
    "compat/log_templates.py": (("tests/unit/compat/names/test_tables.py",), NOTHING),
    "compat/names/": (("tests/unit/compat/names/test_tables.py",), NOTHING),
    "compat/testing/": (("tests/integration/test_drop_in.py",), REAL_WORKER),
    "compat/version.py": (("tests/unit/compat/alias/test_finder.py",), NOTHING),
    "contrib/django/": (("tests/unit/contrib/django/test_application.py", "tests/contracts/test_django_stores.py"), TOGETHER),
    "contrib/fastapi/": (("tests/unit/contrib/fastapi/test_endpoints.py", "tests/integration/test_web_examples.py"), TOGETHER),
    "contrib/flask/": (("tests/unit/contrib/flask/test_app.py", "tests/integration/test_web_examples.py"), TOGETHER),
    "contrib/outbox/": (("tests/unit/contrib/outbox/test_relay.py", "tests/unit/contrib/django/test_outbox.py"), TOGETHER),
    "contrib/sqlalchemy/": (("tests/unit/contrib/sqlalchemy/test_outbox.py",), TOGETHER),
    "execution/": (("tests/unit/execution/test_execute.py",), TOGETHER),
    "execution/concluding/": (("tests/unit/execution/test_execute.py",), TOGETHER),
    "leases/": (("tests/contracts/test_lease_stores.py",), CONTRACT),
    "messages/": (("tests/unit/messages/test_protocols.py", "tests/golden"), TOGETHER),
    "pools/base.py": (("tests/unit/pools/test_prefork.py",), NOTHING),
    "pools/board/memory.py": (("tests/unit/pools/board/test_rows.py",), TOGETHER),
    "pools/shared/greenlets.py": (("tests/system/test_pool_green.py", "tests/system/test_pool_table.py"), REAL_WORKER),
    "pools/shared/coroutines.py": (("tests/system/test_pool_asyncio.py", "tests/unit/pools/shared/test_serving.py"), REAL_WORKER),
    "pools/shared/": (("tests/unit/pools/shared/test_serving.py", "tests/system/test_pool_table.py"), TOGETHER),
    "pools/solo.py": (("tests/integration/test_embedding.py",), REAL_WORKER),
    "pools/template/server.py": (("tests/unit/pools/template/test_process.py",), TOGETHER),
    "results/": (("tests/contracts/test_stores.py",), CONTRACT),
    "results/handles/": (("tests/unit/results/test_handles.py", "tests/unit/results/test_result_set.py"), TOGETHER),
    "results/redis/": (("tests/integration/redis/test_store.py",), REAL_SERVER),
    "results/rpc/": (("tests/integration/test_rpc.py",), REAL_SERVER),
    "results/sql/groups.py": (("tests/contracts/test_stores.py", "tests/integration/sql/test_faults.py"), REAL_SERVER),
    "results/sql/layout.py": (("tests/integration/sql/test_layout.py",), REAL_SERVER),
    "results/sql/store.py": (("tests/integration/sql/test_store.py", "tests/contracts/test_stores.py"), REAL_SERVER),
    "results/sqlite/": (("tests/integration/sqlite/test_store.py",), REAL_SERVER),
    "runtime/child_import.py": (("tests/integration/test_embedding.py",), REAL_WORKER),
    "runtime/clock.py": (("tests/unit/testing/test_fakes.py",), THROUGH),
    "runtime/plugins.py": (("tests/unit/brokers/test_registry.py", "tests/unit/results/test_registry.py"), THROUGH),
    "runtime/signal_thread.py": (("tests/integration/test_signals.py",), REAL_WORKER),
    "schedules/": (("tests/unit/schedules/test_crontab.py", "tests/unit/schedules/test_solar.py"), TOGETHER),
    "testing/schedule_stores/": (("tests/contracts/test_schedule_stores.py",), CONTRACT),
    "testing/brokers/": (("tests/contracts/test_third_party.py", "tests/contracts/test_brokers.py"), CONTRACT),
    "testing/lease_stores/": (("tests/contracts/test_third_party.py", "tests/contracts/test_lease_stores.py"), CONTRACT),
    "testing/result_stores/": (("tests/contracts/test_third_party.py", "tests/contracts/test_stores.py"), CONTRACT),
    "wire/amqp/": (("tests/unit/wire/amqp/test_rendering.py", "tests/unit/wire/amqp/test_connection.py"), TOGETHER),
    "wire/message.py": (("tests/unit/wire/amqp/test_rendering.py", "tests/unit/wire/redis/test_envelope.py"), THROUGH),
    "wire/redis/scripts.py": (("tests/unit/wire/redis/test_keys.py",), TOGETHER),
    "worker/": (("tests/unit/worker/test_worker.py", "tests/system"), REAL_WORKER),
    "worker/events/making.py": (("tests/system",), THROUGH),
    "worker/slots/": (("tests/unit/worker/slots/test_dispatching.py", "tests/system/test_child_death.py"), REAL_WORKER),
    "worker/tasks/": (("tests/unit/worker/test_intake.py", "tests/system"), REAL_WORKER),
}


def modules() -> Iterator[str]:
    """All modules but those that make a folder a package, by their paths."""
    return (path.relative_to(SOURCE).as_posix() for path in sorted(SOURCE.rglob("*.py")) if path.name != "__init__.py")


def mirror(module: str) -> Path:
    path = UNIT / module
    return path.with_name(f"test_{path.name}")


def entry(module: str) -> str | None:
    """The longest entry of the table that fits."""
    fitting = [name for name in ELSEWHERE if module == name or (name.endswith("/") and module.startswith(name))]
    return max(fitting, key=len, default=None)


def without_mirror() -> list[str]:
    return [module for module in modules() if not mirror(module).exists()]


def test_every_module_has_its_tests_or_says_where_they_are():
    homeless = [f"{module}: write {mirror(module).relative_to(ROOT)}" for module in without_mirror() if entry(module) is None]
    assert not homeless


def test_the_mirrored_part_only_grows():
    every = list(modules())
    part = 1 - len(without_mirror()) / len(every)
    assert part >= MIRRORED, f"{part:.0%} of {len(every)} modules have a unit test in the mirrored place"


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_the_tests_that_an_entry_names_are_there(name):
    tests, _ = ELSEWHERE[name]
    assert tests
    assert not [test for test in tests if not (ROOT / test).exists()]


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_every_entry_is_needed(name):
    used = {entry(module) for module in without_mirror()}
    assert name in used, f"all that {name} is about has mirrored tests, or is gone: strike it off the table"
