"""``umbel purge``: drop the messages that wait in queues."""

from __future__ import annotations

import contextlib

import click

from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, json_option
from umbel.cli.output import Output, confirm, count
from umbel.cli.shell_completion import queues_option


@click.command(cls=Command)
@click.option("-f", "--force", "-y", "--yes", is_flag=True, help="Do not ask.")
@queues_option()
@queues_option("-X", "--exclude-queues", text="All but these.")
@json_option
@click.pass_context
def command(context: click.Context, force: bool, queues: tuple[str, ...], exclude_queues: tuple[str, ...], as_json: bool) -> None:
    """Drop the messages that wait in queues. There is no undo.

    Messages that a worker has already taken, and those that wait for their time, stay.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        names = [name for name in loaded.check_queues(client, queues) if name not in exclude_queues]
        waiting = {name: client.length(name) or 0 for name in names}
        total = sum(waiting.values())
        if total and not force:
            described = names[0] if len(names) == 1 else ", ".join(f"{name} ({waiting[name]:,})" for name in names)
            confirm(f"Drop {count(total, 'message')} from {described} at {loaded.app.broker.public_url()}?", yes=force)
        purged = {name: client.purge(name) for name in names if waiting[name]}
    if as_json:
        output.data({name: purged.get(name, 0) for name in names})
    else:
        output.line(f"Dropped {count(sum(purged.values()), 'message')} from {count(len(names), 'queue')}.")


def purge_all(loaded: LoadedApp, names: tuple[str, ...]) -> int:
    """Drop the messages that wait in the queues ``names`` of the app ``loaded``; returns their number."""
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        return sum(client.purge(name) for name in names if client.length(name) is not None)
