"""The facts that a bug report needs: versions, platform, app and settings, with nothing secret in them."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any, Final

from umbel._version import __version__
from umbel.runtime.host.machine import processors

_LIBRARIES: Final = ("click", "pamqp", "rich", "sqlalchemy", "msgpack", "pyyaml", "zstandard", "brotli")


def sections(app: Any, path: str | None = None, tasks: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Collect the facts, by title and name. No server is contacted.

    Args:
        app: the app.
        path: ``module:attribute`` of the app, where it is known.
        tasks: names of its tasks; those that are registered when not given.
    """
    return {"software": _software(), "platform": _platform(), "app": _app(app, path, tasks)}


def bug_report(app: Any) -> str:
    """Write all facts of an ``app``, its settings included, as text."""
    found = {**sections(app, app.import_path), "settings": app.conf.table() or {"(none)": "all defaults"}}
    lines = []
    for title, facts in found.items():
        longest = max(len(name) for name in facts)
        lines += [title, *(f"  {name.ljust(longest)}  {value}" for name, value in facts.items())]
    return "\n".join(lines) + "\n"


def _software() -> dict[str, str]:
    found = {"umbel": __version__, "python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _platform() -> dict[str, str]:
    encoding = getattr(sys.stdout, "encoding", None) or "none"
    return {
        "system": platform.platform(),
        "processors": str(processors()),
        "executable": sys.executable,
        "encoding": f"{encoding}, files {sys.getfilesystemencoding()}",
    }


def _app(app: Any, path: str | None, tasks: list[str] | None) -> dict[str, Any]:
    names = tasks if tasks is not None else sorted(name for name in app.tasks if not name.startswith(("celery.", "umbel.")))
    return {
        "app": path or "none named (-A)",
        "broker": app.broker.public_url(),
        "results": app.store.public_url() if app.store is not None else "not kept",
        "queues": ", ".join(queue.name for queue in app.queues.consume_from),
        "tasks": ", ".join(names) or "none",
    }
