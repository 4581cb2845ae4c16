"""Imports of modules of tasks; and the path from which an app can be imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from umbel import hooks
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins

#: Sets Django up. Above the app, and so named here, as the command line is in `umbel.app.entry_points`.
_DJANGO = "umbel.contrib.django.preparing:prepare"


def import_all(app: Any, discoveries: Sequence[Callable[[], Iterable[str]]]) -> list[str]:
    """Import the modules of ``imports``, ``include`` and of each discovery, once; returns their names.

    Args:
        app: the app.
        discoveries: functions that return names of modules, of which some may not exist.
    """
    prepare_django(app)
    conf = app.conf
    names = [*conf.imports, *conf.include]
    for name in names:
        importlib.import_module(name)
    hooks.import_modules.send(app)
    for find in discoveries:
        names += import_related(find())
    app.finalize()
    return list(dict.fromkeys(names))


def prepare_django(app: Any) -> None:
    """Set Django up for an app where ``DJANGO_SETTINGS_MODULE`` is set, as Celery does: modules of tasks import models.

    Args:
        app: the app.
    """
    if os.environ.get("DJANGO_SETTINGS_MODULE") and importlib.util.find_spec("django") is not None:
        plugins.load(_DJANGO, "DJANGO_SETTINGS_MODULE")(app)


def import_related(names: Iterable[str]) -> list[str]:
    """Import those of the modules ``names`` that exist; what they raise passes through. Returns their names.

    As in Celery (5.7), where a package is no module, as the path of a class is not, the module is looked for one level up.

    Raises:
        ModuleNotFoundError: there is no such package, nor one above it.
    """
    found = [there for name in names if (there := _find(name)) is not None]
    for name in found:
        importlib.import_module(name)
    return found


def discovery(packages: Any, related_name: str | None) -> Callable[[], list[str]]:
    """Make a function that lists the modules to look for, called when a worker starts.

    Args:
        packages: names, or a function that returns them; ``None`` is Django's installed apps.
        related_name: the module in each; ``None`` is the package itself.
    """

    def find() -> list[str]:
        found = packages() if callable(packages) else packages
        if found is None:
            found = _django_apps()
        if isinstance(found, str):
            found = (found,)
        return [f"{package}.{related_name}" if related_name else package for package in found]

    return find


def _find(name: str) -> str | None:
    """The name under which a module is found; ``None`` when its package has none."""
    package, _, last = name.rpartition(".")
    if not package:
        return name if importlib.util.find_spec(name) is not None else None
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        package, _, missing = package.rpartition(".")
        if not package or error.name != f"{package}.{missing}":
            raise
        module = importlib.import_module(package)
    path = getattr(module, "__path__", None)
    return f"{package}.{last}" if path is not None and importlib.util.find_spec(f"{package}.{last}") is not None else None


def _django_apps() -> list[str]:
    try:
        from django.apps import apps
    except ImportError as error:
        raise ImproperlyConfigured("autodiscover_tasks() needs the names of packages where there is no Django") from error
    return [config.name for config in apps.get_app_configs()]


def path_of(app: Any, module_name: str) -> str:
    """Find ``module:attribute`` by which another process imports an app; empty when it cannot.

    Args:
        app: the app.
        module_name: the module in which it was made. A script that is run is found by the name of its file.
    """
    module = sys.modules.get(module_name)
    attribute = next((name for name, value in vars(module).items() if value is app), "") if module is not None else ""
    if module_name == "__main__":
        spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
        module_name = spec.name.removesuffix(".__main__") if spec is not None else Path(file).stem if file else ""
    return f"{module_name}:{attribute}" if module_name and attribute else ""
