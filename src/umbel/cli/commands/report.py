"""``umbel report``: print what a bug report needs, with nothing secret in it."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

import click

from umbel._version import __version__
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, json_option
from umbel.cli.output import Output

_LIBRARIES = ("click", "pamqp", "rich", "sqlalchemy", "msgpack", "pyyaml", "zstandard", "brotli")


@click.command(cls=Command)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Print versions, platform and settings, for bug reports. Passwords and keys are masked; no server is contacted."""
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    sections = {"software": _software(), "platform": _platform(), "app": _app(loaded)}
    settings = loaded.app.conf.table()
    if as_json:
        output.data({**sections, "settings": settings})
        return
    for title, facts in {**sections, "settings": settings or {"(none)": "all defaults"}}.items():
        output.line(output.paint(title, bold=True))
        longest = max(len(name) for name in facts)
        for name, value in facts.items():
            output.line(f"  {name.ljust(longest)}  {value}")


def _software() -> dict[str, str]:
    found = {"umbel": __version__, "python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _platform() -> dict[str, str]:
    from umbel.worker.options import processors

    return {
        "system": platform.platform(),
        "processors": str(processors()),
        "executable": sys.executable,
        "encoding": f"{sys.stdout.encoding}, files {sys.getfilesystemencoding()}",
    }


def _app(loaded: LoadedApp) -> dict[str, Any]:
    app = loaded.app
    return {
        "app": loaded.path or "none named (-A)",
        "broker": app.broker.public_url(),
        "results": app.store.public_url() if app.store is not None else "not kept",
        "queues": ", ".join(loaded.queue_names()),
        "tasks": ", ".join(loaded.task_names()) or "none",
    }
