"""The app of a project that has no ``celery.py``: ``umbel -A umbel.contrib.django.application worker`` finds it here, and so do a worker's children."""

from __future__ import annotations

from typing import Any, Final

import django
from django.apps import apps
from django.core.signals import setting_changed

from umbel.app.app import Umbel
from umbel.contrib.django import preparing
from umbel.contrib.django.settings import OWN, SOURCE
from umbel.contrib.django.task import DjangoTask

#: By which children find the app.
PATH: Final = f"{__name__}:app"


def _make() -> Any:
    """Make the app. Tasks are found in ``tasks.py`` of the installed apps."""
    made = (preparing.earlier_maker() or Umbel)("project", task_cls=DjangoTask, set_as_current=False)
    made.config_from_object(SOURCE)
    made.import_path = PATH
    made.autodiscover_tasks()
    made.set_default()
    preparing.connect(made)
    return made


def project_app(*_: Any, **__: Any) -> Any:
    """Return the app of this project.

    Args:
        _: of an app's constructor; the settings say all that is needed.
        __: likewise.
    """
    return app


def _read_again(setting: str, **_: Any) -> None:
    """Read the settings again when a test changes one (``override_settings``)."""
    if setting.startswith(("UMBEL_", "CELERY_")) and setting not in OWN:
        app.conf.read_from(SOURCE)


if not apps.apps_ready:
    django.setup()
app = _make()
setting_changed.connect(_read_again, dispatch_uid=PATH)
