"""The entries of the code: those of the settings, and the usual ones."""

from __future__ import annotations

from typing import Any

from umbel.beat.entries.model import Spec
from umbel.beat.entries.reading import check_name, read
from umbel.errors import ImproperlyConfigured
from umbel.schedules import crontab


def default_entries(app: Any) -> dict[str, dict[str, Any]]:
    """Return the usual entries: where the result store does not drop what has expired by itself, it is told to at 04:00.

    Args:
        app: whose store.
    """
    if not app.conf.result_expires or not getattr(app.store, "needs_cleanup", False):
        return {}
    cleanup = {"task": "celery.backend_cleanup", "schedule": crontab("0", "4", "*", app=app), "options": {"expires": 12 * 3600}}
    return {"celery.backend_cleanup": cleanup}


def read_code(app: Any) -> dict[str, Spec | str]:
    """Read the entries of the code, by name; a text in place of one says what is wrong with it.

    Args:
        app: whose settings they are in.
    """
    found: dict[str, Spec | str] = {}
    for name, given in {**default_entries(app), **app.conf.beat_schedule}.items():
        try:
            found[check_name(name)] = read(given, app)
        except ImproperlyConfigured as error:
            found[str(name)] = str(error)
    return found
