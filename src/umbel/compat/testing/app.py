"""Apps of tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final

from umbel import current
from umbel.compat.app import Celery

#: Settings of an app that says nothing else. Its messages and results stay in the process.
DEFAULT_TEST_CONFIG: Final[Mapping[str, Any]] = {
    "worker_hijack_root_logger": False,
    "worker_log_color": False,
    "accept_content": ("json",),
    "enable_utc": True,
    "timezone": "UTC",
    "broker_url": "memory://",
    "result_backend": "cache+memory://",
    "broker_heartbeat": 0,
}


class Trap:
    """Stands for the current app where a test must not use it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"the test uses the current app ({name}): use the fixture celery_app, or depends_on_current_app")


def TestApp(  # noqa: N802 - Celery's name
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    enable_logging: bool = False,  # noqa: ARG001 - Celery's; a test's logging is left alone
    set_as_current: bool = False,
    log: Any = None,  # noqa: ARG001 - Celery's
    backend: Any = None,
    broker: Any = None,
    **kw: Any,
) -> Celery:
    """Make an app for a test.

    Args:
        name: its name.
        config: settings, over `DEFAULT_TEST_CONFIG`.
        enable_logging: Celery's; without effect.
        set_as_current: be the current app.
        log: Celery's; without effect.
        backend: URL of the result store.
        broker: URL of the broker.
        kw: more arguments of the app.
    """
    given = {"broker_url": broker, "result_backend": backend}
    settings = {
        **deepcopy(dict(DEFAULT_TEST_CONFIG)),
        **(config or {}),
        **{key: value for key, value in given.items() if value is not None},
    }
    app = Celery(name or "celery.tests", set_as_current=set_as_current, **kw)
    app.conf.update(settings)
    return app


TestApp.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


@contextmanager
def setup_default_app(app: Any, use_trap: bool = False) -> Iterator[None]:
    """Make an app the default one for a block, and the current one of this context.

    Args:
        app: the app.
        use_trap: make whoever asks for the current app fail instead.
    """
    before, default = current.app.get(), current.default_app()
    chosen = Trap() if use_trap else app
    current.set_default_app(chosen)
    current.app.set(chosen)
    try:
        yield
    finally:
        current.set_default_app(default)
        current.app.set(before)
        app.close()
