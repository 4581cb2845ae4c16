"""Loading of the app: import it, lay the command line's settings over it, or say plainly why not."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from umbel.brokers.base import QueueClient
from umbel.brokers.topology import Queue
from umbel.cli.options import GlobalOptions, Misuse, did_you_mean
from umbel.errors import UmbelError

#: Name of the app that stands in where none is named.
_NAMELESS = "umbel"


class AppNotFound(Misuse):
    """An error: ``-A`` leads nowhere."""


@dataclass(frozen=True, slots=True)
class LoadedApp:
    """An app, where it came from, and what the command line changes in it."""

    app: Any
    #: ``module:attribute``, by which children load it; ``None`` for an app made for this command alone.
    path: str | None
    changes: Mapping[str, Any]

    def queue_names(self) -> list[str]:
        """The queues that a worker of this app would consume from, by the names that people know."""
        return [queue.public_name for queue in self.app.queues.consume_from]

    def nameless(self) -> str | None:
        """A remark where neither an app nor a broker is named: the one in use may not be the one that is meant."""
        if self.path is not None or self.app.main != _NAMELESS or "broker_url" in self.changes:
            return None
        return f"No app is named (-A): using {self.app.broker.public_url()}."

    def import_modules(self) -> None:
        """Import the modules that the app includes.

        Raises:
            AppNotFound: one of them cannot be imported; says which settings name them.
        """
        try:
            self.app.import_modules()
        except Exception as error:
            named = ", ".join(dict.fromkeys([*(self.app.conf.imports or ()), *(self.app.conf.include or ())]))
            if not isinstance(error, ModuleNotFoundError) or error.name not in named.split(", "):
                _show_their_error(error)
            raise AppNotFound(
                f"a module that {self.path or 'the app'} includes cannot be imported: {type(error).__name__}: {error}"
                + (f" (imports, include or -I: {named})" if named else "")
            ) from error

    def task_names(self, *, built_in: bool = False) -> list[str]:
        """List registered tasks, sorted; with ``built_in``, also those that come with Umbel."""
        self.import_modules()
        self.app.finalize()
        return sorted(name for name in self.app.tasks if built_in or not name.startswith(("celery.", "umbel.")))

    def queue(self, name: str) -> Queue:
        """Find the configured queue ``name``, or make a plain one of this name."""
        try:
            found: Queue = self.app.queues[name]
        except KeyError:
            return Queue(name)
        return found

    def check_queues(self, client: QueueClient, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the named queues, all of them known to the app or to the broker; the app's own when none is named.

        Args:
            client: to ask the broker.
            names: from the command line.

        Raises:
            Misuse: there is no such queue; says which was perhaps meant.
        """
        known = self.queue_names()
        for name in names:
            if name not in known and client.length(name) is None:
                hint = did_you_mean(name, known) or f"This app has: {', '.join(known)}."
                raise Misuse(f"There is no queue {name!r}. {hint}")
        return names or tuple(queue.name for queue in self.app.queues.consume_from if not queue.is_broadcast)  # those are each worker's own


def load(options: GlobalOptions, changes: Mapping[str, Any] | None = None, *, needed: bool = False) -> LoadedApp:
    """The app that the command line names, or a plain one where it names none.

    Args:
        options: the options shared by all commands.
        changes: settings that go over the app's own.
        needed: a plain app will not do.

    Raises:
        AppNotFound: nothing is there; the text says what was looked for, where, and what was found instead.
    """
    enter(options.workdir)
    changes = {**_changes_of(options), **(changes or {})}
    if options.app is None:
        if options.given is not None:
            return _laid_over(options.given, options.given.import_path, changes)
        if needed and not options.config:  # settings may name the modules of tasks
            raise AppNotFound(f"Which app? Name the module it lives in, e.g. -A tasks.{_candidates()}")
        from umbel.app.app import Umbel

        app: Any = Umbel(_NAMELESS)
        path = None
    else:
        app, path = _find(options.app)
    return _laid_over(app, path, changes)


def _laid_over(app: Any, path: str | None, changes: Mapping[str, Any]) -> LoadedApp:
    if changes:
        app.conf.update(changes)
    _read_settings(app, path)
    return LoadedApp(app, path or None, changes)


def _read_settings(app: Any, path: str | None) -> None:
    try:
        app.conf.load()
    except UmbelError:
        raise
    except Exception as error:
        source = app.conf.unread
        if not isinstance(source, str):
            raise
        if not isinstance(error, ModuleNotFoundError) or not f"{source}.".startswith(f"{error.name}."):
            _show_their_error(error)
        raise AppNotFound(
            f"{path or 'the app'} takes its settings from {source}, which cannot be imported "
            f"(looked in {Path.cwd()} and on the module search path): {type(error).__name__}: {error}"
        ) from error


def _find(text: str) -> tuple[Any, str]:
    from umbel.app.discovery import find_app

    try:
        found = find_app(text)
    except UmbelError as error:
        if error.__cause__ is not None:
            _show_their_error(error.__cause__)
        raise AppNotFound(str(error)) from error
    return found.app, found.import_path


def _show_their_error(error: BaseException) -> None:
    """The traceback of what the user's own module raised, from their first line on."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parents[1])
    while frames and (frames[0].filename.startswith((ours, "<frozen")) or "importlib" in frames[0].filename):
        del frames[0]
    while isinstance(error, UmbelError) and frames and frames[-1].filename.startswith(ours):  # our frames only report it
        del frames[-1]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *traceback.format_exception_only(error)]
    click.echo("".join(lines), err=True)


def enter(workdir: str | None) -> None:
    """Change to the folder ``workdir``, if one is given, and look for modules in the current one. Safe twice."""
    if workdir:
        os.chdir(workdir)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _changes_of(options: GlobalOptions) -> dict[str, Any]:
    changes = {}
    if options.config:  # as values, so that children have them, too
        changes.update(_settings_of(options.config))
    if options.broker:
        changes["broker_url"] = options.broker
    if options.result_backend:
        changes["result_backend"] = options.result_backend
    return changes


def _settings_of(module: str) -> dict[str, Any]:
    from umbel.app.config import sources

    try:
        return sources.load(module)
    except ImportError as error:
        raise Misuse(f"--config {module}: it cannot be imported (looked in {Path.cwd()} and on the module search path): {error}") from error


def _candidates() -> str:
    """List modules here that look as if they made an app."""
    from umbel.app.discovery import candidates

    names = candidates()[:3]
    return f" In this folder it could be: {', '.join(f'-A {name}' for name in names)}" if names else ""
