"""The app of the Flask program that ``flask --app`` has named: found here by a worker that ``flask umbel worker`` starts, and by its children."""

from __future__ import annotations

import os
from typing import Any

from umbel.contrib.flask.command import VARIABLE
from umbel.errors import ImproperlyConfigured

_found: list[Any] = []


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    if not _found:
        _found.append(_load())
    return _found[0]


def _load() -> Any:
    from flask.cli import ScriptInfo

    program = ScriptInfo(app_import_path=os.environ.get(VARIABLE) or None).load_app()
    found = program.extensions.get("umbel")
    if found is None:
        raise ImproperlyConfigured(f"the Flask program {program.name!r} has no Umbel: call FlaskUmbel(…).init_app(app) in its factory")
    return found
