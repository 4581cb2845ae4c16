"""``umbel upgrade settings``: today's names in a module of settings."""

from __future__ import annotations

import shutil
import tokenize
from pathlib import Path

import click

from umbel.cli.moving.renaming import names_for, renamed, renamings
from umbel.cli.options import Group
from umbel.cli.output import Output, count


@click.group(cls=Group)
def command() -> None:
    """Bring a project up to date."""


@command.command("settings", short_help="Give settings today's names in a file.")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--django", "--compat", is_flag=True, help='Names as for namespace="CELERY": CELERY_BROKER_URL.')
@click.option("--no-backup", is_flag=True, help="Keep no copy of the file as it was (FILE.orig).")
@click.pass_context
def settings(context: click.Context, path: Path, django: bool, no_backup: bool) -> None:
    """Give settings today's names in FILE: CELERY_ALWAYS_EAGER becomes task_always_eager."""
    output = Output.of(context)
    with path.open("rb") as file:
        encoding, _ = tokenize.detect_encoding(file.readline)
    try:
        text = path.read_bytes().decode(encoding)
        changes = renamings(text, names_for(django=django))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is no Python module: {error}") from error
    if not changes:
        output.line("Nothing to change.")
        return
    if not no_backup:
        shutil.copy2(path, f"{path}.orig")
        output.remark(f"The file as it was: {path}.orig")
    path.write_bytes(renamed(text, changes).encode(encoding))
    for change in changes:
        output.line(f"line {change.line}: {change.old} is {change.new}")
    output.line(f"Changes to your setting have been made! ({count(len(changes), 'name')})")
