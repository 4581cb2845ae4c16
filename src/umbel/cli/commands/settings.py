"""``umbel settings``: show the settings there are, and their values."""

from __future__ import annotations

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, json_option
from umbel.cli.output import Output


@click.command(cls=Command)
@click.argument("word", required=False)
@click.option("--all", "everything", is_flag=True, help="Also those that have their default value.")
@json_option
@click.pass_context
def command(context: click.Context, word: str | None, everything: bool, as_json: bool) -> None:
    """Show the settings that were given; with WORD, all that have it in their name or meaning.

    Passwords and keys are masked.
    """
    from umbel.app.config.schema import SETTINGS

    output = Output.of(context, as_json=as_json)
    conf = load(GlobalOptions.of(context)).app.conf
    values = conf.table(with_defaults=everything or word is not None)
    rows = []
    for name, value in values.items():
        row = SETTINGS.get(name)
        meaning = row.meaning if row is not None else "of another package"
        if word is None or word.lower() in f"{name} {meaning} {' '.join(row.old) if row else ''}".lower():
            rows.append((name, value, meaning))
    if as_json:
        output.data({name: value for name, value, _ in rows})
    elif rows:
        output.columns(["SETTING", "VALUE", "MEANING"], [(name, repr(value), meaning) for name, value, meaning in rows], wrap=True)
    elif word is None:
        output.line("All settings have their defaults. (umbel settings --all)")
    else:
        raise click.ClickException(f"No setting has {word!r} in its name or meaning.")
