"""``umbel report``: print what a bug report needs, with nothing secret in it."""

from __future__ import annotations

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, json_option
from umbel.cli.output import Output


@click.command(cls=Command)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Print versions, platform and settings, for bug reports. Passwords and keys are masked; no server is contacted."""
    from umbel.app.config.report import sections

    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    found = sections(loaded.app, loaded.path, loaded.task_names())
    settings = loaded.app.conf.table()
    if as_json:
        output.data({**found, "settings": settings})
        return
    for title, facts in {**found, "settings": settings or {"(none)": "all defaults"}}.items():
        output.line(output.paint(title, bold=True))
        longest = max(len(name) for name in facts)
        for name, value in facts.items():
            output.line(f"  {name.ljust(longest)}  {value}")
