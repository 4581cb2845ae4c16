"""``umbel control``: tell workers."""

from __future__ import annotations

import click

from umbel.cli.options import Misuse
from umbel.cli.output import Output
from umbel.cli.remote import asking
from umbel.cli.remote.printing import show


@click.command(
    cls=asking.RemoteGroup,
    kind="control",
    examples=(
        ("umbel control rate_limit tasks.fetch 10/m", "on all workers"),
        ("umbel control add_consumer slow -d celery@a", "one worker reads one more queue"),
        ("umbel control terminate KILL ID", "end a task that runs"),
    ),
)
@asking.options
@click.argument("name", required=False, metavar="COMMAND", shell_complete=asking.complete_commands("control"))
@click.argument("words", nargs=-1, metavar="[ARGUMENTS]")
@click.pass_context
def command(
    context: click.Context,
    name: str | None,
    words: tuple[str, ...],
    listed: bool,
    as_json: bool,
    timeout: float | None,
    destination: tuple[str, ...],
) -> None:
    """Tell workers what to do.

    Exit code 69: no worker has replied.
    """
    output = Output.of(context, as_json=as_json)
    if asking.list_commands(context, output, "control", listed=listed):
        return
    if name is None:
        raise Misuse("Which command? umbel control --list shows them.")
    asked, replies = asking.ask(context, "control", name, words, timeout, destination)
    if not replies:
        asking.nobody(timeout, destination)
    if as_json:
        output.data(replies)
    else:
        show(output, asked.name, replies)
