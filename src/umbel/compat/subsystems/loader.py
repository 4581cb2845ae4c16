"""``app.loader``."""

from __future__ import annotations

import importlib
from typing import Any

from umbel.compat.legacy import importing


class Loader:
    """Imports modules for an app.

    Args:
        app: the app.
        kwargs: Celery's; without effect.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self.app = app
        self.task_modules: set[str] = set()

    @property
    def conf(self) -> Any:
        """The app's settings."""
        return self.app.conf

    def now(self, utc: bool = True) -> Any:  # noqa: ARG002 - the app's zone says it
        """Return the time."""
        return self.app.now()

    def import_task_module(self, module: str) -> Any:
        """Import a module of tasks, and remember it.

        Args:
            module: its name.
        """
        self.task_modules.add(module)
        return self.import_from_cwd(module)

    def import_module(self, module: str, package: str | None = None) -> Any:
        """Import a module.

        Args:
            module: its name.
            package: that a relative name begins in.
        """
        return importlib.import_module(module, package)

    def import_from_cwd(self, module: str, imp: Any = None, package: str | None = None) -> Any:
        """Import a module, from the current folder, too.

        Args:
            module: its name.
            imp: imports it.
            package: that a relative name begins in.
        """
        return importing.import_from_cwd(module, imp or self.import_module, package)

    def import_default_modules(self) -> list[str]:
        """Import what the settings name; returns the names."""
        names: list[str] = self.app.import_modules()
        return names

    def init_worker(self) -> None:
        """Import what the settings name."""
        self.import_default_modules()

    def autodiscover_tasks(self, packages: Any, related_name: str = "tasks") -> None:
        """Import the modules of tasks of packages.

        Args:
            packages: their names.
            related_name: the module in each.
        """
        self.app.autodiscover_tasks(packages, related_name, force=True)

    def config_from_object(self, obj: Any, silent: bool = False) -> bool:
        """Read settings.

        Args:
            obj: as for `Umbel.config_from_object`.
            silent: pass over a module that is not there.
        """
        self.app.config_from_object(obj, silent=silent, force=True)
        return True
