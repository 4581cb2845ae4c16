"""Umbel's settings in a Django project: those that begin with ``CELERY_`` or ``UMBEL_``, and what follows from ``DATABASES``.

``UMBEL_`` outranks ``CELERY_``; the environment (``UMBEL_BROKER_URL``, …) outranks both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any, Final

from umbel.app.config import sources
from umbel.brokers import registry
from umbel.contrib.django.databases import broker_url_of
from umbel.errors import ImproperlyConfigured

#: The path of `of_project`, for `Umbel.config_from_object`: read when a setting is first asked for.
SOURCE: Final = f"{__name__}:of_project"
#: Settings of the integration itself.
OWN: Final = ("UMBEL_OUTBOX", "UMBEL_DATABASE")
#: Where results and schedules are, if nobody says otherwise.
DJANGO_DB: Final = "django-db"


def __getattr__(name: str) -> Any:
    if name == "of_project":
        return of_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def of_settings() -> dict[str, Any]:
    """Read the settings of the project's one app.

    Raises:
        ImproperlyConfigured: one of them is unknown or of the wrong kind, or the default database can be no broker.
    """
    from django.conf import settings

    found: dict[str, Any] = {}
    for namespace in ("CELERY", "UMBEL"):
        found.update(sources.load(_without_own(settings, f"{namespace}_"), namespace))
    environment = sources.from_environment(os.environ)
    if not {"broker_url", "broker_read_url", "broker_write_url"} & {*found, *environment}:
        alias = database()
        found["broker_url"] = broker_url_of(alias, settings.DATABASES.get(alias) or {}, _served())
    if "result_backend" not in environment:
        found.setdefault("result_backend", DJANGO_DB)
    if str(environment.get("result_backend", found.get("result_backend"))).startswith(DJANGO_DB):
        found.setdefault("result_extended", True)  # the admin's pages show names and arguments
    found.setdefault("beat_schedule_store", DJANGO_DB)
    if settings.USE_TZ:
        found.setdefault("timezone", settings.TIME_ZONE)
    return found


def database() -> str:
    """Return the alias of the database for messages, results and schedules (``UMBEL_DATABASE``).

    Raises:
        ImproperlyConfigured: there is no such database.
    """
    from django.conf import settings

    alias = getattr(settings, "UMBEL_DATABASE", None) or "default"
    if alias not in settings.DATABASES:
        raise ImproperlyConfigured(
            f"UMBEL_DATABASE is {alias!r}: expected one of {', '.join(map(repr, settings.DATABASES)) or 'DATABASES'}"
        )
    return str(alias)


def outbox_databases() -> tuple[str, ...]:
    """Return the aliases of the databases whose transactions calls belong to (``UMBEL_OUTBOX``); none where there is no outbox.

    Raises:
        ImproperlyConfigured: it is neither a bool nor an alias nor a list of them.
    """
    from django.conf import settings

    given = getattr(settings, "UMBEL_OUTBOX", False)
    if given is None or isinstance(given, bool):
        return (database(),) if given else ()
    aliases = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, (list, tuple)) else (given,)
    unknown = [alias for alias in aliases if alias not in settings.DATABASES]
    if unknown:
        raise ImproperlyConfigured(
            f"UMBEL_OUTBOX names {unknown[0]!r}: expected True, False, or databases of DATABASES ({', '.join(settings.DATABASES)})"
        )
    return tuple(map(str, aliases))


def _without_own(settings: Any, prefix: str) -> Any:
    """The settings with a prefix, without those that no app knows; as attributes, because what is no setting may be there then (a class, a function)."""
    names = [name for name in dir(settings) if name.startswith(prefix) and name not in OWN]
    shown = os.environ.get("DJANGO_SETTINGS_MODULE") or "Django's settings"
    return SimpleNamespace(__name__=shown, **{name: getattr(settings, name) for name in names})


def _served() -> Mapping[str, Any]:
    return {**registry.BUILT_IN, **{point.name: point.value for point in entry_points(group=registry.GROUP)}}
