"""`FlaskUmbel`: an app that is an extension of Flask; its tasks run inside the program's application context."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask

from umbel.app.app import Umbel
from umbel.app.task.task import Task
from umbel.contrib.flask.command import group
from umbel.errors import ImproperlyConfigured

#: Mappings of settings in ``app.config``, the weaker first; and the prefix of single ones, which outrank both.
_MAPPINGS: Final = ("CELERY", "UMBEL")
_PREFIX: Final = "UMBEL_"
EXTENSION: Final = "umbel"


class FlaskTask(Task[..., Any]):
    """A task that runs inside an application context of its own, in a worker and where it is applied."""

    abstract = True

    def entry_point(self) -> Callable[..., Any]:
        """Return the function that a worker calls: the task's own, inside the context."""
        call = super().entry_point()
        if inspect.iscoroutinefunction(self.run):

            @functools.wraps(call)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self.app.needed_flask().app_context():
                    return await call(*args, **kwargs)

            return run_async

        @functools.wraps(call)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.app.needed_flask().app_context():
                return call(*args, **kwargs)

        return run


class FlaskUmbel(Umbel):
    """An app, and an extension of Flask: ``queue = FlaskUmbel("shop")``, and in the factory ``queue.init_app(app)``. Arguments are `Umbel`'s, and one more.

    Args:
        main: as for `Umbel`.
        flask_app: the Flask program, where there is no factory.
        options: as for `Umbel`.
    """

    task_cls: Any = FlaskTask

    def __init__(self, main: str | None = None, flask_app: Flask | None = None, **options: Any) -> None:
        super().__init__(main, **options)
        #: The program in whose context tasks run.
        self.flask_app = flask_app
        if flask_app is not None:
            self.init_app(flask_app)

    def init_app(self, flask_app: Flask) -> None:
        """Join a Flask program: its configuration is this app's, tasks run in its context, and ``flask umbel`` is there.

        Settings are in ``config["UMBEL"]``, a dict, or single ones such as ``config["UMBEL_BROKER_URL"]``; ``config["CELERY"]`` is read, too.

        Args:
            flask_app: the program. When there are several, one after the other, as in tests, the last one counts.

        Raises:
            ImproperlyConfigured: the configuration is none.
        """
        self.flask_app = flask_app
        found = _settings(flask_app.config)
        if found:
            self.config_from_object(found)
        self.set_default()
        flask_app.extensions[EXTENSION] = self
        flask_app.extensions.setdefault("celery", self)
        if group.name not in flask_app.cli.commands:
            flask_app.cli.add_command(group)

    def needed_flask(self) -> Flask:
        """Return the Flask program.

        Raises:
            ImproperlyConfigured: there is none yet.
        """
        if self.flask_app is None:
            raise ImproperlyConfigured(
                f"{self!r} belongs to no Flask program: call init_app(app) in your factory, and run workers by `flask umbel worker`, or by "
                "`umbel -A` and a module that calls the factory"
            )
        return self.flask_app


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _MAPPINGS:
        given = config.get(name) or {}
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured(
                f"config[{name!r}] is {type(given).__name__}: expected a dict of settings, e.g. {{'broker_url': 'redis://…'}}"
            )
        found.update(given)
    found.update({name[len(_PREFIX) :].lower(): value for name, value in config.items() if name.startswith(_PREFIX)})
    return found
