"""``umbel shell``: Python with the app, its tasks and the names of workflows."""

from __future__ import annotations

import code
import contextlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from umbel._version import __version__
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Misuse

#: Names of `umbel` that are there.
_NAMES: Final = ("Task", "AsyncResult", "group", "chain", "chord", "chunks", "xmap", "xstarmap", "signature", "subtask", "Signature")


@click.command(cls=Command)
@click.option("-I", "--ipython", "kind", flag_value="ipython", help="In IPython.")
@click.option("-B", "--bpython", "kind", flag_value="bpython", help="In bpython.")
@click.option("-P", "--python", "kind", flag_value="python", help="In plain Python.")
@click.option("-T", "--without-tasks", is_flag=True, help="Without names for the app's tasks.")
@click.pass_context
def command(context: click.Context, kind: str | None, without_tasks: bool) -> None:
    """Start Python with the app (app, celery), its tasks by their last names, and group, chain, chord, ….

    Without -I, -B or -P it is the first of IPython, bpython and plain Python that is installed.
    """
    loaded = load(GlobalOptions.of(context))
    names = names_for(loaded, with_tasks=not without_tasks)
    chosen = kind or next(name for name in SHELLS if name == "python" or importlib.util.find_spec(_MODULES[name]) is not None)
    if chosen != "python" and importlib.util.find_spec(_MODULES[chosen]) is None:
        raise Misuse(f"{_MODULES[chosen]} is not installed: pip install {chosen}, or use -P.")
    SHELLS[chosen](names, f"Umbel {__version__}: app is {loaded.app.main or 'an app without a name'} at {loaded.app.broker.public_url()}")


def names_for(loaded: LoadedApp, *, with_tasks: bool) -> dict[str, Any]:
    """Return the names that are there.

    Args:
        loaded: the app.
        with_tasks: tasks, too; one whose last name is taken is reached through ``app.tasks``.
    """
    umbel = importlib.import_module("umbel")
    names: dict[str, Any] = {name: getattr(umbel, name) for name in _NAMES}
    names |= {"app": loaded.app, "celery": loaded.app, "umbel": umbel}
    if with_tasks:
        for name in loaded.task_names():
            names.setdefault(name.rpartition(".")[2], loaded.app.tasks[name])
    return names


def _ipython(names: Mapping[str, Any], banner: str) -> None:
    embed = importlib.import_module("IPython.terminal.embed")
    embed.InteractiveShellEmbed(banner1=f"{banner}\n", user_ns=dict(names))()


def _bpython(names: Mapping[str, Any], banner: str) -> None:
    embed = importlib.import_module("bpython").embed
    embed(dict(names), banner=banner)


def _python(names: Mapping[str, Any], banner: str) -> None:
    with contextlib.suppress(ImportError):
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(dict(names)).complete)
        readline.parse_and_bind("tab: complete")
    code.interact(banner, local=dict(names), exitmsg="")


_MODULES: Final = {"ipython": "IPython", "bpython": "bpython"}
#: In the order in which they are preferred.
SHELLS: Final[dict[str, Callable[[Mapping[str, Any], str], None]]] = {"ipython": _ipython, "bpython": _bpython, "python": _python}
