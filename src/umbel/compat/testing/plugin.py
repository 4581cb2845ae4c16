"""``celery.contrib.pytest``: Celery's fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from umbel.compat.testing.app import TestApp, setup_default_app
from umbel.compat.testing.worker import start_worker

#: In the environment: fixtures start no worker.
NO_WORKER = os.environ.get("NO_WORKER")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known.

    Args:
        config: pytest's.
    """
    config.addinivalue_line("markers", "celery(**settings): settings of the app of celery_app, for one test")


@contextmanager
def _app(
    request: pytest.FixtureRequest, config: Mapping[str, Any], parameters: Mapping[str, Any], *, logs: bool, trap: bool
) -> Iterator[Any]:
    mark = request.node.get_closest_marker("celery")
    settings = {**config, **(mark.kwargs if mark else {})}
    app = TestApp(config=settings, enable_logging=logs, **parameters)
    with setup_default_app(app, use_trap=trap):
        yield app


@pytest.fixture(scope="session")
def use_celery_app_trap() -> bool:
    """Make tests fail that use the current app; define it anew."""
    return False


@pytest.fixture(scope="session")
def celery_session_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """An app for the whole session."""
    with _app(request, celery_config, celery_parameters, logs=celery_enable_logging, trap=use_celery_app_trap) as app:
        if not use_celery_app_trap:
            app.set_default()
            app.set_current()
        yield app


@pytest.fixture(scope="session")
def celery_session_worker(
    celery_session_app: Any,
    celery_includes: Sequence[str],
    celery_class_tasks: Sequence[Any],
    celery_worker_pool: Any,
    celery_worker_parameters: Mapping[str, Any],
) -> Iterator[Any]:
    """A worker of `celery_session_app` for the whole session."""
    for kind in celery_class_tasks:
        celery_session_app.register_task(kind)
    yield from _worker(celery_session_app, celery_includes, celery_worker_pool, celery_worker_parameters)


@pytest.fixture(scope="session")
def celery_enable_logging() -> bool:
    """Celery's; a test's logging is left alone."""
    return False


@pytest.fixture(scope="session")
def celery_includes() -> Sequence[str]:
    """Names of modules that are imported before a worker starts; define it anew."""
    return ()


@pytest.fixture(scope="session")
def celery_worker_pool() -> Any:
    """The pool of the workers; define it anew."""
    return "solo"


@pytest.fixture(scope="session")
def celery_config() -> Mapping[str, Any]:
    """Settings of the apps; define it anew."""
    return {}


@pytest.fixture(scope="session")
def celery_parameters() -> Mapping[str, Any]:
    """Arguments of the apps; define it anew."""
    return {}


@pytest.fixture(scope="session")
def celery_worker_parameters() -> Mapping[str, Any]:
    """Arguments of `start_worker`; define it anew."""
    return {}


@pytest.fixture
def celery_app(
    request: pytest.FixtureRequest,
    celery_config: Mapping[str, Any],
    celery_parameters: Mapping[str, Any],
    celery_enable_logging: bool,
    use_celery_app_trap: bool,
) -> Iterator[Any]:
    """An app for one test."""
    with _app(request, celery_config, celery_parameters, logs=celery_enable_logging, trap=use_celery_app_trap) as app:
        yield app


@pytest.fixture(scope="session")
def celery_class_tasks() -> Sequence[Any]:
    """Classes of tasks that `celery_session_app` gets; define it anew."""
    return []


@pytest.fixture
def celery_worker(
    celery_app: Any, celery_includes: Sequence[str], celery_worker_pool: Any, celery_worker_parameters: Mapping[str, Any]
) -> Iterator[Any]:
    """A worker of `celery_app` for one test."""
    yield from _worker(celery_app, celery_includes, celery_worker_pool, celery_worker_parameters)


@pytest.fixture
def depends_on_current_app(celery_app: Any) -> None:
    """Make `celery_app` the current app."""
    celery_app.set_current()


def _worker(app: Any, includes: Sequence[str], pool: Any, parameters: Mapping[str, Any]) -> Iterator[Any]:
    if NO_WORKER:
        return
    for module in includes:
        app.loader.import_task_module(module)
    with start_worker(app, pool=pool, **parameters) as worker:
        yield worker
