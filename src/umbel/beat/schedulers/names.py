"""The names of schedulers in settings and options: ours, Celery's, and those of other people, which are understood, or refused with advice."""

from __future__ import annotations

from typing import Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins

_PERSISTENT: Final = "umbel.beat.schedulers.persistent:PersistentScheduler"
_STORED: Final = "umbel.beat.schedulers.stored:StoreScheduler"
_IN_MEMORY: Final = "umbel.beat.schedulers.base:Scheduler"
#: Names, with dots → ours.
OURS: Final = {
    "celery.beat.PersistentScheduler": _PERSISTENT,
    "umbel.beat.PersistentScheduler": _PERSISTENT,
    "celery.beat.Scheduler": _IN_MEMORY,
    "umbel.beat.Scheduler": _IN_MEMORY,
    "umbel.beat.StoreScheduler": _STORED,
    **dict.fromkeys(("redbeat.RedBeatScheduler", "redbeat.schedulers.RedBeatScheduler"), "umbel.beat.schedulers.redbeat:RedBeat"),
}
_ADVICE: Final = (
    "Umbel keeps schedules in a database itself: set beat_schedule_store = 'db+postgresql://…' (or redis://…), leave beat_scheduler out, "
    "and edit entries with `umbel schedule` or app.schedules"
)
#: Names, with dots, that cannot run here → why.
REFUSED: Final = {
    **dict.fromkeys(
        ("django", "django_celery_beat.schedulers.DatabaseScheduler", "djcelery.schedulers.DatabaseScheduler"),
        "it is made for Celery. Umbel has tables, and pages in Django's admin, of its own: add umbel.contrib.django to INSTALLED_APPS, set "
        "beat_schedule_store = 'django-db', and take the old ones over by manage.py umbel_adopt",
    ),
    **dict.fromkeys(
        ("sqlalchemy_celery_beat.schedulers.DatabaseScheduler", "celery_sqlalchemy_scheduler.schedulers.DatabaseScheduler"),
        "it is made for Celery",
    ),
}
GROUPS: Final = ("umbel.beat_schedulers", "celery.beat_schedulers")


def scheduler_class(given: Any) -> Any:
    """Find the class of a scheduler.

    Args:
        given: a class, an import path, a name that a package offers as an entry point, or nothing: the store of the settings.

    Raises:
        ImproperlyConfigured: there is no such class, or it cannot run here; says what to do.
    """
    if not given:
        return plugins.load(_STORED, "beat")
    found = _named(given) if isinstance(given, str) else given
    if not callable(getattr(found, "tick", None)):
        raise ImproperlyConfigured(f"beat_scheduler is {given!r}: expected a subclass of umbel.beat.Scheduler")
    return found


def _named(name: str) -> Any:
    dotted = name.replace(":", ".")
    if dotted in REFUSED:
        raise ImproperlyConfigured(f"beat_scheduler is {name!r}, which Umbel does not run: {REFUSED[dotted]}. {_ADVICE}.")
    if dotted in OURS:
        return plugins.load(OURS[dotted], f"beat_scheduler {name!r}")
    if "." not in dotted:
        return plugins.load(_offered(name), f"beat_scheduler {name!r}")
    module, _, attribute = dotted.rpartition(".")
    try:
        return plugins.load(f"{module}:{attribute}", f"beat_scheduler {name!r}")
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(f"beat_scheduler is {name!r}, which cannot be imported: {error}") from error


def _offered(name: str) -> str:
    from importlib.metadata import entry_points

    for group in GROUPS:
        for point in entry_points(group=group):
            if point.name == name:
                return point.value
    raise ImproperlyConfigured(
        f"beat_scheduler is {name!r}: no installed package offers such a scheduler; expected nothing, umbel.beat:PersistentScheduler, or a path, module:Class"
    )
