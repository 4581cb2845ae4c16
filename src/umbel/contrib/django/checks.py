"""Django's system checks of a project that uses Umbel."""

from __future__ import annotations

from typing import Any, Final

from django.core import checks

from umbel import current
from umbel.app.connections import broker_options, store_options
from umbel.brokers import registry as brokers
from umbel.errors import UmbelError
from umbel.results import registry as stores

_TAG: Final = "umbel"


def register() -> None:
    """Have Django run these checks. Safe twice."""
    for each in (settings_can_be_used, outbox_can_be_used, other_packages):
        checks.register(each, _TAG)


def settings_can_be_used(app_configs: Any, **_: Any) -> list[Any]:
    """Look whether the settings of the project's app can be read, and its broker and result store be made.

    Args:
        app_configs: of Django; the settings are one for all.
        _: more of Django's.
    """
    try:
        url = _try(_app())
    except UmbelError as error:
        return [checks.Error(f"Umbel's settings cannot be used: {error}", id="umbel.E001")]
    from django.conf import settings

    if url.startswith("memory:") and not settings.DEBUG:
        return [
            checks.Warning(
                "The broker is memory://, which no other process can see: a worker gets nothing.",
                hint="Set UMBEL_BROKER_URL, or leave it out to use the default database.",
                id="umbel.W001",
            )
        ]
    return []


def _try(app: Any) -> str:
    """Make a broker and a store as the app would, and return the broker's URL. Not the app's own: a command line may still change its settings."""
    app.conf.load()
    broker = brokers.connect(broker_options(app.conf))
    store_url = app.connections.store_url()
    if store_url is not None:
        stores.connect(store_options(app.conf, store_url))
    return broker.public_url()


def outbox_can_be_used(app_configs: Any, **_: Any) -> list[Any]:
    """Look whether ``UMBEL_OUTBOX`` and ``UMBEL_DATABASE`` name databases.

    Args:
        app_configs: of Django.
        _: more of Django's.
    """
    from umbel.contrib.django.settings import database, outbox_databases

    try:
        database()
        outbox_databases()
    except UmbelError as error:
        return [checks.Error(str(error), id="umbel.E002")]
    return []


def other_packages(app_configs: Any, **_: Any) -> list[Any]:
    """Point at what is installed, and is not used by Umbel.

    Args:
        app_configs: of Django.
        _: more of Django's.
    """
    from django.apps import apps

    found = []
    for name, what in (("django_celery_results", "results"), ("django_celery_beat", "schedules")):
        if apps.is_installed(name):
            found.append(
                checks.Warning(
                    f"{name} is installed: Umbel keeps {what} in tables of its own.",
                    hint=f"manage.py umbel_adopt takes over what is in the tables of {name}; then take it out of INSTALLED_APPS.",
                    id="umbel.W002",
                )
            )
    return found


def _app() -> Any:
    from umbel.app.proxies import get_current_app

    return current.find_app() or get_current_app()
