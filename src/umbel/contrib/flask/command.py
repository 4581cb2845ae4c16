"""``flask umbel …``: Umbel's command line for a Flask program, whose app need not be named."""

from __future__ import annotations

import os
from typing import Any, Final

import click
from flask import current_app
from flask.cli import ScriptInfo, with_appcontext

#: By which children of a worker find the app, and the variable that tells them which program it belongs to.
PATH: Final = "umbel.contrib.flask.program:app"
VARIABLE: Final = "UMBEL_FLASK_APP"
_CONTEXT: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command("umbel", context_settings=_CONTEXT)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@with_appcontext
def group(context: click.Context, words: tuple[str, ...]) -> None:
    """Run a command of Umbel: flask umbel worker, beat, status, …"""
    from umbel.cli.main import run

    app: Any = current_app.extensions["umbel"]
    script = context.ensure_object(ScriptInfo)
    if words[:1] in (("worker",), ("multi",)):  # whose children, or workers, have to find it
        os.environ[VARIABLE] = script.app_import_path or ""
        context.exit(run(["-A", PATH, *words]))
    context.exit(run(list(words), app))
