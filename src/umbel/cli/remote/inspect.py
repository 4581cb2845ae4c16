"""``umbel inspect``: ask workers."""

from __future__ import annotations

import click

from umbel.cli.options import Misuse
from umbel.cli.output import Output
from umbel.cli.remote import asking
from umbel.cli.remote.printing import show


@click.command(
    cls=asking.RemoteGroup,
    kind="inspect",
    examples=(
        ("umbel inspect active", "the tasks that run, on all workers"),
        ("umbel inspect stats -d celery@a -j", "figures of one worker, as JSON"),
        ("umbel inspect registered rate_limit", "tasks, and their rate limits"),
    ),
)
@asking.options
@click.argument("name", required=False, metavar="COMMAND", shell_complete=asking.complete_commands("inspect"))
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
    """Ask workers what they are doing.

    Exit code 69: no worker has replied.
    """
    output = Output.of(context, as_json=as_json)
    if asking.list_commands(context, output, "inspect", listed=listed):
        return
    if name is None:
        raise Misuse("Which command? umbel inspect --list shows them.")
    asked, replies = asking.ask(context, "inspect", name, words, timeout, destination)
    if not replies:
        asking.nobody(timeout, destination)
    if as_json:
        output.data({node: reply for each in replies for node, reply in each.items()})
    else:
        show(output, asked.name, replies)
