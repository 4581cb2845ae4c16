"""The preparation of a process, and of an app in it: in ``ready`` of the Django application, and where a worker imports the tasks of a classic ``celery.py``."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

from umbel import current
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins

#: By its name, because that module prepares the app that it makes.
_MAKER: Final = "umbel.contrib.django.application:project_app"
#: What made apps before `install`: in place of `umbel.Umbel` where Celery's names are ours.
_earlier: list[Callable[..., Any] | None] = []
#: The apps whose calls go through the outbox.
_connected: weakref.WeakSet[Any] = weakref.WeakSet()


def install() -> None:
    """Prepare this process. Safe twice."""
    from umbel.contrib.django import connections

    connections.install()
    if not _earlier:
        _earlier.append(current.app_maker())
        current.make_apps_with(_project_app)
    found = current.find_app()
    if found is not None:
        connect(found)


def earlier_maker() -> Callable[..., Any] | None:
    """Return what made apps before `install`; ``None`` is the plain way."""
    return _earlier[0] if _earlier else current.app_maker()


def connect(app: Any) -> None:
    """Have an app's calls go through the outbox, where the settings want it. Safe twice.

    Args:
        app: of the project.

    Raises:
        ImproperlyConfigured: the settings name a database for it that there is not, or its tables are not installed.
    """
    from umbel.contrib.django.settings import outbox_databases

    aliases = outbox_databases()
    if not aliases or app in _connected:
        return
    from django.apps import apps

    if not apps.is_installed("umbel.contrib.django"):
        raise ImproperlyConfigured("UMBEL_OUTBOX needs its tables: add 'umbel.contrib.django' to INSTALLED_APPS, and run manage.py migrate")
    from umbel.contrib.django.outbox import relaying

    _connected.add(app)
    relaying.connect(app, aliases)


def has_outbox(app: Any, using: str | None) -> bool:
    """Report whether a call that an app makes here and now belongs to the transaction on a database.

    Args:
        app: of the call.
        using: alias of the database; the default one when not given.
    """
    if app not in _connected:
        return False
    from umbel.contrib.django.outbox.writing import covers
    from umbel.contrib.django.settings import outbox_databases

    return covers(outbox_databases(), using)


def prepare(app: Any) -> None:
    """Set Django up, if nobody has, and this process and its app. Called before modules of tasks are imported where ``DJANGO_SETTINGS_MODULE`` is set.

    Args:
        app: the app whose tasks are about to be imported.
    """
    import django
    from django.apps import apps

    if not apps.ready and not apps.loading:
        django.setup()
    install()
    connect(app)


def _project_app(*args: Any, **options: Any) -> Any:
    return plugins.load(_MAKER, "the project's app")(*args, **options)
