"""``umbel queues pause`` and ``resume``: for all workers, until further notice."""

from __future__ import annotations

import contextlib

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, json_option
from umbel.cli.output import Output
from umbel.cli.shell_completion import complete_queues


@click.command("pause", cls=Command, short_help="Have no worker take messages from queues.")
@click.argument("names", nargs=-1, required=True, shell_complete=complete_queues)
@json_option
@click.pass_context
def pause(context: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Have no worker take messages from the queues NAMES, until umbel queues resume.

    The broker keeps that: it holds for workers that start later, too. Tasks that run end; what workers hold and have not begun goes back. Celery's
    workers do not know of it: tell them by umbel control cancel_consumer.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        loaded.check_queues(client, names)
        before = client.paused(names)
    loaded.app.control.pause_queues(*names)
    if as_json:
        output.data({"paused": list(names), "were": [name for name in names if name in before]})
        return
    for name in names:
        output.line(f"{name} is paused" + (", as it was." if name in before else "."))


@click.command("resume", cls=Command, short_help="Let workers take messages from queues again.")
@click.argument("names", nargs=-1, required=True, shell_complete=complete_queues)
@json_option
@click.pass_context
def resume(context: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Let workers take messages from the queues NAMES again."""
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        before = client.paused(names)
        if len(before) < len(set(names)):
            loaded.check_queues(client, tuple(name for name in names if name not in before))
    loaded.app.control.resume_queues(*names)
    if as_json:
        output.data({"resumed": [name for name in names if name in before]})
        return
    for name in names:
        output.line(f"{name} is no longer paused." if name in before else f"{name} was not paused.")
